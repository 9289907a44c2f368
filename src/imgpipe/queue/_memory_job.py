"""MemoryJob: one job of a MemoryQueue: its tasks, its bits and its counts, and how each step changes them."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgpipe.queue.limits import BREAKER_RESULTS, MOST_DETAILS, MOST_UNREAD
from imgpipe.queue.values import JobSpec, JobState, JobStatus, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgpipe.queue.values import Item


@dataclass(slots=True)
class Record:
    """A task that is not settled: what was handed over, and what has happened to it since."""

    index: int
    payload: bytes
    queued: float
    attempts: int = 0
    losses: int = 0
    deliveries: int = 0


@dataclass(frozen=True, slots=True)
class Detail:
    """A task that is failed or lost, as it is kept."""

    record: Record
    verdict: Verdict
    code: str
    result: bytes
    worker: str


@dataclass(slots=True)
class MemoryJob:
    """A job. `pending` is its queue, `retrying` what waits for another try by the time that it is due."""

    spec: JobSpec
    created: float
    touched: float
    state: JobState = JobState.RUNNING
    why: str = ""
    sealed: bool = False
    expected: int | None = None
    next: int = 0
    submitted: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    pending: deque[Record] = field(default_factory=deque)
    retrying: dict[int, tuple[float, Record]] = field(default_factory=dict)
    running: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    details: dict[int, Detail] = field(default_factory=dict)
    results: deque[tuple[int, Verdict, bytes]] = field(default_factory=deque)
    first_result: int = 0
    dropped: int = 0
    busy_seconds: float = 0.0
    finished: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether tasks can still be added and handed out."""
        return self.state in (JobState.RUNNING, JobState.PAUSED)

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in (JobState.FINISHED, JobState.CANCELLED)

    def is_settled(self, index: int) -> bool:
        """Whether a task is done, failed or lost."""
        return index in self.done or index in self.failed

    def add(self, items: Iterable[Item], now: float) -> int:
        """Take in items that are new; return how many."""
        before = len(self.submitted)
        for item in items:
            if item.index not in self.submitted:
                self.submitted.add(item.index)
                self.pending.append(Record(item.index, item.payload, now))
                self.next = max(self.next, item.index + 1)
        return len(self.submitted) - before

    def put_back(self, record: Record) -> None:
        """Put a task to the head of the queue, if it is still wanted."""
        if self.is_settled(record.index):
            self.counts["duplicates"] += 1
        elif self.is_open:
            self.pending.appendleft(record)

    def take(self, most: int) -> list[Record]:
        """Take tasks from the head of the queue; those that are settled already vanish."""
        taken: list[Record] = []
        for _ in range(min(most, len(self.pending))):
            record = self.pending.popleft()
            if self.is_settled(record.index):
                self.counts["duplicates"] += 1
            else:
                taken.append(record)
        return taken

    def succeed(self, index: int, result: bytes) -> None:
        """Settle a task as done."""
        self.done.add(index)
        self._look_at_first_results(bad=False)
        self._tell(index, Verdict.DONE, result)

    def give_up(self, detail: Detail) -> None:
        """Settle a task as failed or lost."""
        index = detail.record.index
        self.failed.add(index)
        self.counts[detail.verdict] += 1
        self.codes[detail.code] += 1
        if len(self.details) < MOST_DETAILS:
            self.details[index] = detail
        if detail.verdict is Verdict.FAILED:
            self._look_at_first_results(bad=True, code=detail.code)
        self._tell(index, detail.verdict, detail.result)

    def revive(self, most: int, now: float) -> int:
        """Put tasks that failed or were lost back into the queue as if they were new; return how many."""
        indexes = sorted(self.details)[:most]
        for index in indexes:
            detail = self.details.pop(index)
            self.failed.discard(index)
            self.counts[detail.verdict] -= 1
            self.codes[detail.code] -= 1
            self.pending.append(Record(index, detail.record.payload, now))
        if indexes and self.state is JobState.FINISHED:
            self.state, self.finished = JobState.RUNNING, None
        return len(indexes)

    def conclude(self, now: float) -> None:
        """Finish the job if it is at its end."""
        if self.is_over:
            return
        if self.state is JobState.CANCELLING and self.running == 0:
            self.state, self.finished = JobState.CANCELLED, now
        elif self.is_open and self.sealed and len(self.done) + len(self.failed) == len(self.submitted):
            self.state, self.finished = JobState.FINISHED, now
            self.pending.clear()  # only copies of tasks that are settled
            self.retrying.clear()

    def cancel(self, why: str) -> None:
        """Drop what has not been handed out."""
        self.state, self.why = JobState.CANCELLING, why
        self.pending.clear()
        self.retrying.clear()

    def status(self, now: float) -> JobStatus:
        """Return all counts."""
        cancelled = len(self.submitted) - len(self.done) - len(self.failed)
        return JobStatus(
            id=self.spec.id,
            state=self.state,
            why=self.why,
            needs=self.spec.needs,
            routing=self.spec.routing,
            spec=self.spec.spec,
            sealed=self.sealed,
            expected=self.expected,
            next=self.next,
            submitted=len(self.submitted),
            pending=len(self.pending),
            running=self.running,
            retrying=len(self.retrying),
            done=len(self.done),
            failed=self.counts[Verdict.FAILED],
            lost=self.counts[Verdict.LOST],
            cancelled=cancelled if self.state is JobState.CANCELLED else 0,
            attempts=self.counts["attempts"],
            losses=self.counts["losses"],
            deliveries=self.counts["deliveries"],
            interrupted=self.counts["interrupted"],
            refused=self.counts["refused"],
            late=self.counts["late"],
            duplicates=self.counts["duplicates"],
            busy_seconds=self.busy_seconds,
            age_seconds=now - self.created,
            idle_seconds=now - self.touched,
            finished_seconds=None if self.finished is None else now - self.finished,
            codes={code: count for code, count in self.codes.items() if count},
        )

    def _look_at_first_results(self, *, bad: bool, code: str = "") -> None:
        """Pause a job that fails as a whole: a wrong recipe must not spoil ten million pictures."""
        if self.counts["seen"] >= BREAKER_RESULTS:
            return
        self.counts["seen"] += 1
        self.counts["bad"] += bad
        if bad and self.counts["bad"] == self.spec.breaker and self.state is JobState.RUNNING:
            self.state = JobState.PAUSED
            self.why = f"{self.counts['bad']} of the first {self.counts['seen']} failed, the last with {code}"

    def _tell(self, index: int, verdict: Verdict, result: bytes) -> None:
        if len(self.results) < MOST_UNREAD:
            self.results.append((index, verdict, result))
        else:
            self.dropped += 1
