"""The executor contract on a real Redis with two real workers, and all of it embedded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contracts.executor_contract import ExecutorContract
from imgpipe import Outcome, Pipeline, Recipe, Task, create_executor, run_task
from imgpipe.errors import BadOption, ExecutorError, QueueUnavailable
from imgpipe.executors.embedded import EmbeddedExecutor
from imgpipe.executors.own_worker import OwnWorker
from imgpipe.executors.queued import QueuedExecutor, QueuedOptions
from imgpipe.queue import open_queue
from running_tasks import classified

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "real-workers"
START_SECONDS = 30
WAIT = threading.Event()


@pytest.fixture(scope="module")
def fleet(redis_server) -> Iterator[str]:
    """Return the URL of a Redis on which two worker processes wait."""
    options = ["--namespace", NAMESPACE, "-j", "1", "--capabilities"]
    kinds = {"worker-1": "io,cpu", "worker-2": "all"}
    workers = [
        OwnWorker(name, redis_server.url, [*options, kind], output=subprocess.DEVNULL) for name, kind in kinds.items()
    ]
    queue = open_queue(redis_server.url, namespace=NAMESPACE)
    deadline = time.monotonic() + START_SECONDS
    while len(queue.workers()) < len(workers) and time.monotonic() < deadline:
        WAIT.wait(0.05)
    queue.close()
    yield redis_server.url
    for worker in workers:
        worker.ask_to_end()
    for worker in workers:
        worker.stop(5)


class TestOnRedis(ExecutorContract):
    """Two workers, each with one slot."""

    url = ""

    @pytest.fixture(autouse=True)
    def _at(self, fleet):
        type(self).url = fleet

    def make(self):
        """Return the executor."""
        options = QueuedOptions(window=8, on_close="cancel")
        return create_executor("redis", redis=self.url, namespace=NAMESPACE, queued=options)

    def test_it_knows_how_many_slots_there_are(self, executor):
        """The workers that live say how many pictures can be in work at once."""
        assert 2 == executor.workers

    def test_it_agrees_with_running_here(self, executor, tasks, tmp_path):
        """Outcomes, codes, notes and bytes are those of one thread, for good and bad pictures."""
        (tmp_path / "in" / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no picture")
        sources = [*(task.source for task in tasks), str(tmp_path / "in" / "bad.jpg"), str(tmp_path / "none.png")]
        for name in ("here", "there"):
            (tmp_path / name).mkdir()
        here = classified(create_executor("sequential"), sources, tasks[0].recipe, tmp_path / "here")

        assert here == classified(executor, sources, tasks[0].recipe, tmp_path / "there")


@pytest.fixture
def tasks(tmp_path, picture_file) -> list[Task]:
    """Return four tasks."""
    recipe = Recipe(Pipeline.parse("blur:1"))
    paths = [picture_file(tmp_path / "in", f"{n}.png", size=(30 + n, 20)) for n in range(4)]
    return [Task(str(n), path, str(tmp_path / "out" / f"{n}.png"), recipe) for n, path in enumerate(paths)]


def test_embedded(redis_binary, tasks):
    """A server and a worker are started, and gone after `close`."""
    with create_executor("redis", redis="embedded", workers=1) as executor:
        assert isinstance(executor, EmbeddedExecutor)
        pid = executor._worker.pid
        results = list(executor.run(tasks))
        executor._worker.kill()  # it comes back
        again = list(executor.run(tasks))
    made = [Path(task.target).read_bytes() for task in tasks]
    for task in tasks:
        run_task(task)

    assert {Outcome.DONE} == {result.outcome for result in [*results, *again]}
    assert [Path(task.target).read_bytes() for task in tasks] == made
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("keep_data", [True, False])
def test_redis_dies_in_the_middle(own_redis, tmp_path, picture_file, keep_data):
    """Whether it comes back with its data or without: every picture has one result, and nobody has to do anything."""
    recipe = Recipe(Pipeline.parse("blur:1"))
    source = picture_file(tmp_path, "1.png", size=(300, 200))
    tasks = [Task(str(n), source, str(tmp_path / "out" / f"{n}.png"), recipe) for n in range(1, 61)]
    server = own_redis(persist=True)
    worker = OwnWorker("worker-1", server.url, ["-j", "1", "--lease", "1"], output=subprocess.DEVNULL)
    said: list[str] = []
    results = []
    options = QueuedOptions(window=20, silence_seconds=0.3)
    with create_executor("redis", redis=server.url, queued=options, say=said.append) as executor:
        for result in executor.run(tasks):
            results.append(result)
            if len(results) == 15:
                server.restart(keep_data=keep_data)
    worker.stop(5)

    assert [task.id for task in tasks] == sorted((result.task_id for result in results), key=int)
    assert {Outcome.DONE} == {result.outcome for result in results}
    assert len(tasks) == len(list((tmp_path / "out").iterdir()))


def test_a_worker_that_does_not_start(redis_binary):
    """Its last words are told."""
    with pytest.raises(ExecutorError, match=r"did not start: .*no_such_module"):
        EmbeddedExecutor(1, modules=["no_such_module"])


def test_a_worker_ends_with_the_one_who_started_it(redis_server):
    """Nobody is left behind by a process that was killed, even if the worker's Redis is gone as well."""
    program = (
        "import sys, subprocess; from imgpipe.executors.own_worker import OwnWorker\n"
        "worker = OwnWorker('orphan', sys.argv[1], ['-j', '1'], output=subprocess.DEVNULL)\n"
        "print(worker.pid, flush=True)\nsys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, redis_server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + START_SECONDS
    while is_alive(pid) and time.monotonic() < deadline:
        WAIT.wait(0.05)

    assert not is_alive(pid)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "redis: got None, expected the URL"),
        ({"redis": "unix:///x", "workers": 2}, "workers of its own"),
        ({"redis": "embedded", "namespace": "mine"}, "one queue"),
        ({"redis": "unix:///x", "max_memory_bytes": 1}, "imgpipe worker --max-memory"),
        ({"redis": "unix:///x", "timeout_seconds": 0.0}, "seconds above 0"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words):
    """What belongs to the workers, or makes no sense, is refused with what would be right."""
    with pytest.raises(BadOption, match=words):
        create_executor("redis", **options)


def test_what_only_redis_has_is_refused_elsewhere():
    """A URL says nothing to threads."""
    with pytest.raises(BadOption, match="only --executor redis"):
        create_executor("threads", redis="unix:///x")


def test_nobody_answers(tmp_path):
    """Patience at the start is short."""
    options = QueuedOptions(start_seconds=0.2)

    with pytest.raises(QueueUnavailable, match="does not answer"):
        create_executor("redis", redis=f"unix://{tmp_path}/none.sock", queued=options)


def test_a_limit_of_time_travels_with_the_job(redis_url, tasks):
    """`timeout_seconds` is part of the job, for the workers to keep."""
    options = QueuedOptions(wait=False)
    with create_executor("redis", redis=redis_url, timeout_seconds=7.5, queued=options) as executor:
        assert isinstance(executor, QueuedExecutor)
        list(executor.run(tasks))
    queue = open_queue(redis_url)
    (job,) = queue.jobs()
    queue.close()

    assert b'"timeout_seconds":7.5' in job.spec
