"""QueuedExecutor: the contract over queues, taking up jobs, and queues that forget, fill up, stop or go away."""

from __future__ import annotations

import copy
import os
import random
import re
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.executor_contract import ExecutorContract
from imgpipe import FailureCode, Outcome, Pipeline, Recipe, Task, process, run_task
from imgpipe.errors import ExecutorError, QueueUnavailable
from imgpipe.executors._outcome import NOT_KEPT
from imgpipe.executors.queued import QueuedExecutor, QueuedOptions
from imgpipe.queue.explain import BY_HAND, NO_WORKERS
from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.values import Settled, SubmitKind, Submitted, Verdict
from small_worker import SmallWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COUNT = 12
MOST_WAITS = 2000
QUICK = QueuedOptions(key="same", silence_seconds=0.05)
NEVER_ASKS = QueuedOptions(key="same", silence_seconds=3600)  # what is found out with it is found out at once


class WithWorkers(QueuedExecutor):
    """Two small workers on a queue in memory, which end with the executor."""

    def __init__(self) -> None:
        queue = MemoryQueue()
        self._workers = ExitStack()
        for number in (1, 2):
            self._workers.enter_context(SmallWorker(queue, f"worker-{number}"))
        super().__init__(queue, QueuedOptions(window=8, on_close="cancel"), workers=2)

    def close(self) -> None:
        """End the workers."""
        self._workers.close()


class TestContract(ExecutorContract):
    """What every executor promises."""

    def make(self):
        """Return the executor."""
        return WithWorkers()


@pytest.fixture
def queue() -> MemoryQueue:
    """Return a queue without workers."""
    return MemoryQueue()


@pytest.fixture
def worker(queue) -> Iterator[SmallWorker]:
    """Return a worker that does what the test tells it."""
    worker = SmallWorker(queue)
    yield worker
    worker.leave()


@pytest.fixture
def tasks(tmp_path, picture_file) -> list[Task]:
    """Return tasks as a plan numbers them."""
    (tmp_path / "out").mkdir()
    return make_tasks(tmp_path, picture_file)


def make_tasks(folder: Path, picture_file: Any, pipeline: str = "sharpen", **more: Any) -> list[Task]:
    """Return tasks with the numbers 1 to `COUNT`."""
    recipe = Recipe(Pipeline.parse(pipeline))
    paths = [picture_file(folder / "in", f"{n}.png", size=(20 + n, 16)) for n in range(1, COUNT + 1)]
    return [
        Task(str(n), path, str(folder / "out" / f"{n}.png"), recipe, **more) for n, path in enumerate(paths, start=1)
    ]


def helped(queue: MemoryQueue, help_: Callable[[], object]) -> MemoryQueue:
    """Let `help_` run each time that somebody waits for results: a worker without a thread."""
    waits = queue.wait_for_results
    waited = 0

    def wait_for_results(job: str, start: int, seconds: float) -> None:
        nonlocal waited
        waited += 1
        assert waited < MOST_WAITS, "it waits for what does not come"
        help_()
        waits(job, start, min(seconds, 0.01))

    queue.wait_for_results = wait_for_results  # type: ignore[method-assign]
    return queue


def memory_of(queue: MemoryQueue) -> Any:
    """Return all that a queue knows of its jobs."""
    return copy.deepcopy((queue._jobs, queue._routing))


def remember(queue: MemoryQueue, memory: Any) -> None:
    """Let a queue know only what it knew at another time; as after a restart of Redis, nobody holds anything then."""
    queue._jobs, queue._routing = copy.deepcopy(memory)
    for worker in queue._workers.values():
        worker.held.clear()


def run(queue: MemoryQueue, tasks: list[Task], options: QueuedOptions = QUICK, **more: Any) -> list[Any]:
    """Run tasks to their end."""
    return list(QueuedExecutor(queue, options, **more).run(tasks))


