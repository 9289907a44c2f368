"""Local: what is told of a run without a queue is what has happened in it, and nothing that nobody knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fleet_samples import SteadySampler
from imgpipe.errors import FailureCode
from imgpipe.executors.sequential import SequentialExecutor
from imgpipe.executors.threads import ThreadsExecutor
from imgpipe.monitor import Snapshot, Watch
from imgpipe.monitor.document import from_data, to_data
from imgpipe.task import Failure, Outcome, Result, Task
from imgpipe.usage import Usage
from imgpipe_cli.dashboard.local import LocalRun
from manual_clock import ManualClock
from running_tasks import recipe

if TYPE_CHECKING:
    from imgpipe.executors import Executor

RECIPE = recipe("resize:8x8 | sharpen")


class Heard:
    """A run of ten pictures on two workers, somebody who watches it, and a clock that the test moves."""

    def __init__(self, pictures: int = 10) -> None:
        self.clock = ManualClock()
        self.run = LocalRun("small", pictures, RECIPE, 2, clock=self.clock)
        sampler: Any = SteadySampler()
        self.watch = Watch(self.run, source="local", sampler=sampler, wall=self.clock)

    def take(self, *numbers: int) -> None:
        """Hand over tasks."""
        for number in numbers:
            self.run._take(task(number))

    def settle(self, number: int, worker: str, outcome: Outcome = Outcome.DONE, seconds: float = 0.2) -> None:
        """End a task that took so long, half of it on a core."""
        self.clock.advance(seconds)
        failure = None if outcome is Outcome.DONE else Failure(FailureCode.UNREADABLE, "broken", "repair it")
        usage = Usage(0.0, seconds, seconds / 2, None)
        stages = {"decode": seconds / 4, "filter": seconds * 3 / 4}
        each = task(number)
        self.run.add(
            Result(
                each.id,
                each.source,
                each.target,
                outcome,
                stages,
                failure,
                megapixels=8.0,
                bytes_in=100,
                bytes_out=10,
                worker=worker,
                usage=usage,
            )
        )

    def look(self) -> Snapshot:
        """Look a second later, through a document, as one does from another process."""
        self.clock.advance(1.0)
        return from_data(json.loads(json.dumps(to_data(self.watch.take()), allow_nan=False)))


def task(number: int) -> Task:
    """Return a task."""
    return Task(f"id-{number}", f"/in/{number}.jpg", f"/out/{number}.jpg", RECIPE)


def in_hands(snapshot: Snapshot) -> dict[str, str | None]:
    """Return who has which picture."""
    return {each.name: each.current.item if each.current else None for each in snapshot.workers}


@pytest.fixture
def heard() -> Heard:
    """Return a run that has just begun."""
    return Heard()


def test_before_the_first_result(heard):
    """The oldest pictures are in work, all others wait; what nobody knows is null."""
    heard.take(0, 1, 2, 3)
    snapshot = heard.look()
    (run,), (queue,) = snapshot.runs, snapshot.queues

    assert ("local", "small", "cpu+io", "running") == (snapshot.source, run.id, queue.capability, run.state)
    assert (10, 2, 8, 0) == (run.total, run.running, run.pending, run.done)
    assert (8, 2, 2, 2) == (queue.ready, queue.running, queue.slots.total, queue.slots.busy)
    assert {"worker-1": "in/0.jpg", "worker-2": "in/1.jpg"} == in_hands(snapshot)
    assert (None, None, None) == (queue.duration_seconds.p50, queue.wait_seconds.p50, snapshot.redis)
    assert [(None, None)] * 2 == [(worker.rss_bytes, worker.cpu_cores) for worker in snapshot.workers]


def test_what_happens_is_counted(heard):
    """Done, failed and lost, how long it took, and what it came to."""
    heard.look()
    heard.take(0, 1, 2, 3)
    heard.settle(0, "a")
    heard.settle(1, "b", Outcome.FAILED)
    heard.settle(2, "a", Outcome.LOST, seconds=1.0)
    snapshot = heard.look()
    (run,), (queue,) = snapshot.runs, snapshot.queues

    assert (3, 1, 1, 1, 1) == (run.done, run.ok, run.failed, run.lost, run.running)
    assert (1, 1, 1) == (queue.completed_total, queue.failed_total, queue.lost_total)
    assert pytest.approx(1.4) == queue.busy_seconds_total
    assert {"decode": 0.25, "filter": 0.75} == {name: round(share, 2) for name, share in snapshot.jobs.stages.items()}
    assert (24_000_000, 300, 30) == (
        snapshot.jobs.pixels_total, snapshot.jobs.read_bytes_total, snapshot.jobs.written_bytes_total
    )  # fmt: skip
    (error,) = snapshot.errors
    assert ("UNREADABLE", 2, "in/1.jpg", "repair it") == (error.code, error.count, error.example, error.hint)


def test_oldest_picture_is_with_whoever_has_been_silent_longest(heard):
    """Workers take pictures in their order: who has just said something has a younger one."""
    heard.take(0, 1, 2, 3)
    heard.settle(1, "b")
    first = heard.look()
    heard.settle(2, "b")
    heard.settle(0, "a")
    heard.take(4)
    second = heard.look()

    assert {"worker-2": "in/0.jpg", "b": "in/2.jpg"} == in_hands(first)
    assert {"b": "in/3.jpg", "a": "in/4.jpg"} == in_hands(second)
    assert {"a": (1, 0.5), "b": (2, 0.5)} == {each.name: (each.done_total, each.cpu_cores) for each in second.workers}


def test_worker_that_takes_the_place_of_another(heard):
    """The one not heard of any more is forgotten: there are never more than there are."""
    heard.take(0, 1, 2, 3)
    for number, worker in enumerate(("child-1", "child-2", "child-1", "child-3")):
        heard.settle(number, worker)

    assert {"child-1": None, "child-3": None} == in_hands(heard.look())


def test_picture_that_hangs_is_named(heard):
    """As with a queue: after ten times what nearly all take, and five seconds."""
    heard.look()
    heard.take(0)
    for number in range(1, 40):
        heard.take(number)
        heard.settle(number, "b")
        heard.look()

    stuck = {each.name: each.current.item for each in heard.look().workers if each.current and each.current.stuck}
    assert {"worker-2": "in/0.jpg"} == stuck


def test_what_needs_nothing_counts_for_the_run_alone(heard):
    """Pictures that are up to date would make it look fast."""
    for number in range(4):
        each = task(number)
        heard.run.add(Result(each.id, each.source, each.target, Outcome.SKIPPED))
    snapshot = heard.look()

    assert (4, 4, 6) == (snapshot.runs[0].done, snapshot.runs[0].ok, snapshot.runs[0].pending)
    assert [0] == [queue.completed_total for queue in snapshot.queues]


def test_end(heard):
    """The run is over when all pictures are."""
    heard.take(*range(10))
    for number in range(10):
        heard.settle(number, "ab"[number % 2])
    snapshot = heard.look()

    assert ("finished", 10, 0, 0) == tuple(
        getattr(snapshot.runs[0], name) for name in ("state", "done", "pending", "running")
    )


def test_busy_cores_are_said_to_be_busy():
    """A run is a batch, however small: what counts is whether there are idle cores. What nobody counts is no doubt."""
    heard = Heard(pictures=50)  # below what makes a batch of a job in a queue
    heard.look()
    for number in range(30):
        heard.take(number)
        heard.settle(number, "ab"[number % 2], seconds=0.5)
        snapshot = heard.look()

    (advice,) = snapshot.scaling
    assert ("batch", 2, "ALL_CORES_BUSY") == (
        advice["objective"], advice["current_workers"], advice["reason"]["code"]
    )  # fmt: skip
    assert advice["inputs"]["waited_s_total"] is None


def test_workers_of_other_machines_bring_their_names():
    """Nothing is known of those machines but that; of a worker that has not been heard of, not even that."""
    run = LocalRun("small", 10, RECIPE, 2, is_here=False)
    run._take(task(0))
    run.add(Result("id-0", "/in/0.jpg", "/out/0.jpg", Outcome.DONE, worker="node-a-4212"))

    assert ["", "node-a"] == sorted(worker.host for worker in run.overview().workers)


@pytest.mark.parametrize("make", [SequentialExecutor, lambda: ThreadsExecutor(2, 1 << 30)])
def test_hears_an_executor(tmp_path, picture_file, make):
    """Every task is heard of before its result, and none stays in hands that has one."""
    tasks = [
        Task(str(number), picture_file(tmp_path, f"{number}.jpg"), str(tmp_path / f"out-{number}.jpg"), RECIPE)
        for number in range(5)
    ]
    run = LocalRun("small", 5, RECIPE, 1)
    executor: Executor
    with make() as executor:
        results = []
        for result in run.of(executor).run(tasks):
            run.add(result)
            results.append(result)
    seen = run.overview()

    assert [Outcome.DONE] * 5 == [result.outcome for result in results]
    assert 5 == seen.counters.classes["cpu+io"].done == sum(worker.load.done for worker in seen.workers)
    assert [0] * executor.workers == [worker.held for worker in seen.workers]
