"""Worker: takes tasks from a queue in this process, runs them in children, and says what became of each."""

from __future__ import annotations

import json
import os
import select
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from PIL import Image

from imgpipe import FailureCode, Outcome, Task
from imgpipe.errors import QueueRefused, QueueUnavailable
from imgpipe.queue.explain import why_waiting
from imgpipe.queue.payload import decode_task, encode_task
from imgpipe.queue.values import Claim, Item, JobSpec, JobState, Settled, TaskState, Verdict, WorkerSpec
from imgpipe.work import run_task
from imgpipe.worker import Summary, Worker, WorkerSettings
from worker_bench import let_pass, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from socket import socket

    from imgpipe.queue.base import TaskQueue
    from imgpipe.worker import Event
    from imgpipe.worker.runner import Runner
    from worker_bench import Bench

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def settings(**given: Any) -> WorkerSettings:
    """Return settings for a quick worker that ends when there is nothing to do."""
    usual: dict[str, Any] = {"name": "worker-1", "labels": frozenset({"io", "cpu"}), "slots": 2, "lease_seconds": 1.0,
                             "idle_exit_seconds": 0.2, "max_memory_bytes": 1 << 30}  # fmt: skip
    return WorkerSettings(**(usual | given))


def work(bench: Bench, **given: Any) -> Summary:
    """Let a worker do all that it finds."""
    return Worker(lambda: bench.queue, settings(**given)).run()


@contextmanager
def working(queue: TaskQueue, *, runner: Runner | None = None, **given: Any) -> Iterator[tuple[Worker, list[Event]]]:
    """Let a worker work in a thread; it is stopped at the end of the block."""
    events: list[Event] = []
    worker = Worker(lambda: queue, settings(**({"idle_exit_seconds": None} | given)), runner=runner, tell=events.append)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker, events
    finally:
        worker.stop()
        thread.join()


def test_a_worker_does_what_one_process_would_do(bench):
    """All pictures are done, with the bytes that they would have without a queue, and their results are there."""
    bench.submit("resize:30x30 | sharpen", range(40, 60))

    summary = work(bench)

    assert (20, "nothing to do") == (summary.done, summary.why)
    status = bench.finish()
    assert (JobState.FINISHED, 20, 0, 0) == (status.state, status.done, status.attempts, status.interrupted)
    for index, result in bench.results().items():
        assert (Outcome.DONE, f"j:{index}", "png") == (result.outcome, result.task_id, result.format)
        assert result.worker.startswith("worker-1/child-")
        here = bench.folder / "here.png"
        run_task(Task("1", result.source, str(here), bench.payloads["j"].recipe))
        with open(result.target, "rb") as target:
            assert here.read_bytes() == target.read()


def test_jobs_with_other_recipes_run_side_by_side(bench):
    """Each task gets the recipe of its own job, however they come."""
    bench.submit("resize:20x20", range(40, 50), job="small")
    bench.submit("flip:horizontal | sharpen", range(60, 70), job="sharp")

    assert 20 == work(bench).done
    assert {20} == {result.width for result in bench.results("small").values()}
    assert set(range(60, 70)) == {result.width for result in bench.results("sharp").values()}


def test_a_job_that_has_the_name_of_an_older_one_is_not_mistaken_for_it(bench):
    """When a job is over and another one gets its name, the worker does what the new one says."""
    bench.submit("resize:20x20", [40])
    with working(bench.queue):
        bench.finish()
        bench.submit("resize:10x10", [40])
        bench.finish()

        assert {10} == {result.width for result in bench.results().values()}


def test_only_what_cannot_be_read_fails(bench):
    """A task that is damaged, or leads out of its folders, fails by itself; so do all tasks of a damaged job."""
    bench.submit("resize:20x20", [40, 41], sealed=False)
    bench.queue.submit("j", [Item(2, b"{"), Item(3, b'{"s":"../../etc/passwd"}')], after=2, last=True)
    bench.queue.create(JobSpec(id="k", spec=b"[]"))
    bench.queue.submit("k", [Item(0, b'{"s":"a"}')], last=True)

    work(bench)

    assert (2, {"BAD_PAYLOAD": 2}) == (bench.finish().done, bench.finish().codes)
    assert {"BAD_PAYLOAD": 1} == bench.finish("k").codes


