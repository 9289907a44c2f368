"""Values: all that goes into a queue of tasks and comes out of it; frozen, and the same for every queue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from imgpipe.errors import BadOption

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_ITEMS = 1000
"""Items in one `submit`."""
MOST_CLAIMS = 256
"""Tasks in one `claim` or `finish`."""
MOST_HELD = 512
"""Tasks in the hands of one worker."""
MOST_BYTES = 1 << 19
"""Bytes of payload in one `submit`."""
MOST_FILE_BYTES = 1 << 26
"""Bytes of one file that travels through the queue."""
MOST_INDEX = 1 << 27
"""Items of one job. Three bits are kept of each."""
MOST_RESULT_BYTES = 4096
"""Bytes of one result: larger ones are refused, never cut."""
DURATION_BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
WAIT_BOUNDS_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
COUNTED = ("enqueued", "retried", "requeued", "claimed", "done", "failed", "lost")
ALL = frozenset({"io", "cpu"})
"""The labels of a worker for all built-in filters."""
ANY = "any"
"""The class of tasks that every worker can run."""

Routing = Literal["labels", "fifo"]
FileKind = Literal["source", "target"]
_NAME = re.compile(r"[A-Za-z0-9._:@-]{1,100}")
_JOB = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


class JobState(StrEnum):
    """Where a job is. `running` until every task that was handed over is settled and its submitter has closed it."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class TaskState(StrEnum):
    """Where one task is. `failed` is the picture's fault, `lost` the workers': three of them died while they had it."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"


class Verdict(StrEnum):
    """What a worker says of a task that it had."""

    DONE = "done"
    FAILED = "failed"
    """For good: another try would give the same."""
    LOST = "lost"
    """For good: the task has ended every process that had it."""
    RETRY = "retry"
    """It may work later: counted as an attempt."""
    RELEASE = "release"
    """Given back, nothing charged: the worker ends, or has too much."""
    UNFIT = "unfit"
    """Given back, nothing charged: the worker cannot run this job, and gets no more of it."""

    @property
    def gives_back(self) -> bool:
        """Whether nothing has become of the task: it is as if it had not been claimed."""
        return self in (Verdict.RELEASE, Verdict.UNFIT)


class Receipt(StrEnum):
    """What the queue made of a worker's word."""

    ACCEPTED = "accepted"
    LATE = "late"
    """The task was no longer this worker's, but nobody had done it yet: accepted once."""
    STALE = "stale"
    """The task was no longer this worker's: ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a job is, apart from its tasks.

    `needs` are the labels that a worker must have; `spec` is opaque here and the same for all tasks. A task is given
    up after `max_attempts` failures that may pass, after `max_losses` workers that died while it ran, or after
    `max_deliveries` workers that took it and said nothing. At most `window` tasks wait. If `breaker` of the first 50
    results are failures, the job is paused (0: never). Results of `pure` jobs are accepted late.
    """

    id: str
    needs: frozenset[str] = frozenset()
    routing: Routing = "labels"
    spec: bytes = b"{}"
    max_attempts: int = 3
    max_losses: int = 3
    max_deliveries: int = 8
    window: int = 20_000
    breaker: int = 46
    pure: bool = True
    keep_seconds: int = 24 * 3600
    keep_failed_seconds: int = 7 * 24 * 3600

    def __post_init__(self) -> None:
        """Refuse what no queue could keep."""
        if not _JOB.fullmatch(self.id):
            raise BadOption("job", self.id, "1 to 64 letters, digits, dots, dashes or underscores")
        check_labels(self.needs)
        for name in ("max_attempts", "max_losses", "max_deliveries", "window", "keep_seconds", "keep_failed_seconds"):
            if getattr(self, name) < 1:
                raise BadOption(name, getattr(self, name), "a whole number above 0")
        if len(self.spec) > MOST_BYTES:
            raise BadOption("spec", f"{len(self.spec)} bytes", f"at most {MOST_BYTES}")

    @property
    def task_class(self) -> str:
        """Tasks of one class need the same labels."""
        return class_of(self.needs)


@dataclass(frozen=True, slots=True)
class Item:
    """One task as it is handed over: its index in the job, from 0, and an opaque payload."""

    index: int
    payload: bytes


