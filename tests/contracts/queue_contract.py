"""What every queue of tasks promises, written once; `tests/queue` runs it on all of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from imgpipe.errors import BadOption
from imgpipe.queue.values import (
    MOST_BYTES,
    MOST_FILE_BYTES,
    MOST_ITEMS,
    Claim,
    Item,
    JobSpec,
    JobState,
    Load,
    Receipt,
    Settled,
    SubmitKind,
    TaskState,
    Verdict,
    WorkerSpec,
)
from manual_clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.queue.base import TaskQueue

CPU = frozenset({"cpu"})
IO = frozenset({"io"})
ALL = frozenset({"cpu", "io"})
LEASE_SECONDS = 15.0


def spec(job: str = "job", needs: frozenset[str] = CPU, **more) -> JobSpec:
    """Return the settings of a job."""
    return JobSpec(id=job, needs=needs, **more)


def items(*indexes: int) -> list[Item]:
    """Return items with payloads that tell them apart."""
    return [Item(index, f'["{index}.jpg"]'.encode()) for index in indexes]


def worker(name: str = "w", labels: frozenset[str] = CPU, slots: int = 2, **more) -> WorkerSpec:
    """Return a worker whose id is its name."""
    return WorkerSpec(id=name, name=name, labels=labels, slots=slots, **more)


def done(claim: Claim, result: bytes = b"ok") -> Settled:
    """Return the word that a task is done."""
    return Settled(claim, Verdict.DONE, result, busy_seconds=0.5)


def failed(claim: Claim, code: str = "UNREADABLE") -> Settled:
    """Return the word that a task has failed for good."""
    return Settled(claim, Verdict.FAILED, b"why", code)


def outlive(queue: TaskQueue, clock: ManualClock, *others: str) -> None:
    """Let a lease go by in which only `others` are heard."""
    for _ in range(4):
        clock.advance(5)
        for name in others:
            queue.beat(name, Load())


class QueueContract:
    """Subclass it and say how the queue is made, with the clock that it is given."""

    def make(self, clock: ManualClock) -> TaskQueue:
        """Return a new, empty queue."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the clock of the queue."""
        return ManualClock()

    @pytest.fixture
    def queue(self, clock) -> Iterator[TaskQueue]:
        """Return a queue that is closed after the test."""
        queue = self.make(clock)
        yield queue
        queue.close()

    @pytest.fixture
    def work(self, queue: TaskQueue) -> TaskQueue:
        """Return a queue with a job of ten tasks and a worker `w` with one slot."""
        queue.create(spec())
        queue.submit("job", items(*range(10)), last=True)
        queue.register(worker(slots=1), LEASE_SECONDS)
        return queue

    # -- handing over -------------------------------------------------------------------------------------------------

    def test_tasks_come_in_the_order_in_which_they_were_handed_over(self, work):
        """The first in is the first out, with the payload that it went in with."""
        claims = work.claim("w", 3, starting=3)

        assert [0, 1, 2] == [claim.index for claim in claims.tasks]
        assert b'["1.jpg"]' == claims.tasks[1].payload
        assert (7, 3) == (work.status("job").pending, work.status("job").running)

    def test_any_payload_comes_out_as_it_went_in(self, queue):
        """Payloads are bytes: separators, zeros and nothing at all survive."""
        payloads = [b"", b"|", b"||1|2|", b"\x00\xff\n\r", b"a" * 60_000, "{}…ü".encode()]
        queue.create(spec())
        queue.submit("job", [Item(n, payload) for n, payload in enumerate(payloads)])
        queue.register(worker(slots=10), LEASE_SECONDS)

        assert payloads == [claim.payload for claim in queue.claim("w", 10, starting=10).tasks]

    def test_what_is_handed_over_twice_goes_in_once(self, queue):
        """A submitter that did not hear the answer says it again."""
        queue.create(spec())
        first = queue.submit("job", items(0, 1, 2))
        again = queue.submit("job", items(0, 1, 2), after=first.next)
        overlap = queue.submit("job", items(2, 3), after=first.next)

        assert [3, 0, 1] == [first.added, again.added, overlap.added]
        assert (4, 4, 4) == (overlap.next, queue.status("job").submitted, queue.status("job").pending)

    def test_indexes_may_have_gaps(self, queue):
        """What needs no work is never handed over; what was left out may come later."""
        queue.create(spec())
        queue.submit("job", items(5, 9))
        late = queue.submit("job", items(7), after=10)

        assert (SubmitKind.ACCEPTED, 10, 1) == (late.kind, late.next, late.added)
        assert 3 == queue.status("job").submitted

    def test_a_queue_that_has_forgotten_says_so(self, queue):
        """A submitter that believes to have handed over more than the queue knows is told how much that is."""
        queue.create(spec())
        queue.submit("job", items(0, 1))
        answer = queue.submit("job", items(7), after=7)

        assert (SubmitKind.GAP, 2) == (answer.kind, answer.next)
        assert 2 == queue.status("job").submitted

    def test_nothing_is_taken_beyond_the_window(self, queue):
        """A window of five takes five; the sixth waits outside, and comes in when there is room."""
        queue.create(spec(window=5))
        queue.register(worker(), LEASE_SECONDS)
        taken = queue.submit("job", items(*range(4)))
        refused = queue.submit("job", items(4, 5), after=4)
        queue.claim("w", 2, starting=2)
        then = queue.submit("job", items(4, 5), after=4)

        assert (SubmitKind.ACCEPTED, 1) == (taken.kind, taken.room)
        assert (SubmitKind.FULL, 1, 0) == (refused.kind, refused.room, refused.added)
        assert (SubmitKind.ACCEPTED, 1) == (then.kind, then.room)

    def test_there_must_be_a_job(self, queue):
        """Tasks for a job that is not there, or is over, are not taken."""
        queue.create(spec())
        queue.control("job", "cancel")

        assert SubmitKind.CLOSED is queue.submit("job", items(0)).kind
        assert SubmitKind.CLOSED is queue.submit("none", items(0)).kind

    @pytest.mark.parametrize(
        ("bad", "named"),
        [
            ([Item(1, b""), Item(1, b"")], "index"),
            ([Item(2, b""), Item(1, b"")], "index"),
            ([Item(-1, b"")], "index"),
            ([Item(1 << 30, b"")], "index"),
            ([Item(n, b"") for n in range(MOST_ITEMS + 1)], "items"),
            ([Item(0, bytes(MOST_BYTES + 1))], "items"),
        ],
    )
    def test_what_no_queue_can_keep_is_refused(self, queue, bad, named):
        """The error names what is wrong."""
        queue.create(spec())

        with pytest.raises(BadOption, match=named):
            queue.submit("job", bad)

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def test_the_same_job_is_attached_to(self, work):
        """Whoever opens a job again finds it as it is, and may add to it."""
        status = work.create(spec())

        assert (10, 10) == (status.next, status.pending)
        assert status.total is None

    def test_how_much_will_follow_is_said_to_those_who_watch(self, work):
        """It is what the submitter believes, and never below what is there; with the last item it is known."""
        work.create(spec())
        totals = []
        for more in (5, None, 0):
            work.submit("job", items(*range(work.status("job").next, work.status("job").next + 2)), more=more)
            totals.append(work.status("job").total)
        work.submit("job", [], more=3, last=True)

        assert [17, 17, 16] == totals
        assert 16 == work.status("job").total

    def test_another_job_of_the_same_name_is_refused(self, work):
        """A job is not replaced by another one while it runs."""
        with pytest.raises(BadOption, match="job"):
            work.create(spec(spec=b'{"other":1}'))

    def test_a_job_that_is_over_makes_room_for_a_new_one(self, work):
        """The new one knows nothing of the old."""
        for claim in (claims := work.claim("w", 20, starting=20)).tasks:
            work.finish("w", [done(claim)])
        status = work.create(spec())

        assert 10 == len(claims.tasks)
        assert (JobState.RUNNING, 0, 0) == (status.state, status.submitted, status.done)
        assert () == work.results("job", 10).records

    def test_a_job_ends_when_all_is_settled_and_no_more_will_come(self, queue):
        """An open job stays open, however empty; a closed one ends with its last task."""
        queue.create(spec())
        queue.submit("job", items(0))
        queue.register(worker(), LEASE_SECONDS)
        queue.finish("w", [done(queue.claim("w", 1).tasks[0])])
        before = queue.status("job").state
        queue.submit("job", [], after=1, last=True)

        assert (JobState.RUNNING, JobState.FINISHED) == (before, queue.status("job").state)

    def test_a_job_without_tasks_ends_at_once(self, queue):
        """Nothing to do is done."""
        queue.create(spec())
        queue.submit("job", [], last=True)

        assert JobState.FINISHED is queue.status("job").state

    def test_a_paused_job_hands_out_nothing(self, work):
        """What is in work goes on; the rest waits until the job is resumed."""
        claim = work.claim("w", 1, starting=1).tasks[0]
        work.control("job", "pause", "by hand")
        waiting = work.claim("w", 5, starting=5).tasks
        work.finish("w", [done(claim)])
        paused = work.status("job")
        work.control("job", "resume")

        assert () == waiting
        assert (JobState.PAUSED, "by hand", 1) == (paused.state, paused.why, paused.done)
        assert 5 == len(work.claim("w", 5, starting=5).tasks)

    def test_a_cancelled_job_drops_what_waits(self, work):
        """What is in work is finished and counts; what waits is cancelled; then the job is over."""
        claims = work.claim("w", 2, starting=2).tasks
        work.control("job", "cancel", "enough")
        held = work.beat("w", Load())
        work.finish("w", [Settled(claims[1], Verdict.RELEASE)])
        between = work.status("job")
        work.finish("w", [done(claims[0])])
        after = work.status("job")

        assert (JobState.CANCELLING, 1, 0) == (between.state, between.running, between.pending)
        assert frozenset({"job"}) == held.cancelled
        assert (JobState.CANCELLED, 1, 9) == (after.state, after.done, after.cancelled)
        assert TaskState.CANCELLED is work.task("job", 5).state

    def test_jobs_are_listed_newest_first(self, queue, clock):
        """The list has all jobs, with their counts."""
        for name in ("a", "b", "c"):
            queue.create(spec(name))
            clock.advance(1)

        assert ["c", "b", "a"] == [job.id for job in queue.jobs()]
        assert ["c"] == [job.id for job in queue.jobs(1)]

    def test_a_job_that_is_over_can_be_purged(self, work):
        """A running one cannot."""
        running = work.purge("job")
        work.control("job", "cancel")

        assert (False, True, False) == (running, work.purge("job"), work.purge("job"))
        assert work.status("job") is None
        assert [] == work.jobs()

    # -- settling -----------------------------------------------------------------------------------------------------

    def test_results_come_in_the_order_in_which_they_were_told(self, work):
        """The submitter reads them by number, and forgets what it has dealt with."""
        claims = work.claim("w", 3, starting=3).tasks
        work.finish("w", [done(claims[1], b"b"), failed(claims[0])])
        work.finish("w", [done(claims[2], b"c")])
        first = work.results("job", 2)
        work.forget("job", 1)
        work.forget("job", 1)
        rest = work.results("job", 10)

        assert ((1, Verdict.DONE, b"b"), (0, Verdict.FAILED, b"why")) == first.records
        assert (1, ((0, Verdict.FAILED, b"why"), (2, Verdict.DONE, b"c"))) == (rest.first, rest.records)
        assert ((2, Verdict.DONE, b"c"),) == work.results("job", 10, start=2).records
        assert () == work.results("job", 10, start=3).records

    def test_a_word_counts_once(self, work):
        """Said again, because the answer was lost, it changes nothing."""
        claim = work.claim("w", 1).tasks[0]
        first = work.finish("w", [done(claim)])
        again = work.finish("w", [done(claim)])

        assert ((Receipt.ACCEPTED,), (Receipt.STALE,)) == (first.receipts, again.receipts)
        assert (1, 1) == (work.status("job").done, work.status("job").duplicates)
        assert 1 == len(work.results("job", 10).records)

    def test_finish_and_claim_in_one_step(self, work):
        """A worker that has finished takes the next tasks with the same call."""
        claim = work.claim("w", 1).tasks[0]
        answer = work.finish("w", [done(claim)], want=2, starting=2)

        assert [1, 2] == [claim.index for claim in answer.claims.tasks]

    def test_a_failure_is_kept_with_its_reason(self, work):
        """Whose fault it was, which worker, and what it said, can be looked up."""
        claim = work.claim("w", 1).tasks[0]
        work.finish("w", [failed(claim, "TRUNCATED")])
        task = work.task("job", claim.index)

        assert (TaskState.FAILED, "TRUNCATED", b"why", "w") == (task.state, task.code, task.result, task.worker)
        assert [task] == work.failures("job")
        assert {"TRUNCATED": 1} == work.status("job").codes

    def test_what_may_work_later_is_tried_again_later(self, work, clock):
        """Each try counts as an attempt; the third failure is the last."""
        seen = []
        for _ in range(3):
            claim = next(claim for claim in work.claim("w", 20, starting=20).tasks if claim.index == 0)
            seen.append((claim.attempts, work.status("job").attempts))
            work.finish("w", [Settled(claim, Verdict.RETRY, b"busy", "READ_ERROR", delay_seconds=4)])
            clock.advance(2)
            early = work.claim("w", 20).tasks
            clock.advance(2)
            work.beat("w", Load())

        assert [(0, 0), (1, 1), (2, 2)] == seen
        assert () == early
        assert (TaskState.FAILED, 3) == (work.task("job", 0).state, work.task("job", 0).attempts)
        assert (1, 0) == (work.status("job").failed, work.status("job").retrying)

    def test_a_task_that_waits_for_another_try_says_so(self, work):
        """It is neither pending nor running."""
        claim = work.claim("w", 1).tasks[0]
        work.finish("w", [Settled(claim, Verdict.RETRY, delay_seconds=60)])

        assert TaskState.RETRYING is work.task("job", claim.index).state
        assert (9, 0, 1) == tuple(getattr(work.status("job"), name) for name in ("pending", "running", "retrying"))

    def test_what_is_given_back_comes_first_again(self, work):
        """Nothing is charged for it, but if it had begun that is counted."""
        claims = work.claim("w", 3, starting=1).tasks
        work.finish("w", [Settled(claim, Verdict.RELEASE) for claim in reversed(claims)])
        again = work.claim("w", 3, starting=3).tasks
        status = work.status("job")

        assert [0, 1, 2] == [claim.index for claim in again]
        assert [(0, 0, 0)] * 3 == [(claim.attempts, claim.losses, claim.deliveries) for claim in again]
        assert (1, 0, 0) == (status.interrupted, status.losses, status.deliveries)

    def test_lost_is_not_failed(self, work):
        """A task that ends every process is the workers' loss, not the picture's failure."""
        claim = work.claim("w", 1).tasks[0]
        work.finish("w", [Settled(claim, Verdict.LOST, b"died of SIGSEGV", "CRASHED")])
        status = work.status("job")

        assert (0, 1) == (status.failed, status.lost)
        assert TaskState.LOST is work.task("job", claim.index).state

    def test_a_job_that_fails_as_a_whole_is_paused(self, queue):
        """A wrong recipe must not spoil ten million pictures: the first fifty results tell."""
        queue.create(spec(breaker=5))
        queue.submit("job", items(*range(100)))
        queue.register(worker(slots=100), LEASE_SECONDS)
        claims = queue.claim("w", 100, starting=100).tasks
        queue.finish("w", [failed(claim) for claim in claims[:4]])
        before = queue.status("job").state
        queue.finish("w", [failed(claims[4])])
        paused = queue.status("job")
        queue.control("job", "resume")
        queue.finish("w", [failed(claim) for claim in claims[5:60]])

        assert (JobState.RUNNING, JobState.PAUSED) == (before, paused.state)
        assert "5 of the first 5 failed, the last with UNREADABLE" == paused.why
        assert JobState.RUNNING is queue.status("job").state

    def test_failed_tasks_can_be_tried_again(self, work):
        """They are as if they were new, and the job is not over any more."""
        claims = work.claim("w", 20, starting=20).tasks
        work.finish("w", [failed(claims[0]), Settled(claims[1], Verdict.LOST), *(done(claim) for claim in claims[2:])])
        over = work.status("job").state
        revived = work.retry("job", 10)
        again = work.claim("w", 20, starting=20).tasks
        work.finish("w", [done(claim) for claim in again])
        status = work.status("job")

        assert (JobState.FINISHED, 2) == (over, revived)
        assert [0, 1] == [claim.index for claim in again]
        assert (JobState.FINISHED, 10, 0, 0) == (status.state, status.done, status.failed, status.lost)
        assert [] == work.fsck("job")

    # -- workers that die ---------------------------------------------------------------------------------------------

    def test_a_worker_that_beats_keeps_its_tasks(self, work, clock):
        """However long they take."""
        claim = work.claim("w", 1, starting=1).tasks[0]
        for _ in range(40):
            clock.advance(5)
            work.beat("w", Load())
            assert work.reap() is None

        assert (Receipt.ACCEPTED,) == work.finish("w", [done(claim)]).receipts
        assert 0 == work.status("job").losses

    def test_the_tasks_of_a_dead_worker_go_to_others(self, work, clock):
        """Those that it had begun count as losses, those that waited do not; all come first again."""
        work.claim("w", 3, starting=1)
        work.register(worker("other"), LEASE_SECONDS)
        outlive(work, clock, "other")
        reaped = work.reap()
        claims = work.claim("other", 3, starting=3).tasks
        status = work.status("job")

        assert ("w", 3, 0) == (reaped.worker, reaped.requeued, reaped.lost)
        assert work.reap() is None
        assert [(0, 1, 1), (1, 0, 1), (2, 0, 1)] == [(c.index, c.losses, c.deliveries) for c in claims]
        assert (1, 3) == (status.losses, status.deliveries)

    def test_what_had_begun_since_counts_too(self, work, clock):
        """A worker says with any call which of its tasks have begun since."""
        first, second, third, _ = work.claim("w", 4).tasks
        work.register(worker("other"), LEASE_SECONDS)
        work.beat("w", Load(), begun=[first])
        work.claim("w", 0, begun=[second])
        work.finish("w", [], begun=[third])
        outlive(work, clock, "other")
        work.reap()

        assert [1, 1, 1, 0] == [claim.losses for claim in work.claim("other", 4, starting=4).tasks]

    def test_a_dead_worker_is_told_that_it_is_gone(self, work, clock):
        """It has to present itself anew."""
        work.register(worker("other"), LEASE_SECONDS)
        outlive(work, clock, "other")
        work.reap()

        assert work.beat("w", Load()).gone
        assert work.claim("w", 1).gone
        assert work.finish("w", []).claims.gone

    def test_a_late_result_counts_if_nobody_was_faster(self, work, clock):
        """Finished work is not thrown away because its worker was slow; the copy vanishes."""
        work.register(worker("other"), LEASE_SECONDS)
        claim = work.claim("w", 1, starting=1).tasks[0]
        outlive(work, clock, "other")
        work.reap()
        receipt = work.finish("w", [done(claim)]).receipts
        rest = work.claim("other", 20, starting=20).tasks

        assert (Receipt.LATE,) == receipt
        assert list(range(1, 10)) == [claim.index for claim in rest]
        assert (1, 1) == (work.status("job").done, work.status("job").late)
        assert [] == work.fsck("job")

    def test_a_late_result_is_ignored_if_somebody_was_faster(self, work, clock):
        """Whoever owns the task now decides."""
        work.register(worker("other"), LEASE_SECONDS)
        claim = work.claim("w", 1, starting=1).tasks[0]
        outlive(work, clock, "other")
        work.reap()
        mine = work.claim("other", 1).tasks[0]
        work.finish("other", [done(mine, b"mine")])
        receipt = work.finish("w", [done(claim, b"late")]).receipts

        assert (claim.index, True) == (mine.index, mine.epoch > claim.epoch)
        assert (Receipt.STALE,) == receipt
        assert ((0, Verdict.DONE, b"mine"),) == work.results("job", 10).records

    def test_the_owner_is_ignored_if_a_late_result_was_faster(self, work, clock):
        """A task counts once, whoever has it."""
        work.register(worker("other"), LEASE_SECONDS)
        claim = work.claim("w", 1, starting=1).tasks[0]
        outlive(work, clock, "other")
        work.reap()
        mine = work.claim("other", 1).tasks[0]
        late = work.finish("w", [done(claim, b"late")]).receipts
        receipt = work.finish("other", [done(mine, b"mine")]).receipts

        assert ((Receipt.LATE,), (Receipt.STALE,)) == (late, receipt)
        assert (1, 0) == (work.status("job").done, work.status("job").running)
        assert ((0, Verdict.DONE, b"late"),) == work.results("job", 10).records

    def test_a_word_on_an_earlier_claim_is_ignored(self, work):
        """Even from the worker that has the task again: only the word on its last claim counts."""
        first = work.claim("w", 1).tasks[0]
        work.finish("w", [Settled(first, Verdict.RELEASE)])
        again = work.claim("w", 1).tasks[0]
        receipts = work.finish("w", [failed(first), failed(again)]).receipts

        assert (Receipt.STALE, Receipt.ACCEPTED) == receipts
        assert first.epoch < again.epoch

    def test_a_late_failure_is_ignored(self, work, clock):
        """Only work that was done is worth keeping."""
        work.register(worker("other"), LEASE_SECONDS)
        claim = work.claim("w", 1, starting=1).tasks[0]
        outlive(work, clock, "other")
        work.reap()

        assert (Receipt.STALE,) == work.finish("w", [failed(claim)]).receipts
        assert (0, 10) == (work.status("job").failed, work.status("job").pending)

    def test_late_results_of_impure_jobs_are_ignored(self, queue, clock):
        """Where doing it twice makes a difference, only the owner's word counts."""
        queue.create(spec(pure=False))
        queue.submit("job", items(0))
        queue.register(worker(), LEASE_SECONDS)
        queue.register(worker("other"), LEASE_SECONDS)
        claim = queue.claim("w", 1).tasks[0]
        outlive(queue, clock, "other")
        queue.reap()

        assert (Receipt.STALE,) == queue.finish("w", [done(claim)]).receipts

    def test_a_task_that_kills_three_workers_is_given_up(self, work, clock):
        """It is lost, with the name of the last; nobody else's task is."""
        work.register(worker("watch", IO), LEASE_SECONDS)
        lost = []
        for n in range(3):
            work.register(worker(f"victim-{n}", slots=20), LEASE_SECONDS)
            claims = work.claim(f"victim-{n}", 20, starting=20 if n == 2 else 1).tasks
            others = [Settled(claim, Verdict.RELEASE) for claim in claims if claim.index != 0]
            work.finish(f"victim-{n}", others)
            outlive(work, clock, "watch", "w")
            lost.append(work.reap().lost)
        task = work.task("job", 0)

        assert [0, 0, 1] == lost
        assert (TaskState.LOST, "WORKERS_DIED", "victim-2") == (task.state, task.code, task.worker)
        assert 9 == work.status("job").pending
        assert ((0, Verdict.LOST, b""),) == work.results("job", 10).records

    def test_a_task_that_two_workers_have_not_survived_waits_for_the_others(self, work, clock):
        """If it is to blame it costs the next worker later; the first time, it comes first again."""
        work.register(worker("watch", IO), LEASE_SECONDS)
        first = []
        for n in range(2):
            work.register(worker(f"victim-{n}"), LEASE_SECONDS)
            first.append(work.claim(f"victim-{n}", 1, starting=1).tasks[0].index)
            outlive(work, clock, "watch", "w")
            work.reap()

        assert [0, 0] == first
        assert [*range(1, 10), 0] == [claim.index for claim in work.claim("w", 20, starting=20).tasks]

    def test_a_task_that_nobody_says_a_word_about_is_given_up(self, queue, clock):
        """Even if no worker lives long enough to say that it has begun."""
        queue.create(spec(max_deliveries=4))
        queue.submit("job", items(0), last=True)
        queue.register(worker("watch", IO), LEASE_SECONDS)
        for n in range(4):
            queue.register(worker(f"v-{n}"), LEASE_SECONDS)
            assert 1 == len(queue.claim(f"v-{n}", 1).tasks)
            outlive(queue, clock, "watch")
            queue.reap()

        assert (JobState.FINISHED, 1, 0) == (
            queue.status("job").state,
            queue.status("job").lost,
            queue.status("job").losses,
        )

    def test_nobody_is_taken_for_dead_while_the_queue_was_away(self, work, clock):
        """If nobody was heard, it was the queue that was away: everybody gets a lease to come back."""
        work.register(worker("other"), LEASE_SECONDS)
        claim = work.claim("w", 1, starting=1).tasks[0]
        clock.advance(300)
        silent = work.reap()
        work.beat("other", Load())
        at_once = work.reap()
        clock.advance(5)
        work.beat("other", Load())
        work.beat("w", Load())

        assert (None, None, None) == (silent, at_once, work.reap())
        assert (Receipt.ACCEPTED,) == work.finish("w", [done(claim)]).receipts

    def test_after_an_outage_the_dead_are_found_all_the_same(self, work, clock):
        """Whoever has not come back within a lease is dead."""
        work.register(worker("other"), LEASE_SECONDS)
        work.claim("w", 1, starting=1)
        clock.advance(300)
        for _ in range(4):
            work.beat("other", Load())
            clock.advance(4)
        work.beat("other", Load())

        assert "w" == work.reap().worker

    def test_a_clock_that_is_set_back_kills_nobody(self, work, clock):
        """Nor does it keep the dead alive for hours."""
        work.register(worker("other"), LEASE_SECONDS)
        work.claim("w", 1, starting=1)
        clock.advance(-3600)
        found = []
        for _ in range(8):
            work.beat("other", Load())
            found.append(work.reap())
            clock.advance(4)

        assert "w" == next(reaped.worker for reaped in found if reaped)

    def test_whoever_takes_leave_gives_back_everything(self, work):
        """At once, and nothing is charged."""
        work.claim("w", 4, starting=2)
        work.leave("w")
        status = work.status("job")

        assert (10, 0, 0, 2) == (status.pending, status.running, status.losses, status.interrupted)
        assert [] == work.workers()

    def test_a_worker_can_ask_what_it_holds(self, work):
        """It may have missed an answer: the queue knows what it gave."""
        given = work.claim("w", 3).tasks
        held = work.resync("w")

        assert {claim.index: claim.epoch for claim in given} == {claim.index: claim.epoch for claim in held}
        assert 3 == work.beat("w", Load()).held
        assert () == work.resync("nobody")

    # -- who gets what ------------------------------------------------------------------------------------------------

    def test_a_worker_gets_only_what_it_can_run(self, queue):
        """Labels are what a worker has; a task needs some of them, or none."""
        for name, needs in (("io", IO), ("cpu", CPU), ("both", ALL), ("any", frozenset()), ("gpu", frozenset({"gpu"}))):
            queue.create(spec(name, needs))
            queue.submit(name, items(0))
        got = {}
        for name, labels in (("gpu", frozenset({"gpu"})), ("io", IO), ("cpu", CPU), ("all", ALL)):
            queue.register(worker(name, labels, slots=10), LEASE_SECONDS)
            claims = queue.claim(name, 10, starting=10).tasks
            got[name] = {claim.job for claim in claims}
            queue.finish(name, [Settled(claim, Verdict.RELEASE) for claim in claims])

        assert {"gpu": {"gpu", "any"}, "io": {"io", "any"}, "cpu": {"cpu", "any"}} == {
            name: got[name] for name in ("gpu", "io", "cpu")
        }
        assert {"io", "cpu", "both", "any"} == got["all"]

    def test_a_worker_for_all_takes_first_what_others_cannot(self, queue):
        """Specialists are not robbed of their work."""
        for name, needs in (("a", IO), ("b", CPU), ("c", ALL)):
            queue.create(spec(name, needs))
            queue.submit(name, items(*range(5)))
        queue.register(worker("all", ALL, slots=1), LEASE_SECONDS)
        queue.register(worker("io", IO, slots=4), LEASE_SECONDS)
        queue.register(worker("cpu", CPU, slots=2), LEASE_SECONDS)

        jobs = [queue.claim("all", 1, starting=1).tasks[0].job for _ in range(12)]

        assert ["c"] * 5 + ["b"] * 5 + ["a"] * 2 == jobs

    def test_a_small_job_is_not_stuck_behind_a_large_one(self, queue):
        """Jobs of the same class take turns."""
        queue.create(spec("large"))
        queue.submit("large", items(*range(500)))
        queue.register(worker(), LEASE_SECONDS)
        for _ in range(10):
            queue.claim("w", 1)
        queue.create(spec("small"))
        queue.submit("small", items(*range(3)))

        jobs = [queue.claim("w", 1).tasks[0].job for _ in range(8)]

        assert 3 == jobs.count("small")

    def test_towards_the_end_a_worker_takes_fewer(self, queue):
        """The last tasks are shared, so that all workers are done together; free slots are filled all the same."""
        queue.create(spec())
        queue.submit("job", items(*range(100)))
        queue.register(worker("a", slots=5), LEASE_SECONDS)
        queue.register(worker("b", slots=5), LEASE_SECONDS)
        sizes = [len(queue.claim("a", 50, starting=1).tasks) for _ in range(4)]

        assert [5, 5, 5, 5] == sizes
        assert 20 == len(queue.claim("b", 20, starting=20).tasks)

    def test_a_fifo_job_goes_to_whoever_comes(self, queue):
        """The teaching mode: one list, and a worker finds out afterwards whether it can run what it took."""
        queue.create(spec("sharpen", CPU, routing="fifo"))
        queue.submit("sharpen", items(0, 1), last=True)
        queue.register(worker("worker-1", IO, routing="fifo"), LEASE_SECONDS)
        queue.register(worker("worker-2", CPU), LEASE_SECONDS)
        usual = queue.claim("worker-2", 2, starting=2).tasks
        first = queue.claim("worker-1", 1, starting=1).tasks
        queue.finish("worker-1", [Settled(first[0], Verdict.RELEASE)])
        again = queue.claim("worker-1", 2, starting=2).tasks

        assert () == usual
        assert [0] == [claim.index for claim in first]
        assert [0, 1] == [claim.index for claim in again]

    def test_jobs_that_a_worker_cannot_run_are_not_offered_to_it_again(self, queue):
        """However many there are, they hide no other; others get them; whoever takes its place is asked anew."""
        names = [f"new-{number:02}" for number in range(50)]
        for name in [*names, "old"]:
            queue.create(spec(name))
            queue.submit(name, items(0, 1), last=True)
        queue.register(worker(slots=4), LEASE_SECONDS)
        refused, done_ = [], []
        claims = queue.claim("w", 4, starting=4).tasks
        while claims:
            unfit = [claim for claim in claims if claim.job != "old"]
            refused += [claim.job for claim in unfit]
            assert len(refused) <= 2 * len(names), "they are offered again"
            done_ += [claim for claim in claims if claim.job == "old"]
            words = [Settled(claim, Verdict.UNFIT) for claim in unfit]
            words += [done(claim) for claim in claims if claim.job == "old"]
            claims = queue.finish("w", words, want=4, starting=4).claims.tasks

        assert names == sorted(set(refused))
        assert [0, 1] == sorted(claim.index for claim in done_)
        assert [(2, 0, 0, 1)] * 50 == [(s.pending, s.running, s.losses, s.refused) for s in map(queue.status, names)]
        queue.register(worker("other", slots=4), LEASE_SECONDS)
        assert {"new"} == {claim.job[:3] for claim in queue.claim("other", 4, starting=4).tasks}
        queue.leave("w")
        queue.register(worker(slots=4), LEASE_SECONDS)
        assert {"new"} == {claim.job[:3] for claim in queue.claim("w", 4, starting=4).tasks}

    def test_a_fifo_job_that_a_worker_cannot_run_keeps_its_place(self, queue):
        """What waits behind it is handed out."""
        for name in ("new", "old"):
            queue.create(spec(name, routing="fifo"))
            queue.submit(name, items(0, 1), last=True)
        queue.register(worker(routing="fifo"), LEASE_SECONDS)
        first = queue.claim("w", 1, starting=1).tasks[0]
        claims = queue.finish("w", [Settled(first, Verdict.UNFIT)], want=4, starting=4).claims.tasks
        queue.register(worker("other", routing="fifo"), LEASE_SECONDS)
        others = queue.claim("other", 4, starting=4).tasks

        assert [("old", 0), ("old", 1)] == [(claim.job, claim.index) for claim in claims]
        assert [("new", 0), ("new", 1)] == [(claim.job, claim.index) for claim in others]

    def test_a_job_that_is_made_anew_is_another_job(self, queue, clock):
        """Whoever could not run the one of that name before is asked."""
        queue.register(worker(), LEASE_SECONDS)
        queue.create(spec("new"))
        queue.submit("new", items(0))
        claims = queue.claim("w", 1).tasks
        queue.finish("w", [Settled(claim, Verdict.UNFIT) for claim in claims])
        before = queue.claim("w", 1).tasks
        queue.control("new", "cancel")
        clock.advance(1)
        queue.create(spec("new"))
        queue.submit("new", items(0))

        assert () == before
        assert 1 == len(queue.claim("w", 1).tasks)

    def test_work_that_nobody_can_run_is_named(self, queue, clock):
        """How long it has been waiting for a worker with its labels."""
        queue.create(spec("io", IO))
        queue.create(spec("gpu", frozenset({"gpu"})))
        queue.submit("gpu", items(0, 1))
        queue.submit("io", items(0))
        queue.register(worker("io", IO, slots=3), 1000)
        queue.classes()
        clock.advance(7)
        gpu, io = queue.classes()

        assert ("gpu", 2, 0, 7.0) == (gpu.name, gpu.pending, gpu.slots, gpu.stuck_seconds)
        assert ("io", 1, 3, None, 7.0) == (io.name, io.pending, io.slots, io.stuck_seconds, io.oldest_seconds)

    # -- files --------------------------------------------------------------------------------------------------------

    def test_files_travel_through_the_queue(self, work):
        """A picture to its worker, a result back; both are gone when the submitter has dropped them."""
        data = bytes(range(256)) * 100
        put = work.put_file("job", 3, "source", data), work.put_file("job", 3, "target", b"result")
        there = work.get_file("job", 3, "source"), work.get_file("job", 3, "target"), work.get_file("job", 4, "source")
        work.drop_files("job", [3, 4])

        assert ((True, True), (data, b"result", None)) == (put, there)
        assert work.get_file("job", 3, "source") is None

    def test_a_file_that_is_too_large_is_refused(self, work):
        """It needs a folder that both can see."""
        with pytest.raises(BadOption, match="shared folder"):
            work.put_file("job", 0, "source", bytes(MOST_FILE_BYTES + 1))

    # -- looking on ---------------------------------------------------------------------------------------------------

    def test_workers_are_seen_with_what_they_say(self, work, clock):
        """Their load, what they hold, how long they have been there; None is unknown."""
        work.claim("w", 2, starting=2)
        work.beat("w", Load(busy=2, cpu_percent=93.5, memory_bytes=1 << 30, done=7, failed=1, now="a.jpg"))
        clock.advance(2)
        seen = work.workers()[0]

        assert ("w", CPU, 1, 2, "ready") == (seen.name, seen.labels, seen.slots, seen.held, seen.state)
        assert Load(busy=2, cpu_percent=93.5, memory_bytes=1 << 30, done=7, failed=1, now="a.jpg") == seen.load
        assert 2.0 == seen.beat_seconds
        work.beat("w", Load(state="draining"))
        assert ("draining", None) == (work.workers()[0].state, work.workers()[0].load.cpu_percent)

    def test_overview_is_all_of_it_at_one_moment(self, work, clock):
        """The same as is told by each call of its own, also for jobs that are over, and as few as one wants to see."""
        work.create(spec("next", needs=IO))
        work.submit("next", items(0, 1))
        work.create(spec("over"))
        work.submit("over", items(0), last=True)
        claims = work.claim("w", 20, starting=20).tasks
        again = [Settled(claim, Verdict.RETRY, code="LATER", delay_seconds=600) for claim in claims]
        work.finish("w", [failed(word.claim) if word.claim.job == "over" else word for word in again])
        work.register(worker("lost"), LEASE_SECONDS)
        outlive(work, clock, "w")
        work.reap()
        seen, few = work.overview(), work.overview(0, 1)
        statuses = sorted(work.jobs(), key=lambda status: status.id)

        assert statuses == sorted(seen.jobs, key=lambda status: status.id)
        assert [JobState.RUNNING, JobState.RUNNING, JobState.FINISHED] == [status.state for status in statuses]
        assert (tuple(work.workers()), work.counters()) == (seen.workers, seen.counters)
        assert [("w", "ready"), ("lost", "lost")] == [(each.name, each.state) for each in seen.workers]
        assert tuple(work.classes()) == seen.classes
        assert {"cpu": 0, "io": 2} == {entry.name: entry.pending for entry in seen.classes}
        assert ((), 1, {"cpu", "io"}) == (few.jobs, len(few.workers), {entry.name for entry in few.classes})

    def test_what_has_happened_is_counted(self, queue, clock):
        """For each class of tasks: how many, how long they waited, how long they took; and what workers add up."""
        queue.create(spec())
        queue.submit("job", items(*range(4)), last=True)
        queue.register(worker(slots=4), LEASE_SECONDS)
        clock.advance(2)
        claims = queue.claim("w", 4, starting=4).tasks
        queue.finish("w", [done(claims[0]), done(claims[1]), failed(claims[2])])
        queue.beat("w", Load(), totals={"pixels": 1000, "read_bytes": 7})
        queue.beat("w", Load(), totals={"pixels": 24})
        counters = queue.counters()
        seen = counters.classes["cpu"]

        assert (4, 4, 2, 1) == (seen.enqueued, seen.claimed, seen.done, seen.failed)
        assert (1.0, 8.0) == (seen.busy_seconds, seen.waited_seconds)
        assert (0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0) == seen.waits
        assert (1, 2) == (seen.durations[0], seen.durations[6])
        assert {"pixels": 1024, "read_bytes": 7} == counters.totals

    def test_a_lost_worker_stays_in_sight_for_ten_minutes(self, work, clock):
        """It is not alive, and everybody can see that it was there."""
        work.register(worker("other"), 1000)
        clock.advance(20)
        work.beat("other", Load())
        lapsed = {seen.name: seen.state for seen in work.workers()}
        work.reap()
        reaped = {seen.name: seen.state for seen in work.workers()}
        clock.advance(601)

        assert {"w": "lost", "other": "ready"} == lapsed == reaped
        assert ["other"] == [seen.name for seen in work.workers()]

    def test_a_command_reaches_a_worker_with_its_next_beat(self, work):
        """Until it is taken back."""
        known = work.command("w", "drain")

        assert (True, False) == (known, work.command("nobody", "drain"))
        assert "drain" == work.beat("w", Load()).command

    def test_counts_add_up_when_many_speak_at_once(self, queue):
        """Eight threads say the same words at the same time: each task counts once."""
        queue.create(spec())
        queue.submit("job", items(*range(200)), last=True)
        queue.register(worker(slots=200), LEASE_SECONDS)
        claims = queue.claim("w", 200, starting=200).tasks
        begin = threading.Barrier(8)

        def speak() -> None:
            begin.wait()
            for at in range(0, 200, 20):
                queue.finish("w", [done(claim) for claim in claims[at : at + 20]])

        threads = [threading.Thread(target=speak) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        status = queue.status("job")

        assert (JobState.FINISHED, 200, 0, 0) == (status.state, status.done, status.running, status.pending)
        assert 200 == len(queue.results("job", 1000).records)
        assert [] == queue.fsck("job")

    def test_waiting_ends_when_there_is_something(self, work):
        """For work, and for results."""
        work.claim("w", 20, starting=20)
        assert () == work.claim("w", 1, starting=1).tasks
        waits = [
            threading.Thread(target=work.wait_for_work, args=("w", 60.0)),
            threading.Thread(target=work.wait_for_results, args=("job", 0, 60.0)),
        ]
        for wait in waits:
            wait.start()
        held = work.resync("w")
        work.finish("w", [done(held[0]), Settled(held[1], Verdict.RELEASE)])
        for wait in waits:
            wait.join(10)

        assert [False, False] == [wait.is_alive() for wait in waits]

    def test_waiting_ends_after_its_time(self, work):
        """Nothing came."""
        work.wait_for_work("w", 0.01)
        work.wait_for_results("job", 0, 0.01)

        assert () == work.results("job", 1).records

    def test_a_job_that_is_over_vanishes_in_time(self, work, clock):
        """After a day, or a week if something failed; see the queues' own tests for how."""
        work.control("job", "cancel")

        assert work.status("job") is not None
