"""Dask: a cluster runs the tasks; a worker that dies costs nothing but time."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from contracts.executor_contract import ExecutorContract
from imgpipe import ExecutorError, Outcome, Pipeline, Recipe, Task, UsageError, create_executor
from imgpipe.executors.dask import DaskExecutor
from imgpipe_cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None and "CI" not in os.environ,
        reason="the extra imgpipe[dask] is not installed",
    ),
]

WAIT_SECONDS = 30


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Return a client of a cluster of two processes on this machine."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.submit(len, "started").result()
        yield client


class TestDask(ExecutorContract):
    """Two processes of dask."""

    @pytest.fixture(autouse=True)
    def _client(self, client: Any) -> None:
        self.client = client

    def make(self):
        """Return an executor that leaves the cluster to the others."""
        return Lodger(self.client, window=8)


class Lodger(DaskExecutor):
    """Lives in a cluster that is not its own."""

    def close(self) -> None:
        """Leave the client open."""
        self._executor.shutdown(wait=True)


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str], threading.Event]]:
    """Run a command of dask for the `with` block; give its process, its lines, and an event for its address."""
    lines: list[str] = []
    begun = threading.Event()
    line = [sys.executable, "-m", "dask", *arguments]
    folders = (os.path.dirname(os.path.dirname(__file__)), *filter(None, [os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    with subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:

        def read() -> None:
            for text in process.stderr or ():
                lines.append(text)
                if re.search(r"(Scheduler at|Registered to):\s+tcp://", text):
                    begun.set()
            begun.set()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield process, lines, begun
        finally:
            process.kill()
            process.wait()
            reader.join()


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """Run a scheduler and workers as their users do; give the scheduler's address and the workers' processes."""
    with contextlib.ExitStack() as stack:
        _, lines, begun = stack.enter_context(
            command("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        )
        assert begun.wait(WAIT_SECONDS), lines
        (address,) = {found[1] for text in lines if (found := re.search(r"Scheduler at:\s+(tcp://\S+)", text))}
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        started = [
            stack.enter_context(command("worker", address, *options, "--local-directory", str(folder / f"w{number}")))
            for number in range(workers)
        ]
        for _, lines, begun in started:
            assert begun.wait(WAIT_SECONDS), lines
        yield address, [process for process, _, _ in started]


def make_tasks(folder: Path, picture_file, count: int, pipeline: str, size: tuple[int, int] = (40, 30)) -> list[Task]:
    """Return tasks with a picture of their own."""
    recipe = Recipe(Pipeline.parse(pipeline))
    paths = [picture_file(folder / "in", f"{n}.png", size=size) for n in range(count)]
    return [Task(str(n), path, str(folder / "out" / f"{n}.png"), recipe) for n, path in enumerate(paths)]


def test_a_worker_that_is_killed_costs_nothing(tmp_path, picture_file):
    """With one of two workers killed in the middle of a run, every picture is done."""
    tasks = make_tasks(tmp_path, picture_file, 60, "blur:8 | sharpen", size=(500, 400))
    with cluster(tmp_path, 2) as (address, workers), create_executor("dask", scheduler=address) as executor:
        results = executor.run(tasks)
        done = [next(results), next(results)]
        workers[0].kill()
        done.extend(results)

        assert 2 == executor.workers
        assert {Outcome.DONE} == {result.outcome for result in done}
        assert sorted(task.id for task in tasks) == sorted(result.task_id for result in done)
        assert 1 == len({result.worker for result in done[-10:]})


def test_a_picture_that_kills_its_workers_is_lost(tmp_path, picture_file):
    """Dask gives it to one worker after the other and then gives up; the pictures beside it are done."""
    importlib.import_module("deadly_filters")
    tasks = make_tasks(tmp_path, picture_file, 6, "test.deadly:deed=exit,width=11")
    picture_file(tmp_path / "in", "0.png", size=(11, 10))
    with create_executor("dask", workers=2) as executor:
        results = {result.task_id: result for result in executor.run(tasks)}

    assert 6 == len(results)
    assert Outcome.LOST is results.pop("0").outcome
    assert {Outcome.DONE} == {result.outcome for result in results.values()}


def test_a_cluster_of_this_machine(tmp_path, picture_file, capfd, monkeypatch):
    """`--executor dask` alone starts processes here; a second run has nothing to do, names may be relative."""
    make_tasks(tmp_path, picture_file, 6, "blur")
    monkeypatch.chdir(tmp_path)
    common = ["process", "in", "-o", "out", "-f", "blur", "--executor", "dask", "-j", "2", "--progress", "none"]

    assert 0 == main(common)
    out = capfd.readouterr().out
    assert "dask x2" in out
    assert 6 == len([path for path in (tmp_path / "out").iterdir() if path.suffix == ".png"])


def test_the_second_interrupt_leaves_nothing(tmp_path, picture_file):
    """Dropping what is in work ends the processes of the cluster and removes what they had half-written."""
    importlib.import_module("deadly_filters")
    (tmp_path / "signs").mkdir()
    pipeline = Pipeline.from_data([{"name": "test.deadly", "deed": "hang", "signs": str(tmp_path / "signs")}])
    tasks = make_tasks(tmp_path, picture_file, 4, str(pipeline))
    executor = create_executor("dask", workers=1)
    try:
        thread = threading.Thread(target=drain, args=(executor, tasks))
        thread.start()
        while not (signs := list((tmp_path / "signs").iterdir())):
            assert thread.is_alive()
        executor.abort()
        thread.join()
    finally:
        executor.close()

    with pytest.raises(ProcessLookupError):
        os.kill(int(signs[0].name), 0)


def drain(executor: Any, tasks: list[Task]) -> None:
    """Run tasks until the executor has been aborted."""
    with contextlib.suppress(ExecutorError):
        list(executor.run(tasks))


def test_without_the_package_the_remedy_is_told(monkeypatch):
    """Whoever has not installed the extra is told how."""
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(UsageError, match=r"pip install 'imgpipe\[dask\]'"):
        create_executor("dask")


def test_a_scheduler_that_does_not_answer(monkeypatch):
    """A wrong address is the caller's mistake."""
    monkeypatch.setattr("imgpipe.executors.dask._CONNECT_SECONDS", 1)

    with pytest.raises(UsageError, match="address of a scheduler that answers"):
        create_executor("dask", scheduler="tcp://127.0.0.1:9")


def test_a_scheduler_without_workers(tmp_path):
    """Waiting for workers that nobody has started would be waiting for ever."""
    with cluster(tmp_path, 0) as (address, _), pytest.raises(UsageError, match="start some with `dask worker` first"):
        create_executor("dask", scheduler=address)


def test_workers_with_another_imgpipe_are_refused(client, monkeypatch):
    """Other versions may make other bytes: their workers are named instead of used."""
    monkeypatch.setattr("imgpipe.__version__", "0.0.0")

    with pytest.raises(ExecutorError, match=r"has imgpipe .*, not 0\.0\.0"):
        create_executor("dask", scheduler=client.scheduler.address)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dask", {"scheduler": "tcp://127.0.0.1:9", "workers": 3}, "workers: got 3, expected none"),
        ("dask", {"max_memory_bytes": 5}, "--memory-limit"),
        ("dask", {"timeout_seconds": 5.0}, "only --executor processes can end a picture"),
        ("threads", {"scheduler": "tcp://127.0.0.1:9"}, "only --executor dask has one"),
    ],
)
def test_what_dask_cannot_do_is_refused(name, options, message):
    """Options that would have no effect are errors."""
    with pytest.raises(UsageError, match=message):
        create_executor(name, **options)