def test_the_numbers_of_a_plan_are_those_of_the_items(queue, worker, tasks):
    """What has a number keeps it, so that the same command finds its pictures again; others get the next one."""
    odd = [replace(tasks[0], id="4"), replace(tasks[1], id="first"), replace(tasks[2], id="4"), tasks[8]]
    results = QueuedExecutor(queue, QueuedOptions(on_close="keep")).run(odd)
    helped(queue, worker.step)
    names = [result.task_id for result in results]
    (job,) = queue.jobs()

    assert ["4", "first", "4", "9"] == names
    assert [4, 5, 6, 9] == [index for index in range(20) if queue.task(job.id, index).state == "done"]


def test_all_that_a_worker_says_comes_back(queue, worker, tasks):
    """The result has the worker's name and times, and sizes as if the picture had been made here."""
    here = run_task(tasks[0])
    (result,) = run(helped(queue, worker.step), tasks[:1])

    assert "worker-1" == result.worker
    assert list(here.seconds) == list(result.seconds)
    assert replace(here, seconds={}, usage=None) == replace(result, seconds={}, worker="")


def test_how_much_a_plan_has_is_known_while_it_is_handed_over(queue, worker, tasks, tmp_path):
    """Those who watch see all that is left to do, less with each picture that turns out to be up to date."""
    seen: list[tuple[bool, int | None]] = []

    def look_and_work() -> None:
        seen.extend((job.sealed, job.total) for job in queue.jobs() if not job.is_over)
        worker.step()

    for name in ("1.png", "2.png"):
        process(tmp_path / "in" / name, "sharpen", tmp_path / "out")
    executor = QueuedExecutor(helped(queue, look_and_work), QueuedOptions(window=2))
    report = process(tmp_path / "in", "sharpen", tmp_path / "out", executor=executor)

    assert (COUNT - 2, 2) == (report.done, report.skipped)
    assert (False, COUNT - 2) in seen
    assert all(total is not None and COUNT - 2 <= total <= COUNT for _, total in seen)
    seen.clear()
    list(executor.run(tasks))
    assert {None} == {total for sealed, total in seen if not sealed}  # what was expected of one run is not of the next


def test_a_run_that_died_is_taken_up(queue, worker, tasks):
    """The second run of the same command does nothing again that was handed over, and misses no result."""
    helped(queue, worker.step)
    first = QueuedExecutor(queue, replace(QUICK, on_close="keep")).run(tasks)
    taken = [next(first) for _ in range(5)]
    first.close()
    (before,) = queue.jobs()
    second = run(queue, tasks[4:])
    (after,) = queue.jobs()

    assert before.id == after.id
    assert [str(number) for number in range(5, COUNT + 1)] == sorted((r.task_id for r in second), key=int)
    assert 5 == len(taken)
    assert (COUNT, COUNT, 0) == (after.submitted, after.done, after.duplicates)
    assert "finished" == after.state


def test_a_result_is_forgotten_only_when_the_next_was_asked_for(queue, worker, tasks, monkeypatch):
    """A program that dies with a result in its hands finds it again."""
    monkeypatch.setattr("imgpipe.executors._inbox._FORGOTTEN_AT_ONCE", 1)
    helped(queue, worker.step)
    results = QueuedExecutor(queue, replace(QUICK, on_close="keep")).run(tasks)
    first = next(results)
    (job,) = queue.jobs()

    assert int(first.task_id) == queue.results(job.id, 1).records[0][0]
    next(results)
    next(results)
    assert int(first.task_id) != queue.results(job.id, 1).records[0][0]
    results.close()


def test_what_the_queue_has_forgotten_to_tell_is_asked(queue, worker, tasks):
    """A run that takes up a job whose results were read before asks for each picture that is in already, at once."""
    helped(queue, worker.step)
    first = QueuedExecutor(queue, replace(NEVER_ASKS, on_close="keep")).run(tasks[:6])
    for _ in range(6):
        next(first)
    first.close()
    (job,) = queue.jobs()
    queue.forget(job.id, 6)
    results = {result.task_id: result.notes for result in run(queue, tasks, NEVER_ASKS)}

    assert {"1", "2", "3", "4", "5", "6"} == {name for name, notes in results.items() if notes == (NOT_KEPT,)}
    assert COUNT == len(results)


