"""MemoryWorker: one worker of a MemoryQueue: its lease, what it says of itself, and the tasks in its hands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from imgpipe.queue.limits import MOST_UNFIT
from imgpipe.queue.values import Claim, Load, WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.queue._memory_job import MemoryJob, Record
    from imgpipe.queue.values import WorkerSpec


@dataclass(slots=True)
class Held:
    """A task in a worker's hands."""

    record: Record
    epoch: int
    begun: bool

    def claim(self, job: str, now: float) -> Claim:
        """Return it as the worker sees it."""
        it = self.record
        return Claim(job, it.index, self.epoch, it.attempts, it.losses, it.deliveries, now - it.queued, it.payload)


@dataclass(slots=True)
class MemoryWorker:
    """A worker. `held` are its tasks by job and index, `bell` tells that there may be something for it to claim.

    `unfit` are jobs that it cannot run, with when each was created.
    """

    spec: WorkerSpec
    lease_seconds: float
    lease_end: float
    since: float
    beat: float
    load: Load = field(default_factory=Load)
    command: Literal["", "drain", "stop"] = ""
    held: dict[tuple[str, int], Held] = field(default_factory=dict)
    unfit: dict[str, float] = field(default_factory=dict)
    bell: bool = False

    def holds(self, claim: Claim) -> Held | None:
        """Return the task of a claim, if it is still this very claim."""
        held = self.held.get((claim.job, claim.index))
        return held if held is not None and held.epoch == claim.epoch else None

    def refuse(self, job: MemoryJob) -> None:
        """Get no more of a job. Beyond what is reasonable it is asked about all of them anew."""
        if len(self.unfit) >= MOST_UNFIT:
            self.unfit.clear()
        job.counts["refused"] += job.spec.id not in self.unfit
        self.unfit[job.spec.id] = job.created

    def can_run(self, job: MemoryJob) -> bool:
        """Whether it has not given back this very job as one that it cannot run."""
        return self.unfit.get(job.spec.id) != job.created

    def mark(self, begun: Sequence[Claim]) -> None:
        """Note that tasks have begun."""
        for claim in begun:
            held = self.holds(claim)
            if held is not None:
                held.begun = True

    def status(self, now: float, *, lost: bool) -> WorkerStatus:
        """Return what everybody may see of it."""
        spec = self.spec
        return WorkerStatus(
            id=spec.id,
            name=spec.name,
            labels=spec.labels,
            routing=spec.routing,
            slots=spec.slots,
            host=spec.host,
            pid=spec.pid,
            version=spec.version,
            state="lost" if lost or self.lease_end < now else self.load.state,
            held=len(self.held),
            load=self.load,
            age_seconds=now - self.since,
            beat_seconds=now - self.beat,
        )
