"""Usage: what a thread has of the machine while it works: time on the clock, on a core, waiting for one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """When a task ran, and what it had of the machine: `run_task` fills it in, wherever it is called.

    `started` is on the monotonic clock, which all processes of a machine share. `wall_seconds` passed on the clock;
    for `cpu_seconds` of them the thread computed; for `queue_seconds` it could have, but had no core (None where nobody
    asked, and where the system does not tell: everywhere but on Linux). The rest it was blocked.
    """

    started: float
    wall_seconds: float
    cpu_seconds: float
    queue_seconds: float | None


class UsageMeter:
    """Measures from its creation to `read`, both in the same thread.

    Without the queue it costs a microsecond; with it some twenty, and the GIL is let go for them.
    """

    def __init__(self, *, queue: bool) -> None:
        self._started = time.monotonic()
        self._cpu, self._queue = time.thread_time(), queue_seconds() if queue else None

    def read(self) -> Usage:
        """Return what the thread has used since."""
        wall, cpu = time.monotonic() - self._started, time.thread_time() - self._cpu
        queue = None if self._queue is None else queue_seconds()
        return Usage(
            started=self._started,
            wall_seconds=wall,
            cpu_seconds=cpu,
            queue_seconds=None if queue is None or self._queue is None else queue - self._queue,
        )


def queue_seconds() -> float | None:
    """Return how long this thread has been ready to run without a core so far, None where the system does not tell."""
    try:
        with open(f"/proc/self/task/{threading.get_native_id()}/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