def test_results_of_pictures_that_come_later_are_kept(queue, worker, tasks, monkeypatch):
    """They wait in the queue for the run that takes these pictures, even if the next run does not live to do so."""
    monkeypatch.setattr("imgpipe.executors._inbox._FORGOTTEN_AT_ONCE", 1)
    run(queue, tasks, replace(QUICK, wait=False))
    for _ in range(COUNT - 1):  # the last one keeps the job open
        worker.step()
    second = QueuedExecutor(queue, replace(QUICK, window=2, on_close="keep")).run(tasks)
    for _ in range(5):
        next(second)
    second.close()
    third = run(helped(queue, worker.step), tasks)

    assert 4 >= sum(result.notes == (NOT_KEPT,) for result in third)
    assert {()} == {result.notes for result in third if int(result.task_id) > 5}


def test_results_of_a_job_that_ended_alone_are_read(queue, worker, tasks):
    """After leaving, the workers finish; the same command finds all results, and the job is not run again."""
    first = QueuedExecutor(queue, QUICK).run(tasks)
    helped(queue, worker.step)
    next(first)
    first.close()
    while worker.step():
        pass
    (before,) = queue.jobs()
    stamps = {task.target: os.stat(task.target).st_mtime_ns for task in tasks}
    second = run(queue, tasks)

    assert "finished" == before.state
    assert COUNT == len(second)
    assert all(result.ok for result in second)
    assert stamps == {task.target: os.stat(task.target).st_mtime_ns for task in tasks}


def test_what_is_gone_since_is_made_again(queue, worker, tasks):
    """A result that was removed after the job had ended is made once more; what had failed is tried once more."""
    os.rename(tasks[3].source, tasks[3].source + ".away")
    helped(queue, worker.step)
    run(queue, tasks)
    os.rename(tasks[3].source + ".away", tasks[3].source)
    os.unlink(tasks[1].target)
    results = {result.task_id: result for result in run(queue, tasks)}

    assert {Outcome.DONE} == {result.outcome for result in results.values()}
    assert os.path.exists(tasks[1].target)
    assert () == results["2"].notes
    assert {NOT_KEPT} == {note for result in results.values() for note in result.notes}


def test_results_that_nobody_read_in_time(queue, worker, tasks, monkeypatch):
    """Where the queue had to drop results, it still knows what is done, and why a picture failed."""
    monkeypatch.setattr("imgpipe.queue._memory_job.MOST_UNREAD", 3)
    os.unlink(tasks[7].source)
    run(queue, tasks, replace(QUICK, wait=False))
    while worker.step():
        pass
    results = run(helped(queue, worker.step), tasks)
    kinds = {result.task_id: (result.outcome, result.notes == (NOT_KEPT,)) for result in results}

    assert COUNT == len(kinds)
    assert 8 == sum(not_kept for _, not_kept in kinds.values())
    assert {"8"} == {result.task_id for result in results if result.outcome is Outcome.FAILED}
    assert FailureCode.NOT_FOUND == next(result.failure.code for result in results if result.failure)
    assert all(result.bytes_out == os.stat(result.target).st_size for result in results if result.ok)


def test_results_that_were_dropped_while_somebody_waits(queue, worker, tasks, monkeypatch):
    """A run that was too slow to read all results asks for each picture, and gets one result for each."""
    monkeypatch.setattr("imgpipe.queue._memory_job.MOST_UNREAD", 3)
    helped(queue, lambda: [worker.step() for _ in range(6)])
    results = run(queue, tasks)

    assert [str(n) for n in range(1, COUNT + 1)] == sorted((result.task_id for result in results), key=int)
    assert any(result.notes == (NOT_KEPT,) for result in results)


def test_handing_over_without_waiting(queue, worker, tasks):
    """With `wait` off, the run ends when the queue has everything, and the job is closed."""
    results = run(queue, tasks, replace(QUICK, wait=False))
    (job,) = queue.jobs()

    assert [] == results
    assert (COUNT, COUNT, True) == (job.pending, job.total, job.sealed)


