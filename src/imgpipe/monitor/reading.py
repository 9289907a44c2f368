"""Reading: everything that is asked of a queue and of this machine for one look at them: all the I/O of a look."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.machine import MachineSample, Sampler
    from imgpipe.queue.values import Overview, TaskStatus

MOST_JOBS, MOST_WORKERS = 100, 1000


class Watched(Protocol):
    """What is asked of a queue; see `imgpipe.queue.base.TaskQueue`, which has it. A run without a queue may, too."""

    def overview(self, jobs: int = 100, workers: int = 1000) -> Overview:
        """Return jobs, workers, classes and counters of one moment."""

    def task(self, job: str, index: int) -> TaskStatus:
        """Return what is known of one task."""

    def failures(self, job: str, count: int = 100) -> Sequence[TaskStatus]:
        """Return failed and lost tasks."""


class Server(Protocol):
    """What is asked of a Redis server; `imgpipe.queue.connection.Connection` has it."""

    def info(self) -> Mapping[str, Any]:
        """Return the answer to INFO, by name."""

    def ping(self) -> None:
        """Return when it has answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a queue, its server and this machine have said. `info` and `ping_seconds` are None without a server."""

    seen: Overview
    info: Mapping[str, Any] | None
    ping_seconds: float | None
    machine: MachineSample
    took_seconds: float


def read(queue: Watched, server: Server | None, sampler: Sampler) -> Reading:
    """Look once. The number of commands does not depend on how many tasks wait. Raises what the queue raises."""
    begun = time.monotonic()
    info, ping_seconds = None, None
    if server is not None:
        info = server.info()
        pinged = time.monotonic()
        server.ping()
        ping_seconds = time.monotonic() - pinged
    return Reading(
        seen=queue.overview(MOST_JOBS, MOST_WORKERS),
        info=info,
        ping_seconds=ping_seconds,
        machine=sampler.sample(),
        took_seconds=time.monotonic() - begun,
    )