class SubmitKind(StrEnum):
    """What became of a `submit`."""

    ACCEPTED = "accepted"
    """All items are in; those that had been in before are ignored."""
    FULL = "full"
    """Nothing was taken: the window is full, or Redis is. `room` says how many would fit now."""
    GAP = "gap"
    """Nothing was taken: the queue has forgotten items that this submitter has handed over. `next` is what it knows."""
    CLOSED = "closed"
    """Nothing was taken: there is no such job, or it is cancelled or finished."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to `submit`; `next` is one more than the highest index that is known."""

    kind: SubmitKind
    next: int = 0
    room: int = 0
    added: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """A worker that presents itself. `id` is new each time that it does; `name` is for people."""

    id: str
    name: str
    labels: frozenset[str]
    slots: int
    routing: Routing = "labels"
    host: str = ""
    pid: int = 0
    version: str = ""

    def __post_init__(self) -> None:
        """Refuse what no queue could keep."""
        for field_, value in (("id", self.id), ("name", self.name)):
            if not _NAME.fullmatch(value):
                raise BadOption(f"worker {field_}", value, "1 to 100 letters, digits or any of . _ : @ -")
        check_labels(self.labels)
        if self.slots < 1:
            raise BadOption("slots", self.slots, "a whole number above 0")


@dataclass(frozen=True, slots=True)
class Claim:
    """A task in a worker's hands. `epoch` is the proof of that; a later claim of the task has a higher one."""

    job: str
    index: int
    epoch: int
    attempts: int
    losses: int
    deliveries: int
    waited_seconds: float
    payload: bytes

    @property
    def task_id(self) -> str:
        """The name of the task, unique in the queue."""
        return f"{self.job}:{self.index}"