def test_a_queue_that_forgets_everything(queue, worker, tasks):
    """When the queue has lost its data, the pictures that have no result are handed over again."""
    said: list[str] = []
    executor = QueuedExecutor(helped(queue, worker.step), NEVER_ASKS, say=said.append)
    results = []
    for result in executor.run(tasks):
        results.append(result.task_id)
        if len(results) == 4:
            remember(queue, memory_of(MemoryQueue()))

    assert [str(n) for n in range(1, COUNT + 1)] == sorted(results, key=int)
    assert ["handing its pictures over again" in text for text in said] == [True]


@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_queue_that_comes_back_with_older_data(queue, worker, tasks, after):
    """After a roll-back of the queue every picture still gets one result."""
    executor = QueuedExecutor(helped(queue, worker.step), replace(NEVER_ASKS, window=4))
    results = []
    snapshot: Any = {}
    for result in executor.run(tasks):
        results.append(result)
        if len(results) == after:
            snapshot = memory_of(queue)
        if len(results) == after + 3:
            remember(queue, snapshot)

    assert [str(n) for n in range(1, COUNT + 1)] == sorted((result.task_id for result in results), key=int)
    assert {()} == {result.notes for result in results}


def test_a_queue_that_is_away_for_a_while(queue, worker, tasks):
    """The user is told once that the queue is away, and once that it is back; the run goes on."""
    said: list[str] = []
    helped(queue, worker.step)
    executor = QueuedExecutor(queue, QUICK, say=said.append)
    results = executor.run(tasks)
    next(results)
    failing = iter([True, True, True])
    reads = queue.results

    def away(*arguments: Any, **more: Any) -> Any:
        if next(failing, False):
            raise QueueUnavailable("nobody at home")
        return reads(*arguments, **more)

    queue.results = away

    assert COUNT - 1 == len(list(results))
    assert ["waiting for the queue: nobody at home", "the queue is back"] == said


def test_a_queue_that_is_not_there_at_all(queue, tasks, monkeypatch):
    """At the start, patience is short."""
    monkeypatch.setattr(queue, "status", lambda job: raise_unavailable())

    with pytest.raises(QueueUnavailable, match="nobody"):
        run(queue, tasks, QueuedOptions(start_seconds=0.1))


def raise_unavailable() -> Any:
    """Be away."""
    raise QueueUnavailable("nobody at home")


def test_a_full_queue_is_waited_for(queue, worker, tasks):
    """When there is no room, less is handed over, or nothing, and it is tried again."""
    answers = iter([Submitted(SubmitKind.FULL, 0, 0), None, Submitted(SubmitKind.FULL, 0, 1), None])
    submits = queue.submit

    def submit(job: str, items: Any, *, after: int = 0, last: bool = False, more: int | None = None) -> Submitted:
        answer = next(answers, None) if items else None
        return answer or submits(job, items, after=after, last=last, more=more)

    queue.submit = submit

    assert COUNT == len(run(helped(queue, worker.step), tasks))


def test_a_job_that_is_paused_by_hand(queue, worker, tasks):
    """It is said once, and the run waits until somebody resumes the job."""
    said: list[str] = []
    looks = 0

    def help_() -> None:
        nonlocal looks
        (job,) = queue.jobs()
        looks += 1
        if looks == 1:
            queue.control(job.id, "pause", f"{BY_HAND}, to have lunch")
        elif looks == 40:
            queue.control(job.id, "resume")
        worker.step()

    results = run(helped(queue, help_), tasks, replace(QUICK, silence_seconds=0.01), say=said.append)

    assert COUNT == len(results)
    assert 1 == len(said)
    assert "paused: by hand, to have lunch; `imgpipe jobs resume" in said[0]


def test_a_job_that_fails_as_a_whole(queue, worker, tmp_path):
    """When most of the first pictures have failed, the run ends with the reason and with what to do."""
    recipe = Recipe(Pipeline.parse("blur"))
    tasks = [Task(str(n), str(tmp_path / f"{n}.png"), str(tmp_path / f"{n}.jpg"), recipe) for n in range(200)]
    results: list[Any] = []
    words = r"46 of the first 46 failed.*NOT_FOUND.*imgpipe jobs resume [0-9a-f]{16}"
    with pytest.raises(ExecutorError, match=words):
        results.extend(QueuedExecutor(helped(queue, worker.step), QUICK).run(tasks))

    assert 46 == len(results)

    with pytest.raises(ExecutorError, match="is paused"):
        run(queue, tasks)


