"""Pictures that travel through the queue: workers that see none of our folders make the same files."""

from __future__ import annotations

import tempfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from imgpipe import FailureCode, Outcome, Pipeline, Recipe, Task, run_task
from imgpipe.errors import BadOption
from imgpipe.executors.queued import QueuedExecutor, QueuedOptions
from imgpipe.queue import open_queue
from imgpipe.queue.memory import MemoryQueue
from imgpipe.worker.settings import WorkerSettings
from imgpipe.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.queue.base import TaskQueue

INLINE = QueuedOptions(transport="inline")


@contextmanager
def worker_elsewhere(open_: Callable[[], TaskQueue], folder: Path) -> Iterator[None]:
    """Let a worker work that may touch nothing but an empty folder."""
    settings = WorkerSettings(
        name="elsewhere", labels=frozenset({"io", "cpu"}), slots=2, lease_seconds=5.0, roots=(str(folder),)
    )
    worker = Worker(open_, settings)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.drain()
        thread.join()


@pytest.fixture
def parcels(tmp_path: Path, monkeypatch) -> Path:
    """Return the folder in which a worker keeps what it has fetched, which is empty in the end."""
    folder = tmp_path / "parcels"
    folder.mkdir()
    make = partial(tempfile.mkdtemp, dir=folder)
    monkeypatch.setattr("imgpipe.worker.parcels.tempfile", SimpleNamespace(mkdtemp=make))
    return folder


@pytest.fixture
def tasks(tmp_path, picture_file) -> list[Task]:
    """Return eight tasks."""
    recipe = Recipe(Pipeline.parse("resize:20x | sharpen"))
    (tmp_path / "out").mkdir()
    paths = [picture_file(tmp_path / "in", f"{n}.png", size=(30 + n, 20)) for n in range(8)]
    return [Task(str(n), path, str(tmp_path / "out" / f"{n}.jpg"), recipe) for n, path in enumerate(paths)]


def run_elsewhere(
    tasks: list[Task],
    tmp_path: Path,
    queue: TaskQueue,
    options: QueuedOptions = INLINE,
    *,
    open_: Callable[[], TaskQueue] | None = None,
) -> dict[str, Any]:
    """Run tasks with a worker elsewhere; return the results by id."""
    (tmp_path / "empty").mkdir(exist_ok=True)
    with worker_elsewhere(open_ or (lambda: queue), tmp_path / "empty"):
        return {result.task_id: result for result in QueuedExecutor(queue, options).run(tasks)}


def test_what_comes_back_is_what_would_be_made_here(tasks, tmp_path, parcels):
    """The same bytes, the same words, and nothing is left of the journey."""
    queue = MemoryQueue()
    results = run_elsewhere(tasks, tmp_path, queue)
    made = [Path(task.target).read_bytes() for task in tasks]
    here = [run_task(task) for task in tasks]

    assert [Path(task.target).read_bytes() for task in tasks] == made
    assert [(here.source, here.target, here.bytes_out) for here in here] == [
        (results[task.id].source, results[task.id].target, results[task.id].bytes_out) for task in tasks
    ]
    assert ({}, [], []) == (queue._files, list(parcels.iterdir()), list((tmp_path / "empty").iterdir()))


def test_on_redis_too(tasks, tmp_path, parcels, redis_url):
    """Files are bytes there as well, and none stays."""
    queue = open_queue(redis_url)
    results = run_elsewhere(tasks, tmp_path, queue, open_=lambda: open_queue(redis_url))
    left = queue._redis.command("KEYS", "*file:*")  # type: ignore[attr-defined]
    queue.close()

    assert {Outcome.DONE} == {result.outcome for result in results.values()}
    assert ([], []) == (left, list(parcels.iterdir()))


def test_what_cannot_be_sent_is_named_before(tasks, tmp_path, parcels):
    """A picture above the limit, and one that is not there; the others are done."""
    Path(tasks[3].source).unlink()
    Path(tasks[5].source).write_bytes(bytes(5001))
    results = run_elsewhere(tasks, tmp_path, MemoryQueue(), replace(INLINE, inline_bytes=5000))

    assert (FailureCode.NOT_FOUND, FailureCode.TOO_LARGE) == (results["3"].failure.code, results["5"].failure.code)
    assert "--inline-limit" in results["5"].failure.remedy
    assert 6 == sum(result.outcome is Outcome.DONE for result in results.values())


def test_a_bad_picture_is_its_own_fault(tasks, tmp_path, parcels):
    """The worker's word comes back, about the picture as we call it."""
    Path(tasks[2].source).write_bytes(b"no picture")
    results = run_elsewhere(tasks, tmp_path, MemoryQueue())

    assert (Outcome.FAILED, tasks[2].source) == (results["2"].outcome, results["2"].source)
    assert FailureCode.UNREADABLE is results["2"].failure.code


def test_a_target_that_may_not_be_replaced_is_kept(tasks, tmp_path, parcels):
    """What is there already stays, as it would without a queue."""
    tasks = [replace(task, replace=False) for task in tasks]
    Path(tasks[0].target).write_bytes(b"mine")
    results = run_elsewhere(tasks, tmp_path, MemoryQueue())

    assert FailureCode.TARGET_EXISTS is results["0"].failure.code
    assert b"mine" == Path(tasks[0].target).read_bytes()


def test_a_picture_that_the_queue_has_lost_is_a_failure(tasks, tmp_path, parcels):
    """The worker says that it was not there, and what to do."""
    queue = MemoryQueue()
    queue.get_file = lambda job, index, kind: None  # type: ignore[method-assign]
    results = run_elsewhere(tasks[:1], tmp_path, queue)

    assert (FailureCode.NOT_FOUND, "run the same command again") == (
        results["0"].failure.code,
        results["0"].failure.remedy,
    )


def test_a_queue_without_room_is_waited_for(tasks, tmp_path, parcels):
    """Pictures wait outside until there is room."""
    queue = MemoryQueue()
    put, refused = queue.put_file, []

    def put_file(job: str, index: int, kind: Any, data: bytes) -> bool:
        if kind == "source" and index not in refused:
            refused.append(index)
            return False
        return put(job, index, kind, data)

    queue.put_file = put_file  # type: ignore[method-assign]
    results = run_elsewhere(tasks, tmp_path, queue)

    assert (8, 8) == (len(refused), sum(result.outcome is Outcome.DONE for result in results.values()))


@pytest.mark.parametrize("wrong", [{"inline_bytes": 0}, {"inline_bytes": 1 << 30}, {"wait": False}])
def test_options_that_cannot_be_kept_are_refused(wrong):
    """A limit that no queue takes, and nobody to write the results."""
    with pytest.raises(BadOption):
        QueuedOptions(transport="inline", **wrong)