@dataclass(frozen=True, slots=True)
class Claims:
    """The answer to `claim`. `gone` says that the queue no longer knows the worker, whose tasks others may have."""

    tasks: tuple[Claim, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """A worker's word on one task.

    `result` is opaque here, handed on to the submitter. `code` groups failures; `busy_seconds` is the time that it
    took. `delay_seconds` is when to try again, for `RETRY`.
    """

    claim: Claim
    verdict: Verdict
    result: bytes = b""
    code: str = ""
    busy_seconds: float = 0.0
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer to `finish`: a receipt for each word, and what was claimed in the same step."""

    receipts: tuple[Receipt, ...] = ()
    claims: Claims = Claims()


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker says of itself with every beat. None is unknown, never 0.

    `machine` is what it says of its machine, for `imgpipe.monitor.fleet`; opaque here, "" from those that say nothing.
    """

    busy: int = 0
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    done: int = 0
    failed: int = 0
    state: str = "ready"
    now: str = ""
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to `beat`: what the worker is to do, and what the queue believes that it holds."""

    gone: bool = False
    command: Literal["", "drain", "stop"] = ""
    held: int = 0
    cancelled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reaped:
    """A worker that was found dead, and what became of its tasks."""

    worker: str
    requeued: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """All counts of a job. While its submitter may still add tasks, `expected` is how many it believes to add in all.

    `pending` wait, `running` are in workers' hands, `retrying` wait for another try. `attempts` failed and were tried
    again, `losses` ran in a worker that died, `deliveries` were handed out without a word coming back, `interrupted`
    were given back while they ran, `refused` is how many workers could not run the job. `late` results were accepted
    from workers that were taken for dead, `duplicates` ignored.
    """

    id: str
    state: JobState
    why: str
    needs: frozenset[str]
    routing: Routing
    spec: bytes
    sealed: bool
    expected: int | None = None
    next: int
    submitted: int
    pending: int
    running: int
    retrying: int
    done: int
    failed: int
    lost: int
    cancelled: int
    attempts: int
    losses: int
    deliveries: int
    interrupted: int
    refused: int = 0
    late: int
    duplicates: int
    busy_seconds: float
    age_seconds: float
    idle_seconds: float
    finished_seconds: float | None
    codes: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int | None:
        """All tasks, as far as that is known: while more may come, what its submitter believes."""
        if self.sealed:
            return self.submitted
        return None if self.expected is None else max(self.expected, self.submitted)

    @property
    def settled(self) -> int:
        """Tasks that are at their end."""
        return self.done + self.failed + self.lost + self.cancelled

    @property
    def left(self) -> int | None:
        """Tasks that are not at their end, as far as the total is known."""
        return None if self.total is None else self.total - self.settled

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in (JobState.FINISHED, JobState.CANCELLED)

    @property
    def task_class(self) -> str:
        """Tasks of one class need the same labels."""
        return class_of(self.needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """All that is known of one task. `result` is there for `failed` and `lost` ones only."""

    job: str
    index: int
    state: TaskState
    worker: str = ""
    attempts: int = 0
    losses: int = 0
    deliveries: int = 0
    code: str = ""
    result: bytes = b""
    payload: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker as the queue knows it. `state` is ready, draining or lost; `held` tasks are in its hands."""

    id: str
    name: str
    labels: frozenset[str]
    routing: Routing
    slots: int
    host: str
    pid: int
    version: str
    state: str
    held: int
    load: Load
    age_seconds: float
    beat_seconds: float

    @property
    def is_alive(self) -> bool:
        """Whether it has kept its lease."""
        return self.state != "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassStatus:
    """Tasks that need the same labels: how many wait, and how many live slots can take them.

    `stuck_seconds` is how long tasks have been waiting with nobody there for them, None if somebody is.
    """

    name: str
    needs: frozenset[str]
    pending: int
    slots: int
    stuck_seconds: float | None
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCounters:
    """What has happened to tasks of one class since the queue began; these only go up.

    `durations` count tasks by their time in work, `waits` by their time in the queue: one number for each bound of
    `DURATION_BOUNDS_SECONDS` and `WAIT_BOUNDS_SECONDS`, and one for those above all bounds.
    """

    enqueued: int = 0
    retried: int = 0
    requeued: int = 0
    claimed: int = 0
    done: int = 0
    failed: int = 0
    lost: int = 0
    busy_seconds: float = 0.0
    waited_seconds: float = 0.0
    durations: tuple[int, ...] = (0,) * (len(DURATION_BOUNDS_SECONDS) + 1)
    waits: tuple[int, ...] = (0,) * (len(WAIT_BOUNDS_SECONDS) + 1)


@dataclass(frozen=True, slots=True)
class Counters:
    """All counters at one moment of the queue's clock. `totals` are what workers add with their beats, by name."""

    at_seconds: float
    classes: Mapping[str, ClassCounters]
    totals: Mapping[str, int]
    lost_workers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that there is at one moment: jobs, the newest first, workers, classes of tasks, and the counters."""

    counters: Counters
    jobs: tuple[JobStatus, ...]
    workers: tuple[WorkerStatus, ...]
    classes: tuple[ClassStatus, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Results that the submitter has not forgotten yet, in their order; `first` is the number of the first of these.

    `dropped` counts those that nobody had read when there were too many; their tasks' states are exact all the same.
    """

    first: int
    records: tuple[tuple[int, Verdict, bytes], ...]
    dropped: int = 0


def counters_from(counts: Mapping[str, int]) -> ClassCounters:
    """Put the counters of a class together: times in ms, `d0`, `d1`, … for durations, `w0`, `w1`, … for waits."""
    return ClassCounters(
        **{name: counts.get(name, 0) for name in COUNTED},
        busy_seconds=counts.get("busy", 0) / 1000,
        waited_seconds=counts.get("waited", 0) / 1000,
        durations=tuple(counts.get(f"d{n}", 0) for n in range(len(DURATION_BOUNDS_SECONDS) + 1)),
        waits=tuple(counts.get(f"w{n}", 0) for n in range(len(WAIT_BOUNDS_SECONDS) + 1)),
    )


def class_of(needs: frozenset[str]) -> str:
    """Return the name of the class of tasks that need these labels."""
    return "+".join(sorted(needs)) or ANY


def needs_of(task_class: str) -> frozenset[str]:
    """Return the labels that a class of tasks needs."""
    return frozenset() if task_class == ANY else frozenset(task_class.split("+"))


def check_labels(labels: frozenset[str]) -> None:
    """Raise `BadOption` for a label that is none."""
    for label in labels:
        if not _LABEL.fullmatch(label) or label == ANY:
            raise BadOption("label", label, "small letters, digits, dots, dashes and underscores")
    if len(labels) > 16:
        raise BadOption("labels", len(labels), "at most 16")
