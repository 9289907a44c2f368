"""Reading: everything that is asked of a queue and of this machine for one look at them: all the I/O of a look."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.machine import MachineSample, Sampler
    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import ClassStatus, Counters, JobStatus, WorkerStatus

MOST_JOBS, MOST_WORKERS = 100, 1000


class Server(Protocol):
    """What is asked of a Redis server; `imgpipe.queue.connection.Connection` has it."""

    def info(self) -> Mapping[str, Any]:
        """Return the answer to INFO, by name."""

    def ping(self) -> None:
        """Return when it has answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a queue, its server and this machine have said. `info` and `ping_seconds` are None without a server."""

    counters: Counters
    jobs: tuple[JobStatus, ...]
    workers: tuple[WorkerStatus, ...]
    classes: tuple[ClassStatus, ...]
    info: Mapping[str, Any] | None
    ping_seconds: float | None
    machine: MachineSample
    took_seconds: float


def read(queue: TaskQueue, server: Server | None, sampler: Sampler) -> Reading:
    """Look once. The number of commands does not depend on how many tasks wait. Raises what the queue raises."""
    begun = time.monotonic()
    info, ping_seconds = None, None
    if server is not None:
        info = server.info()
        pinged = time.monotonic()
        server.ping()
        ping_seconds = time.monotonic() - pinged
    return Reading(
        counters=queue.counters(),
        jobs=tuple(queue.jobs(MOST_JOBS)),
        workers=tuple(queue.workers(MOST_WORKERS)),
        classes=tuple(queue.classes()),
        info=info,
        ping_seconds=ping_seconds,
        machine=sampler.sample(),
        took_seconds=time.monotonic() - begun,
    )