@pytest.mark.parametrize("fields", [{"v": 99}, {"recipe": {"filters": [{"name": "no.such", "params": {}}]}}])
def test_what_is_unknown_here_is_left_to_others(bench, fields):
    """A newer job, or one with filters that are not there, is given back uncharged, while others are done."""
    bench.submit("resize:20x20", [40, 41], job="good")
    spec = json.dumps({**json.loads(bench.payloads["good"].encode()), **fields}).encode()
    bench.queue.create(JobSpec(id="new", spec=spec))
    bench.queue.submit("new", [Item(0, b'{"s":"40.png"}')], last=True)

    with working(bench.queue) as (_, events):
        bench.finish("good")
        until(lambda: "unfit" in [event.kind for event in events])
        until(lambda: bench.status("new").refused == 1)
        status = bench.status("new")
        why = why_waiting(status, bench.queue.classes(), bench.queue.workers())

    assert "1 picture waits: every worker has given them back" in why
    assert 1 == status.pending
    assert (0, 0, 0, 0) == (status.failed, status.attempts, status.losses, status.deliveries)
    assert 1 == [event.kind for event in events].count("unfit")


def test_roots_confine_sources_and_targets(bench, tmp_path):
    """Outside of the roots nothing is read or written, wherever links lead; the failure names the root."""
    bench.submit("resize:20x20", [40, 41])
    outside = tmp_path / "outside"
    outside.mkdir()
    bench.picture(42).rename(outside / "42.png")
    (tmp_path / "in" / "42.png").symlink_to(outside / "42.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "away").symlink_to(outside, target_is_directory=True)
    payload, recipe = bench.payloads["j"], bench.payloads["j"].recipe
    leading_out = [("42.png", "42.png"), ("40.png", "away/40.png"), ("40.png", "away/deeper/40.png")]
    tasks = [Task("", f"{payload.source_root}/{a}", f"{payload.target_root}/{b}", recipe) for a, b in leading_out]
    bench.queue.create(JobSpec(id="k", spec=payload.encode()))
    bench.payloads["k"] = payload
    bench.queue.submit("k", [Item(n, encode_task(task, payload)) for n, task in enumerate(tasks)], last=True)

    work(bench, roots=(str(tmp_path / "in"), str(tmp_path / "out")))

    assert 2 == bench.finish().done
    failures = [result.failure for result in bench.results("k").values()]
    assert [FailureCode.PERMISSION_DENIED] * 3 == [failure.code for failure in failures if failure]
    assert all(str(tmp_path / "out") in failure.message for failure in failures if failure)
    assert ["42.png"] == os.listdir(outside)


def test_fifo_finds_out_afterwards(bench):
    """In the teaching mode a worker fails a task that it cannot run, with the words that are known for it."""
    bench.submit("resize:20x20 | sharpen", [40], routing="fifo")

    work(bench, labels=frozenset({"io"}), routing="fifo")

    failure = bench.results()[0].failure
    assert failure is not None
    assert {"WORKER_CAPABILITY_MISMATCH": 1} == bench.finish().codes
    assert "Worker worker-1 cannot handle filters: ['sharpen']" == failure.message


def test_a_picture_in_place_is_replaced_once(bench):
    """A task that is delivered again, because a worker died after it had replaced the picture, is not applied again."""
    bench.submit("rotate:90", [40], in_place=True)
    bench.queue.register(WorkerSpec(id="dead:1", name="dead", labels=frozenset({"io", "cpu"}), slots=1), 0.2)
    claim = bench.queue.claim("dead:1", 1, starting=1).tasks[0]
    task, _ = decode_task(claim.payload, bench.payloads["j"], "1")
    run_task(task)

    with working(bench.queue, lease_seconds=0.2):
        status = bench.finish()

    assert (1, 1) == (status.done, status.losses)
    with Image.open(bench.picture(40)) as image:
        assert (10, 40) == image.size


def test_a_picture_that_has_changed_since_is_not_replaced(bench):
    """If it is another one at the first delivery, somebody else has changed it: it fails, and is left alone."""
    bench.submit("rotate:90", [40], in_place=True)
    bench.picture(40).write_bytes(bench.picture(30).read_bytes())

    work(bench)

    assert {"CHANGED": 1} == bench.finish().codes
    with Image.open(bench.picture(40)) as image:
        assert 30 == image.width


def test_an_output_that_is_there_already_is_left_alone(bench):
    """A second delivery finds the result of the first: it counts as done, and the file stays the very same."""
    bench.submit("resize:20x20", [40, 41])
    work(bench)
    before = bench.outputs()
    bench.submit("resize:20x20", [40, 41])

    work(bench)

    assert 2 == bench.finish().done
    assert before == bench.outputs()


@pytest.mark.parametrize(
    ("deed", "code", "state"),
    [
        ("segfault", "CRASHED", TaskState.LOST),
        ("exit", "CRASHED", TaskState.LOST),
        ("hang", "TIMEOUT", TaskState.FAILED),
    ],
)
def test_a_poison_costs_its_own_picture(bench, deed, code, state):
    """A picture that kills or hangs its child is given up with evidence; the queue hears of the verdict alone."""
    bench.submit(f"test.deadly:deed={deed},width=45", range(40, 50), timeout_seconds=1.0)

    work(bench)

    status = bench.finish()
    assert (9, {code: 1}, 0, 0) == (status.done, status.codes, status.losses, status.deliveries)
    failure = bench.results()[5].failure
    assert failure is not None
    assert ("45x10" in failure.message) == (code == "CRASHED")
    assert state == bench.queue.task("j", 5).state


def test_a_picture_without_memory_is_tried_once_more_alone(bench):
    """It may have been its neighbours that had the memory: the second time it has none, and that decides."""
    bench.submit(f"{bench.trace(wide=200)} | test.deadly:deed=hog,width=45", [45, 46, 47])

    work(bench)

    assert (2, {"OUT_OF_MEMORY": 1}, 0) == (bench.finish().done, bench.finish().codes, bench.finish().attempts)
    assert 2 == bench.traced("begin").count(45)


def test_a_failure_that_may_pass_is_tried_again_later(bench):
    """A disk that is full is no fault of the picture: the queue gives it out again after a while, and counts that."""
    bench.submit(f'test.full_once:sign="{bench.folder / "sign"}"', [40])

    with working(bench.queue):
        status = bench.finish()

    assert (1, 1, 0) == (status.done, status.attempts, status.failed)
    assert 2 == bench.results()[0].attempt


def test_a_cancelled_job_gives_its_pictures_back(bench):
    """What waits in the worker when its job is cancelled is not begun any more."""
    bench.submit(bench.trace(wide=60), [40, 41, 60, 61, 62, 63])

    with working(bench.queue, slots=1, prefetch_seconds=30.0):
        until(lambda: 60 in bench.traced("begin"))
        bench.queue.control("j", "cancel")
        until(lambda: bench.status().running == 1)
        bench.open_gate()
        status = bench.finish()

    assert (JobState.CANCELLED, 3) == (status.state, status.done)
    assert [40, 41, 60] == bench.traced("end")


def test_a_worker_ends_after_so_many_pictures(bench):
    """`max_jobs` is the number of pictures that it settles, not one more; the rest stays for others."""
    bench.submit("resize:20x20", range(40, 60))

    summary = work(bench, max_jobs=7)

    assert (7, "that many pictures were done") == (summary.done, summary.why)
    assert (7, 13, 0) == (bench.status().done, bench.status().pending, bench.status().running)


def test_a_refusal_of_the_queue_ends_the_worker(bench):
    """A wrong password is no reason to try for ever: the worker ends with what the queue has said."""

    def refuse() -> TaskQueue:
        raise QueueRefused("Redis refuses the password")

    with pytest.raises(QueueRefused, match="password"):
        Worker(refuse, settings()).run()


def test_a_worker_that_does_nothing_any_more_loses_its_tasks(bench):
    """When its own parts stand still, its heart does too: others take over, although the process lives."""
    bench.submit("resize:20x20", [40, 41])
    stuck = StuckRunner()

    with working(bench.queue, runner=stuck, stall_seconds=0.3, lease_seconds=0.5) as (_, events):
        until(lambda: bench.status().running == 2)
        until(lambda: "stalled" in [event.kind for event in events])
        work(bench, name="worker-2", lease_seconds=0.5, idle_exit_seconds=2.0)
        stuck.free.set()

    status = bench.finish()
    assert (2, 2) == (status.done, status.losses)


def test_nothing_begins_or_appears_after_the_lease(bench):
    """While the queue is away beyond the lease, what waits is not begun, and what is ready is not published."""
    bench.submit(bench.trace(wide=60), [40, 41, 60, 61, 62])
    switch = Switch(bench.queue)

    with working(cast("TaskQueue", switch), slots=1, prefetch_seconds=30.0, lease_seconds=0.4) as (_, events):
        until(lambda: 60 in bench.traced("begin") and bench.status().running > 1)
        switch.is_off = True
        let_pass(0.6)
        bench.open_gate()
        until(lambda: 60 in bench.traced("end"))
        let_pass(0.3)
        assert ([40, 41, 60], {"40.png", "41.png"}) == (bench.traced("begin"), bench.outputs().keys())
        switch.is_off = False
        status = bench.finish()
        until(lambda: "back" in {event.kind for event in events})  # another thread tells it, maybe after the last word

    assert ["away", "back"] == [event.kind for event in events if event.kind in {"away", "back"}]
    assert (5, 0, 0, 1) == (status.done, status.losses, status.deliveries, status.interrupted)
    assert 2 == bench.traced("begin").count(60)


def test_whoever_brings_a_runner_gets_its_tasks(bench):
    """A benchmark can run tasks itself, or not at all: no child is started, and no job has to be known."""
    bench.queue.create(JobSpec(id="j", spec=b"anything"))
    bench.queue.submit("j", [Item(n, b"") for n in range(1000)], last=True)
    runner = NoRunner()

    summary = Worker(lambda: bench.queue, settings(), runner=runner).run()

    assert (1000, 1000) == (summary.done, bench.status().done)
    assert runner.most > 100


class Switch:
    """A queue that can be switched off: then it does not answer."""

    def __init__(self, queue: TaskQueue) -> None:
        self._queue, self.is_off = queue, False

    def __getattr__(self, name: str) -> Any:
        if self.is_off:
            raise QueueUnavailable("it is switched off")
        return getattr(self._queue, name)

    def close(self) -> None:
        """Do nothing."""


def test_what_pictures_come_to_is_added_up(bench):
    """Pixels, bytes and times of all workers together can be looked at; a last beat says what has come since."""
    bench.submit("resize:30x30 | sharpen", range(40, 50))

    work(bench)
    totals = bench.queue.counters().totals

    assert sum(width * 10 for width in range(40, 50)) == totals["pixels"]
    assert sum((bench.folder / "in" / f"{width}.png").stat().st_size for width in range(40, 50)) == totals["bytes_in"]
    assert totals["bytes_out"] > 0


class NoRunner:
    """Does nothing, at once, with as many tasks as there are."""

    def __init__(self) -> None:
        self._words: list[Settled] = []
        self.room, self.most = 200, 0
        self.pids: list[int] = []

    def learn(self, queue: TaskQueue, held: frozenset[str], coming: frozenset[str]) -> frozenset[str]:
        """Know everything."""
        return frozenset()

    def fetch(self, queue: TaskQueue, claims: Sequence[Claim]) -> None:
        """Need nothing."""

    def deliver(self, queue: TaskQueue, words: Sequence[Settled]) -> None:
        """Have nothing."""

    def end(self) -> None:
        """Leave nothing."""

    def submit(self, claim: Claim) -> None:
        """Do nothing."""
        self._words.append(Settled(claim, Verdict.DONE))

    def wait(self, wake: socket) -> list[Settled]:
        """Return what was done."""
        if not self._words:
            select.select([wake], [], [], 0.1)
        words, self._words = self._words, []
        self.most = max(self.most, len(words))
        return words

    def close(self) -> list[Settled]:
        """Return what is left."""
        words, self._words = self._words, []
        return words


class StuckRunner(NoRunner):
    """Takes tasks, and then hangs in the main thread."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.taken: list[Claim] = []

    def submit(self, claim: Claim) -> None:
        """Take it."""
        self.taken.append(claim)
        self.room = 0

    def wait(self, wake: socket) -> list[Settled]:
        """Hang once there is something to do."""
        if self.taken:
            self.free.wait(30)
            return []
        return super().wait(wake)
