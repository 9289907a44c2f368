"""Attribution: where the workers' time went: computing, waiting for a core, for the GIL, for disks, or for tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgpipe.compare.values import Pass
    from imgpipe.usage import Usage


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of one worker's time, which add up to 1.

    - `run`: it computed.
    - `core`: it could have, but all cores were taken; None where the system does not tell (then part of the next two).
    - `gil`: it waited for the GIL, or for another lock of its process.
    - `io`: it waited for something outside.
    - `idle`: it had no task: tasks and results were on their way, or the run came to its end.
    """

    run: float
    core: float | None
    gil: float
    io: float
    idle: float


def shares_of(passes: Sequence[Pass], workers: int, *, outside_seconds: float | None) -> Shares:
    """Attribute the time of `workers` in these passes.

    A thread that neither computes nor waits for a core is blocked, and the system does not say on what. With one thread
    it cannot be the GIL: `outside_seconds` is how long it was blocked for one pass then. What several threads are
    blocked beyond that is called the GIL. Without it (one worker, or processes), all blocking is `io`.
    """
    usages = [usage for each in passes for usage in usages_of(each)]
    capacity = workers * sum(each.seconds for each in passes)
    busy = sum(usage.wall_seconds for usage in usages)
    run = sum(usage.cpu_seconds for usage in usages)
    known = all(usage.queue_seconds is not None for usage in usages)
    core = sum(usage.queue_seconds or 0.0 for usage in usages)
    blocked = sum(blocked_seconds(usage) for usage in usages)
    io = blocked if outside_seconds is None else min(blocked, outside_seconds * len(passes))
    # Clocks of different kinds do not agree to the last microsecond; the shares shall add up nevertheless.
    total = max(capacity, busy, run + core + blocked) or 1.0
    return Shares(
        run=run / total,
        core=core / total if known else None,
        gil=(blocked - io) / total,
        io=io / total,
        idle=max(total - run - core - blocked, 0.0) / total,
    )


def blocked_seconds(usage: Usage) -> float:
    """Return how long a task neither computed nor waited for a core."""
    return max(usage.wall_seconds - usage.cpu_seconds - (usage.queue_seconds or 0.0), 0.0)


def usages_of(measured: Pass) -> Iterable[Usage]:
    """Return the usage of every task that has one; a worker that died has told nothing."""
    return (result.usage for result in measured.results if result.usage is not None)


def cpu_seconds(passes: Sequence[Pass]) -> float:
    """Return the processor time of one pass."""
    return sum(usage.cpu_seconds for each in passes for usage in usages_of(each)) / max(len(passes), 1)


def memory_share(passes: Sequence[Pass], workers: int) -> float:
    """Return the share of the workers' time in which pictures waited for memory, or asked for it."""
    waited = sum(result.seconds.get("wait", 0.0) for each in passes for result in each.results)
    return waited / (workers * sum(each.seconds for each in passes) or 1.0)
