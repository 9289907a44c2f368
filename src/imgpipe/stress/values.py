"""Values: what a stress run is to do, what was written down of it, and what can be said; hardly any behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.stress.histogram import Histogram
    from imgpipe.stress.theory import Theory

Kind = Literal["simple", "burst", "continuous", "sustained", "distributed"]


class End(StrEnum):
    """What became of a task. `failed` is the picture's or the recipe's fault, `lost` the workers'."""

    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    REFUSED = "refused"
    """It was not even taken."""
    OPEN = "open"
    """Nothing was heard of it until the run ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When what is sent.

    Open loop: the tasks of `moments` (seconds from the start) are sent when it is their time, whatever became of the
    ones before. Closed loop (`moments` is empty): `concurrency` tasks are kept on their way, `count` in all or, without
    that, for `seconds`; the next one waits for an answer, so that queueing is hidden. `arrivals` says it in words. The
    rate is steady, or rises as a ramp, or is neither.
    """

    kind: Kind
    arrivals: str
    moments: tuple[float, ...] = ()
    concurrency: int = 1
    count: int | None = None
    seconds: float | None = None
    is_steady: bool = False
    is_ramp: bool = False
    drain_seconds: float = 60.0
    seed: int = 0

    @property
    def is_open(self) -> bool:
        """Whether tasks are sent by the clock."""
        return bool(self.moments)


@dataclass(frozen=True, slots=True)
class Trip:
    """One task, there and back; seconds from the start of the run.

    `intended` is when it was to be sent, `begun` when sending began, `taken` when it was accepted, `ended` when its
    result was seen. `service_seconds` is what the worker's process needed for it; None is unknown.
    """

    number: int
    intended: float
    begun: float
    taken: float | None = None
    ended: float | None = None
    end: End = End.OPEN
    code: str = ""
    service_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """How the generator itself fared.

    `late_seconds` are its own delays, one for each time it sent: what the other side made it wait is `blocked_seconds`.
    """

    late_seconds: tuple[float, ...]
    blocked_seconds: float
    cpu_share: float


@dataclass(frozen=True, slots=True)
class Look:
    """What the queue said at one moment: tasks of ours that wait or are in work, and of those the ones in work."""

    at: float
    waiting: int
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the queue itself has counted of our tasks.

    `slots` could take one or the other of them, and if `alike` each of them. `waited_seconds` is the mean wait until a
    worker took one, None where others' tasks are in it. `duplicates` were done twice and ignored, `late` came from
    workers that were taken for dead and counted once.
    """

    submitted: int
    done: int
    failed: int
    lost: int
    retried: int
    losses: int
    late: int
    duplicates: int
    busy_seconds: float
    slots: int
    alike: bool
    waited_seconds: float | None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was done to the fleet: `killed` a worker, or `paused` its Redis until `over`.

    `held` are the tasks that the worker had in its hands.
    """

    kind: Literal["killed", "paused"]
    at: float
    what: str
    over: float
    held: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that was written down. `where` and `what` say in words whom it was sent to, and what was sent.

    `seconds` is how long it took until the last result, `twice` how many results came twice. `resolution_seconds` is
    how far an end may have been before it was seen.
    """

    plan: Plan
    where: str
    what: str
    trips: tuple[Trip, ...]
    sending: Sending
    seconds: float
    resolution_seconds: float = 0.0
    account: Account | None = None
    looks: tuple[Look, ...] = ()
    faults: tuple[Fault, ...] = ()
    twice: int = 0
    interrupted: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened in a part of the run; latencies are of tasks that were to be sent in it. `partial` is cut short."""

    start: float
    seconds: float
    offered: int
    ended: int
    p50: float | None
    largest: float | None
    partial: bool


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long it took to get over a fault, None if it never did; `affected` tasks had to be done again."""

    fault: Fault
    seconds: float | None
    affected: int


@dataclass(frozen=True, slots=True)
class Drift:
    """How a series changes: its slope relative to its middle, for ten minutes, with the interval of 95 %."""

    share: float
    low: float
    high: float

    @property
    def is_real(self) -> bool:
        """Whether it is more than chance, and more than a trifle."""
        return (self.low > 0 or self.high < 0) and abs(self.share) > 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a measurement can be trusted: valid, unless there are reasons."""

    reasons: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether the numbers are about what was to be measured."""
        return not self.reasons

    @property
    def word(self) -> str:
        """VALID or INVALID."""
        return "VALID" if self.is_valid else "INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that can be said of a run. None is unknown.

    `lost` counts tasks that were taken and have no end, or a loss; a run that was stopped leaves some on their way.
    `total` counts from the intended start of each task, `uncorrected` from when it was really sent. `rest` is waiting
    and overhead: what of the total was not `service`. Latencies are those of tasks that are done. Of the rest,
    `overhead_seconds` is the mean of what was no waiting by the queue's clock. `little` is the mean
    number of tasks on their way, by looking and by Little's law. `drained` says of each burst whether all of it had
    ended before the next one, `most_sustained` which rate of a ramp was kept up with.
    """

    run: Run
    verdict: Verdict
    ends: Mapping[End, int]
    lost: int
    codes: Mapping[End, Mapping[str, int]]
    offered_rate: float | None
    achieved_rate: float | None
    throughput: float
    total: Histogram
    uncorrected: Histogram
    service: Histogram
    rest: Histogram
    overhead_seconds: float | None
    utilization: float | None
    theory: Theory | None
    little: tuple[float, float] | None
    buckets: tuple[Bucket, ...]
    recoveries: tuple[Recovery, ...]
    drift: Drift | None
    drained: tuple[bool, ...]
    most_sustained: float | None

    @property
    def has_failures(self) -> bool:
        """Whether any task is not done."""
        return any(count for end, count in self.ends.items() if end is not End.DONE)