def test_a_job_that_somebody_cancels(queue, worker, tasks):
    """The run ends with the reason."""

    def help_() -> None:
        (job,) = queue.jobs()
        queue.control(job.id, "cancel", "wrong folder")

    with pytest.raises(ExecutorError, match="was cancelled: wrong folder"):
        run(helped(queue, help_), tasks)


def test_a_cancelled_job_can_be_run_again(queue, worker, tasks):
    """The same command begins anew after its job was cancelled."""
    first = QueuedExecutor(helped(queue, worker.step), replace(QUICK, on_close="cancel")).run(tasks)
    next(first)
    first.close()

    assert "cancelled" == queue.jobs()[0].state
    assert COUNT == len(run(queue, tasks))


def test_a_job_that_is_just_being_cancelled(queue, worker, tasks):
    """The same command waits until the last picture of the cancelled job is done, then begins anew."""
    run(queue, tasks, replace(QUICK, wait=False))
    claim = worker.claim()
    assert claim is not None
    queue.control(claim.job, "cancel")
    held = [claim]

    def help_() -> None:
        worker.settle(held.pop()) if held else worker.step()

    before = queue.jobs()[0].state
    results = run(helped(queue, help_), tasks)

    assert "cancelling" == before
    assert COUNT == len(results)


def test_nobody_is_there(queue, tasks):
    """Without any worker it is said, in the words that are known."""
    said: list[str] = []
    executor = QueuedExecutor(queue, replace(QUICK, silence_seconds=0.01), say=said.append)

    def help_() -> None:
        if said:
            executor.leave()

    helped(queue, help_)

    assert [] == list(executor.run(tasks))
    assert [NO_WORKERS] == said


def test_nobody_is_there_who_can(queue, tasks):
    """Workers that lack a label are named with what they have, and the filter with what it needs."""
    said: list[str] = []
    executor = QueuedExecutor(queue, replace(QUICK, silence_seconds=0.01), say=said.append)
    worker = SmallWorker(queue, "worker-1", "io")
    helped(queue, lambda: executor.leave() if said else worker.step())

    assert [] == list(executor.run(tasks))
    assert re.fullmatch(r"\d+ pictures? waits?: no live worker can run sharpen \(needs cpu\); live: io x1", said[0])


def test_leaving_lets_the_workers_finish(queue, worker, tasks):
    """Who leaves a run closes the job behind him; it ends without him."""
    executor = QueuedExecutor(helped(queue, worker.step), QUICK)
    count = 0
    for _ in executor.run(tasks):
        count += 1
        if count == 3:
            executor.leave()
    while worker.step():
        pass
    (job,) = queue.jobs()

    assert count < COUNT
    assert ("finished", COUNT) == (job.state, job.done)


def test_abort_cancels(queue, worker, tasks):
    """What has not begun never begins."""
    executor = QueuedExecutor(helped(queue, worker.step), QUICK)
    results = executor.run(tasks)
    next(results)
    executor.abort()
    (job,) = queue.jobs()

    assert [] == list(results)
    assert ("cancelled", executor.job) == (job.state, job.id)


def test_tasks_of_another_recipe_are_refused(queue, worker, tasks):
    """A job has one recipe; those before are finished, and nothing of the other one is done."""
    other = replace(tasks[1], recipe=Recipe(Pipeline.parse("blur:9")))

    with pytest.raises(ExecutorError, match="same recipe"):
        run(helped(queue, worker.step), [tasks[0], other])
    assert os.path.exists(tasks[0].target)
    assert not os.path.exists(other.target)


def test_a_picture_outside_of_the_folders(queue, worker, tasks, tmp_path):
    """A source that is not below its root fails; the others are done."""
    root = str(tmp_path / "in")
    stray = replace(tasks[0], source=str(tmp_path / "stray.png"))
    results = run(helped(queue, worker.step), [stray, *tasks[1:]], replace(QUICK, source_root=root))

    assert FailureCode.BAD_PAYLOAD == results[0].failure.code
    assert COUNT - 1 == sum(result.ok for result in results)


