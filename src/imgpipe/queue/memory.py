"""MemoryQueue: a TaskQueue inside one process, for tests, for teaching and where there is no Redis."""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from imgpipe.queue._memory_job import Detail, MemoryJob, Record
from imgpipe.queue._memory_routing import Routing
from imgpipe.queue._memory_tally import Tally
from imgpipe.queue._memory_worker import Held, MemoryWorker
from imgpipe.queue.base import TaskQueue
from imgpipe.queue.checks import check_file, check_items, check_settled, conflict
from imgpipe.queue.limits import LOST_SECONDS, PROMOTED, SILENCE, SUSPECT, WORKERS_DIED
from imgpipe.queue.values import (
    MOST_CLAIMS,
    MOST_HELD,
    MOST_INDEX,
    Beat,
    Claim,
    Claims,
    ClassStatus,
    Counters,
    Finished,
    JobState,
    JobStatus,
    Load,
    Overview,
    Reaped,
    Receipt,
    Results,
    Settled,
    SubmitKind,
    Submitted,
    TaskState,
    TaskStatus,
    Verdict,
    WorkerStatus,
    needs_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imgpipe.queue.values import FileKind, Item, JobSpec, WorkerSpec


class MemoryQueue(TaskQueue):
    """Safe to use from several threads; every method is one step. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._jobs: OrderedDict[str, MemoryJob] = OrderedDict()
        self._workers: dict[str, MemoryWorker] = {}
        self._lost: dict[str, MemoryWorker] = {}
        self._routing = Routing()
        self._tally = Tally()
        self._epoch = 0
        self._last_beat = 0.0
        self._reap_after = 0.0
        self._files: dict[tuple[str, int, FileKind], bytes] = {}
        self._stuck: dict[str, float] = {}

    # -- submitters ---------------------------------------------------------------------------------------------------

    def create(self, spec: JobSpec) -> JobStatus:
        """Open a job, or attach to it."""
        with self._changed:
            now = self._clock()
            self._expire(now)
            job = self._jobs.get(spec.id)
            if job is None or job.is_over:
                self._jobs.pop(spec.id, None)
                job = self._jobs[spec.id] = MemoryJob(spec, now, now)
            elif job.spec != spec or job.state is JobState.CANCELLING:
                raise conflict(spec.id, job.state)
            job.sealed, job.touched = False, now
            return job.status(now)

    def submit(
        self, job: str, items: Sequence[Item], *, after: int = 0, last: bool = False, more: int | None = None
    ) -> Submitted:
        """Hand over items."""
        check_items(items)
        with self._changed:
            now = self._clock()
            known = self._jobs.get(job)
            if known is None or not known.is_open:
                return Submitted(SubmitKind.CLOSED)
            room = max(known.spec.window - len(known.pending), 0)
            if after > known.next:
                return Submitted(SubmitKind.GAP, known.next, room)
            new = sum(item.index not in known.submitted for item in items)
            if new > room:
                return Submitted(SubmitKind.FULL, known.next, room)
            known.add(items, now)
            known.touched = now
            known.sealed = known.sealed or last
            known.expected = known.expected if more is None else len(known.submitted) + more
            self._tally.note(known.spec.task_class, "enqueued", new)
            self._routing.offer(known, new)
            self._conclude(known, now)
            self._ring()
            return Submitted(SubmitKind.ACCEPTED, known.next, room - new, new)

    def results(self, job: str, count: int, *, start: int = 0) -> Results:
        """Return results by their number."""
        with self._changed:
            known = self._jobs.get(job)
            if known is None:
                return Results(start, ())
            skip = max(start - known.first_result, 0)
            records = tuple(itertools.islice(known.results, skip, skip + count))
            return Results(known.first_result + skip, records, known.dropped)

    def forget(self, job: str, before: int) -> None:
        """Forget results."""
        with self._changed:
            known = self._jobs.get(job)
            while known and known.results and known.first_result < before:
                known.results.popleft()
                known.first_result += 1

    def wait_for_results(self, job: str, start: int, seconds: float) -> None:
        """Wait for a result."""

        def is_there() -> bool:
            known = self._jobs.get(job)
            return known is None or known.is_over or known.first_result + len(known.results) > start

        with self._changed:
            self._changed.wait_for(is_there, seconds)

    # -- workers ------------------------------------------------------------------------------------------------------

    def register(self, worker: WorkerSpec, lease_seconds: float) -> None:
        """Present a worker."""
        with self._changed:
            now = self._clock()
            self._heard(lease_seconds, now)
            self._lost.pop(worker.id, None)
            self._workers[worker.id] = MemoryWorker(worker, lease_seconds, now + lease_seconds, now, now)

    def claim(self, worker: str, want: int, *, starting: int = 0, begun: Sequence[Claim] = ()) -> Claims:
        """Take tasks."""
        with self._changed:
            return self._claim(worker, want, starting, begun)

    def finish(
        self,
        worker: str,
        settled: Sequence[Settled],
        *,
        want: int = 0,
        starting: int = 0,
        begun: Sequence[Claim] = (),
    ) -> Finished:
        """Settle tasks, then claim others."""
        check_settled(settled)
        with self._changed:
            now = self._clock()
            if worker in self._workers:
                self._workers[worker].mark(begun)
            receipts = tuple(self._settle(worker, word, now) for word in settled)
            self._changed.notify_all()
            return Finished(receipts, self._claim(worker, want, starting, ()))

    def beat(
        self, worker: str, load: Load, *, begun: Sequence[Claim] = (), totals: Mapping[str, int] | None = None
    ) -> Beat:
        """Renew the lease."""
        with self._changed:
            now = self._clock()
            known = self._workers.get(worker)
            if known is None:
                return Beat(gone=True)
            self._renew(known, now)
            known.mark(begun)
            self._tally.add(totals or {})
            known.load = load
            states = {job: self._jobs[job].state for job, _ in known.held if job in self._jobs}
            cancelled = frozenset(job for job, state in states.items() if state is JobState.CANCELLING)
            return Beat(command=known.command, held=len(known.held), cancelled=cancelled)

    def resync(self, worker: str) -> tuple[Claim, ...]:
        """Return what the worker holds."""
        with self._changed:
            known = self._workers.get(worker)
            now = self._clock()
            return tuple(held.claim(job, now) for (job, _), held in known.held.items()) if known else ()

    def leave(self, worker: str) -> None:
        """Take leave."""
        with self._changed:
            now = self._clock()
            known = self._workers.pop(worker, None)
            for (job, _), held in reversed(list(known.held.items())) if known else ():
                self._release(job, held)
                if job in self._jobs:
                    self._conclude(self._jobs[job], now)
            self._ring()

    def reap(self) -> Reaped | None:
        """Take the tasks of one dead worker."""
        with self._changed:
            now = self._clock()
            longest = max((worker.lease_seconds for worker in self._workers.values()), default=0.0)
            if now < self._reap_after or now - self._last_beat > SILENCE * longest:
                return None
            dead = min(self._workers.values(), key=lambda worker: (worker.lease_end, worker.spec.id), default=None)
            if dead is None or dead.lease_end > now:
                return None
            del self._workers[dead.spec.id]
            dead.beat = now
            self._tally.note("", "lost_workers")
            self._lost[dead.spec.id] = dead
            requeued = lost = 0
            for (job, _), held in reversed(list(dead.held.items())):
                outcome = self._lose(job, held, dead.spec.name, now)
                requeued += outcome is True
                lost += outcome is False
            dead.held.clear()
            self._ring()
            return Reaped(dead.spec.id, requeued, lost)

    def wait_for_work(self, worker: str, seconds: float) -> None:
        """Wait for the bell."""
        with self._changed:
            known = self._workers.get(worker)
            if known is not None:
                self._changed.wait_for(lambda: known.bell, seconds)
                known.bell = False

    # -- files --------------------------------------------------------------------------------------------------------

    def put_file(self, job: str, index: int, kind: FileKind, data: bytes) -> bool:
        """Keep a file."""
        check_file(data)
        with self._changed:
            self._files[job, index, kind] = data
        return True

    def get_file(self, job: str, index: int, kind: FileKind) -> bytes | None:
        """Return a file."""
        with self._changed:
            return self._files.get((job, index, kind))

    def drop_files(self, job: str, indexes: Sequence[int]) -> None:
        """Forget files."""
        with self._changed:
            for index in indexes:
                self._files.pop((job, index, "source"), None)
                self._files.pop((job, index, "target"), None)

    # -- everybody ----------------------------------------------------------------------------------------------------

    def control(self, job: str, verb: Literal["pause", "resume", "cancel"], why: str = "") -> JobStatus | None:
        """Pause, resume or cancel a job."""
        with self._changed:
            now = self._clock()
            known = self._jobs.get(job)
            if known is None:
                return None
            if verb == "pause" and known.state is JobState.RUNNING:
                known.state, known.why = JobState.PAUSED, why
                self._conclude(known, now)
            elif verb == "resume" and known.state is JobState.PAUSED:
                known.state, known.why = JobState.RUNNING, ""
                known.counts["seen"] = MOST_INDEX  # whoever resumes it has looked
                self._routing.offer(known, 0)
                self._ring()
            elif verb == "cancel" and known.is_open:
                known.cancel(why)
                self._conclude(known, now)
                self._changed.notify_all()
            return known.status(now)

    def retry(self, job: str, count: int) -> int:
        """Put failed tasks back."""
        with self._changed:
            known = self._jobs.get(job)
            if known is None or known.state in (JobState.CANCELLED, JobState.CANCELLING):
                return 0
            revived = known.revive(count, self._clock())
            self._tally.note(known.spec.task_class, "enqueued", revived)
            self._routing.offer(known, revived)
            self._ring()
            return revived

    def command(self, worker: str, command: Literal["", "drain", "stop"]) -> bool:
        """Tell a worker what to do."""
        with self._changed:
            if worker not in self._workers:
                return False
            self._workers[worker].command = command
            return True

    def status(self, job: str) -> JobStatus | None:
        """Return a job's counts."""
        with self._changed:
            now = self._clock()
            self._expire(now)
            known = self._jobs.get(job)
            return known.status(now) if known else None

    def jobs(self, count: int = 100) -> list[JobStatus]:
        """Return jobs, the newest first."""
        with self._changed:
            now = self._clock()
            self._expire(now)
            return [job.status(now) for job in list(reversed(self._jobs.values()))[:count]]

    def task(self, job: str, index: int) -> TaskStatus:
        """Return what is known of one task."""
        with self._changed:
            known = self._jobs.get(job)
            if known is None or index not in known.submitted:
                return TaskStatus(job=job, index=index, state=TaskState.UNKNOWN)
            if index in known.done:
                return TaskStatus(job=job, index=index, state=TaskState.DONE)
            if index in known.failed:
                detail = known.details.get(index)
                return _failure(job, detail) if detail else TaskStatus(job=job, index=index, state=TaskState.FAILED)
            for worker in self._workers.values():
                held = worker.held.get((job, index))
                if held is not None:
                    return _live(job, held.record, TaskState.RUNNING, worker.spec.name)
            if index in known.retrying:
                return _live(job, known.retrying[index][1], TaskState.RETRYING)
            if not known.is_open:
                return TaskStatus(job=job, index=index, state=TaskState.CANCELLED)
            return TaskStatus(job=job, index=index, state=TaskState.PENDING)

    def failures(self, job: str, count: int = 100) -> list[TaskStatus]:
        """Return failed and lost tasks."""
        with self._changed:
            known = self._jobs.get(job)
            details = [known.details[index] for index in sorted(known.details)[:count]] if known else []
            return [_failure(job, detail) for detail in details]

    def workers(self, count: int = 1000) -> list[WorkerStatus]:
        """Return workers."""
        with self._changed:
            now = self._clock()
            self._lost = {id_: worker for id_, worker in self._lost.items() if now - worker.beat < LOST_SECONDS}
            both = [*self._workers.values(), *self._lost.values()]
            return [worker.status(now, lost=worker.spec.id in self._lost) for worker in both[:count]]

    def overview(self, jobs: int = 100, workers: int = 1000) -> Overview:
        """Return all of it."""
        with self._changed:
            now = self._clock()
            names = sorted({job.spec.task_class for job in self._jobs.values() if not job.is_over})
            return Overview(
                counters=self.counters(),
                jobs=tuple(self.jobs(jobs)),
                workers=tuple(self.workers(workers)),
                classes=tuple(self._class(name, now) for name in names),
            )

    def counters(self) -> Counters:
        """Return what has happened so far."""
        with self._changed:
            return self._tally.counters(self._clock())

    def purge(self, job: str) -> bool:
        """Forget a job that is over."""
        with self._changed:
            known = self._jobs.get(job)
            if known is None or not known.is_over:
                return False
            del self._jobs[job]
            return True

    def fsck(self, job: str) -> list[str]:
        """Count what workers hold: everything else is counted from what there is."""
        with self._changed:
            known = self._jobs.get(job)
            if known is None:
                return []
            held = sum(name == job for worker in self._workers.values() for name, _ in worker.held)
            if held == known.running:
                return []
            wrong = f"running: {known.running} were counted, {held} are held"
            known.running = held
            return [wrong]

    # -- steps, each inside one of the methods above ------------------------------------------------------------------

    def _claim(self, worker: str, want: int, starting: int, begun: Sequence[Claim]) -> Claims:
        now = self._clock()
        known = self._workers.get(worker)
        if known is None:
            return Claims(gone=True)
        self._renew(known, now)
        known.mark(begun)
        self._promote(now)
        want = min(want, MOST_CLAIMS, MOST_HELD - len(known.held))
        if want <= 0:
            return Claims()
        self._epoch = self._epoch + 1 if self._epoch else round(now * 1000)
        claims: list[Claim] = []
        for job, records in self._routing.hand_out(known, want, starting, self._jobs, self._slots()):
            for record in records:
                held = Held(record, self._epoch, len(claims) < starting)
                known.held[job.spec.id, record.index] = held
                job.running += 1
                self._tally.waited(job.spec.task_class, now - record.queued)
                claims.append(held.claim(job.spec.id, now))
        return Claims(tuple(claims))

    def _settle(self, worker: str, word: Settled, now: float) -> Receipt:
        claim, verdict = word.claim, word.verdict
        job, known = self._jobs.get(claim.job), self._workers.get(worker)
        held = known.holds(claim) if known else None
        if known is None or held is None:
            late = verdict is Verdict.DONE and job is not None and job.spec.pure and not job.is_over
            if late and job and claim.index in job.submitted and not job.is_settled(claim.index):
                job.counts["late"] += 1
                self._spend(job, word)
                self._succeed(job, word)
                self._conclude(job, now)
                return Receipt.LATE
            if job is not None and verdict in (Verdict.DONE, Verdict.FAILED, Verdict.LOST):
                job.counts["duplicates"] += 1
            return Receipt.STALE
        del known.held[claim.job, claim.index]
        if job is None:
            return Receipt.STALE
        receipt = Receipt.ACCEPTED
        if verdict.gives_back:
            if verdict is Verdict.UNFIT:
                known.refuse(job)
            self._release(claim.job, held)
            self._ring()
        else:
            job.running -= 1
            self._spend(job, word)
            receipt = self._judge(job, held.record, word, known.spec.name, now)
        job.touched = now
        self._conclude(job, now)
        return receipt

    def _judge(self, job: MemoryJob, record: Record, word: Settled, worker: str, now: float) -> Receipt:
        """Settle a task that is in the right hands."""
        if job.is_settled(record.index):
            job.counts["duplicates"] += 1
            return Receipt.STALE
        if word.verdict is Verdict.DONE:
            self._succeed(job, word)
        elif word.verdict is Verdict.RETRY and record.attempts + 1 < job.spec.max_attempts:
            job.counts["attempts"] += 1
            if job.is_open:
                record.attempts += 1
                job.retrying[record.index] = now + word.delay_seconds, record
        else:
            verdict = Verdict.LOST if word.verdict is Verdict.LOST else Verdict.FAILED
            record.attempts += word.verdict is Verdict.RETRY
            self._give_up(job, Detail(record, verdict, word.code, word.result, worker))
        return Receipt.ACCEPTED

    def _spend(self, job: MemoryJob, word: Settled) -> None:
        job.busy_seconds += word.busy_seconds
        self._tally.worked(job.spec.task_class, word.busy_seconds)

    def _succeed(self, job: MemoryJob, word: Settled) -> None:
        job.succeed(word.claim.index, word.result)
        self._tally.note(job.spec.task_class, "done")

    def _give_up(self, job: MemoryJob, detail: Detail) -> None:
        job.give_up(detail)
        self._tally.note(job.spec.task_class, detail.verdict.value)

    def _release(self, job: str, held: Held) -> None:
        known = self._jobs.get(job)
        if known is not None:
            known.running -= 1
            known.counts["interrupted"] += held.begun
            self._routing.put_back(known, held.record)

    def _lose(self, job: str, held: Held, worker: str, now: float) -> bool | None:
        """Take a task from a dead worker. True if it is tried again, False if it is given up, None if it is nothing."""
        known = self._jobs.get(job)
        if known is None:
            return None
        record = held.record
        known.running -= 1
        record.deliveries += 1
        record.losses += held.begun
        if known.is_settled(record.index) or not known.is_open:
            known.counts["duplicates"] += known.is_settled(record.index)
            self._conclude(known, now)
            return None
        known.counts["losses"] += held.begun
        known.counts["deliveries"] += 1
        if record.deliveries >= known.spec.max_deliveries or (held.begun and record.losses >= known.spec.max_losses):
            self._give_up(known, Detail(record, Verdict.LOST, WORKERS_DIED, b"", worker))
            self._conclude(known, now)
            return False
        if record.losses >= SUSPECT:
            known.pending.append(record)
            self._routing.offer(known, 1)
        else:
            self._routing.put_back(known, record)
        self._tally.note(known.spec.task_class, "requeued")
        return True

    def _promote(self, now: float) -> None:
        waiting = [(when, job, index) for job in self._jobs.values() for index, (when, _) in job.retrying.items()]
        due = sorted((when, f"{job.spec.id}|{index}", job, index) for when, job, index in waiting if when <= now)
        for _, _, job, index in due[:PROMOTED]:
            job.pending.append(job.retrying.pop(index)[1])
            self._routing.offer(job, 1)
            self._tally.note(job.spec.task_class, "retried")

    def _conclude(self, job: MemoryJob, now: float) -> None:
        job.conclude(now)
        if job.state is not JobState.RUNNING:
            self._routing.withdraw(job)

    def _renew(self, worker: MemoryWorker, now: float) -> None:
        self._heard(worker.lease_seconds, now)
        worker.lease_end = now + worker.lease_seconds
        worker.beat = now

    def _heard(self, lease_seconds: float, now: float) -> None:
        """Somebody lives. If nobody did for a while, we were away: give everybody time to come back."""
        if now - self._last_beat > SILENCE * lease_seconds or now < self._last_beat:
            self._reap_after = now + lease_seconds
        if now < self._last_beat:  # the clock was set back, or a lease would end hours after its worker
            for worker in self._workers.values():
                worker.lease_end = now + worker.lease_seconds
        self._last_beat = now

    def _slots(self) -> dict[str, int]:
        """Count the slots that can take each class of tasks."""
        names = {job.spec.task_class for job in self._jobs.values() if not job.is_over}
        workers = [worker.spec for worker in self._workers.values() if worker.spec.routing == "labels"]
        return {name: sum(spec.slots for spec in workers if needs_of(name) <= spec.labels) for name in names}

    def _class(self, name: str, now: float) -> ClassStatus:
        jobs = [job for job in self._jobs.values() if job.spec.task_class == name and job.is_open]
        pending = sum(len(job.pending) for job in jobs)
        needs = needs_of(name)
        alive = [worker.spec for worker in self._workers.values() if worker.lease_end >= now]
        slots = sum(spec.slots for spec in alive if spec.routing == "fifo" or needs <= spec.labels)
        oldest = min((job.pending[0].queued for job in jobs if job.pending), default=None)
        if slots or not pending:
            self._stuck.pop(name, None)
        else:
            self._stuck.setdefault(name, now)
        return ClassStatus(
            name=name,
            needs=needs,
            pending=pending,
            slots=slots,
            stuck_seconds=now - self._stuck[name] if name in self._stuck else None,
            oldest_seconds=None if oldest is None else now - oldest,
        )

    def _ring(self) -> None:
        for worker in self._workers.values():
            worker.bell = True
        self._changed.notify_all()

    def _expire(self, now: float) -> None:
        for name, job in list(self._jobs.items()):
            spec = job.spec
            keep = spec.keep_failed_seconds if job.failed else spec.keep_seconds
            if job.is_over and job.finished is not None and now - job.finished > keep:
                del self._jobs[name]


def _live(job: str, record: Record, state: TaskState, worker: str = "") -> TaskStatus:
    return TaskStatus(
        job=job,
        index=record.index,
        state=state,
        worker=worker,
        attempts=record.attempts,
        losses=record.losses,
        deliveries=record.deliveries,
        payload=record.payload,
    )


def _failure(job: str, detail: Detail) -> TaskStatus:
    state = TaskState.LOST if detail.verdict is Verdict.LOST else TaskState.FAILED
    live = _live(job, detail.record, state, detail.worker)
    return replace(live, code=detail.code, result=detail.result)
