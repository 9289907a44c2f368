"""QueueTarget: tasks into a queue and results out of it, with workers in threads of the test."""

from __future__ import annotations

import threading

import pytest

from imgpipe.errors import ExecutorError, QueueUnavailable, UsageError
from imgpipe.pipeline import Pipeline
from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.values import JobState, SubmitKind, Submitted
from imgpipe.recipe import Recipe
from imgpipe.stress.book import Book
from imgpipe.stress.queue_target import QueueTarget
from imgpipe.stress.schedule import bursts, even
from imgpipe.stress.values import End, Plan
from small_worker import SmallWorker

BURST = Plan(kind="burst", arrivals="12 at once", moments=bursts(12))


def test_all_tasks_come_back(run_on):
    """Each once, with the time that the worker needed; nothing is left in the folder of results."""
    queue = MemoryQueue()
    with SmallWorker(queue):
        report = run_on(queue, BURST, "resize:8x8")

    assert 12 == report.ends[End.DONE] == report.total.count == report.service.count
    assert report.run.account is not None
    assert (12, 12, 1, True) == (report.run.account.submitted, report.run.account.done, report.run.account.slots,
                                 report.run.account.alike)  # fmt: skip
    assert (0, 0) == (report.run.twice, report.lost)
    assert report.run.account.waited_seconds is not None
    assert all(trip.taken is not None for trip in report.run.trips)


def test_two_recipes_in_turn_reach_two_kinds_of_workers(run_on):
    """Every worker gets what it can run; with different workers, there is no theory."""
    queue = MemoryQueue()
    plan = Plan(kind="continuous", arrivals="", moments=even(200, 0.2), is_steady=True)
    with SmallWorker(queue, "one", "io"), SmallWorker(queue, "other", "cpu"):
        report = run_on(queue, plan, "resize:8x8", "sharpen")

    assert 40 == report.ends[End.DONE]
    assert report.run.account is not None
    assert (2, False, None) == (report.run.account.slots, report.run.account.alike, report.theory)
    assert {("resize:width=8,height=8", 20), ("sharpen", 20)} == {
        (payload, job.done) for job in queue.jobs() for payload in [_pipeline(job.spec)]
    }


def _pipeline(spec: bytes) -> str:
    from imgpipe.queue.payload import JobPayload

    return str(JobPayload.decode(spec).recipe.pipeline)


def test_pictures_that_fail_are_jobs_that_fail(run_on):
    """A third of the pictures is broken: that is their fault, with a code, and no latency is counted of it."""
    queue = MemoryQueue()
    with SmallWorker(queue):
        report = run_on(queue, BURST, "resize:8x8", with_broken=True)

    assert (8, 4, 0) == (report.ends[End.DONE], report.ends[End.FAILED], report.ends[End.LOST])
    assert 4 == sum(report.codes[End.FAILED].values())
    assert 8 == report.total.count


def test_nobody_there(run_on):
    """Without a worker that could do it, nothing is sent, and it is said who would be needed."""
    queue = MemoryQueue()
    with SmallWorker(queue, "only", "io"), pytest.raises(UsageError, match=r"needs cpu; live workers: only \(io\)"):
        run_on(queue, BURST, "sharpen")
    assert 0 == sum(job.submitted for job in queue.jobs())


def test_a_finished_job_stays_for_those_who_want_to_look(run_on):
    """It is closed in order, so that `imgpipe jobs` shows what failed."""
    queue = MemoryQueue()
    with SmallWorker(queue):
        run_on(queue, BURST, "resize:8x8")

    assert [JobState.FINISHED] == [job.state for job in queue.jobs()]


def test_what_has_not_ended_is_cancelled(run_on):
    """A worker that takes nothing leaves all tasks open; after the run, none of them is begun any more."""
    queue = MemoryQueue()
    idle = SmallWorker(queue)
    report = run_on(queue, Plan(kind="burst", arrivals="", moments=bursts(3), drain_seconds=0.1), "resize:8x8")
    claim = idle.claim()

    assert (3, 3, None) == (report.ends[End.OPEN], report.lost, claim)
    assert [JobState.CANCELLED] == [job.state for job in queue.jobs()]


class Moody(MemoryQueue):
    """A queue that answers the next calls of `submit` as the test wants."""

    def __init__(self, *moods: Submitted | Exception) -> None:
        super().__init__()
        self.moods = list(moods)

    def submit(self, job, items, *, after=0, last=False, more=None) -> Submitted:
        """Be moody, then work."""
        if self.moods:
            mood = self.moods.pop(0)
            if isinstance(mood, Exception):
                raise mood
            return mood
        return super().submit(job, items, after=after, last=last, more=more)


def test_a_queue_that_was_away_gets_tasks_once(run_on):
    """They are handed over again, and come back once."""
    queue = Moody(QueueUnavailable("away"), QueueUnavailable("away"))
    with SmallWorker(queue):
        report = run_on(queue, BURST, "resize:8x8")

    assert (12, 0) == (report.ends[End.DONE], report.run.twice)


def test_a_full_queue_refuses(run_on):
    """What does not fit is counted as refused, not as failed, and is no latency."""
    queue = Moody(Submitted(SubmitKind.FULL))
    with SmallWorker(queue):
        report = run_on(queue, BURST, "resize:8x8")

    assert (12, {"queue-full": 12}) == (report.ends[End.REFUSED], report.codes[End.REFUSED])
    assert not report.verdict.is_valid


def test_a_job_that_somebody_has_cancelled_ends_the_run(run_on):
    """There is nothing to be measured any more."""
    queue = Moody(Submitted(SubmitKind.CLOSED))
    with SmallWorker(queue), pytest.raises(ExecutorError, match="somebody has cancelled it"):
        run_on(queue, BURST, "resize:8x8")


def test_tasks_in_a_workers_hands_are_known_by_their_numbers(tmp_path, picture_file):
    """Of several jobs, and of no others."""
    queue, book = MemoryQueue(), Book()
    worker = SmallWorker(queue)
    recipes = [Recipe(Pipeline.parse(text)) for text in ("resize:8x8", "sharpen")]
    target = QueueTarget(queue, "", recipes, [picture_file(tmp_path, "a.jpg")], str(tmp_path), book)
    target.start()
    book.begin(range(4), [0.0] * 4, 0.0)
    target.send(range(4))
    claims = [worker.claim() for _ in range(3)]
    held = target.held_by("worker-1:1")
    look = target.look()
    target.close()

    assert all(claims)
    assert 3 == len(set(held)) == len(held)
    assert set(held) < set(range(4))
    assert look is not None
    assert (1, 3) == (look.waiting, look.running)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("imgpipe-stress")]