def test_a_key_that_was_used_for_other_pictures(queue, worker, tasks):
    """Results of other pictures are never taken for those of this run."""
    helped(queue, worker.step)
    run(queue, tasks, replace(QUICK, wait=False))
    while worker.step():
        pass
    shifted = [replace(task, id=str(number)) for number, task in enumerate(tasks[1:], start=1)]

    with pytest.raises(ExecutorError, match="other pictures than this run"):
        run(queue, shifted)


def test_relative_names_stay_what_they_are(queue, worker, tasks, tmp_path, monkeypatch):
    """Workers get absolute paths, the caller his own names."""
    monkeypatch.chdir(tmp_path)
    task = replace(tasks[0], source="in/1.png", target="out/rel.png")
    (result,) = run(helped(queue, worker.step), [task])

    assert ("in/1.png", "out/rel.png", Outcome.DONE) == (result.source, result.target, result.outcome)
    assert (tmp_path / "out" / "rel.png").exists()


def test_a_task_that_no_worker_survives(queue, worker, tasks):
    """What the queue itself gives up is lost, with the number of workers that died of it."""

    def help_() -> None:
        claim = worker.claim()
        if claim is not None and claim.index == 1:
            queue.finish("worker-1:1", [Settled(claim, Verdict.LOST, b"", "WORKERS_DIED")])
        elif claim is not None:
            worker.settle(claim)

    results = {result.task_id: result for result in run(helped(queue, help_), tasks)}

    assert Outcome.LOST == results["1"].outcome
    assert FailureCode.CRASHED == results["1"].failure.code
    assert {Outcome.DONE} == {result.outcome for name, result in results.items() if name != "1"}


class Unreliable(MemoryQueue):
    """Fails at random, before a call is carried out or after it; forgets its data, or some of it, as often as told."""

    def __init__(self, seed: int, losses: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._losses = losses
        self._snapshot = self._empty = memory_of(self)
        self._is_steady = False
        self.worker = SmallWorker(self)

    def __getattribute__(self, name: str) -> Any:
        """Wrap what a submitter calls."""
        value = super().__getattribute__(name)
        if name in ("create", "submit", "results", "forget", "status", "task", "wait_for_results"):
            return lambda *arguments, **more: self._perhaps(value, arguments, more)
        return value

    def _perhaps(self, call: Any, arguments: Any, more: Any) -> Any:
        if self._is_steady:
            return call(*arguments, **more)
        dice = self._random.random()
        if dice < 0.05:
            raise QueueUnavailable("before")
        if call.__name__ == "wait_for_results":
            self._is_steady = True  # for the worker, whose troubles are another test's business
            self.worker.step()
            self._is_steady = False
            return None
        answer = call(*arguments, **more)
        if 0.05 <= dice < 0.1:
            raise QueueUnavailable("after")
        if dice > 0.97:
            self._snapshot = memory_of(self)
        elif dice > 0.94 and self._losses > 0:
            self._losses -= 1
            remember(self, self._snapshot if dice > 0.95 else self._empty)
        return answer


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), losses=st.integers(0, 3), window=st.integers(1, 9))
def test_whatever_the_queue_does_every_task_has_one_result(tmp_path_factory, seed, losses, window):
    """Lost requests, lost answers, lost data and data from yesterday: no picture is missing, none comes twice."""
    folder = tmp_path_factory.mktemp("unreliable")
    recipe = Recipe(Pipeline.parse("blur"))
    tasks = [Task(str(n), str(folder / f"{n}.png"), str(folder / f"{n}.jpg"), recipe) for n in range(1, COUNT + 1)]
    queue = Unreliable(seed, losses)
    options = replace(QUICK, silence_seconds=0.002, window=window)
    with mock.patch("imgpipe.executors._patience.pause"):
        results = [result.task_id for result in QueuedExecutor(queue, options).run(tasks)]

    assert [task.id for task in tasks] == sorted(results, key=int)
