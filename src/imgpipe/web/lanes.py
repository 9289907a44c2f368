"""Lanes: the threads that views run on: quick ones, those that ask the queue, long ones; none waits for the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.web.limits import ServerLimits


class Lane:
    """Some threads, and at most so many requests in work or waiting for one. Only the server's own thread uses it."""

    def __init__(self, name: str, threads: int, requests: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"imgpipe-web-{name}")
        self._requests = requests
        self._taken = 0

    def try_submit(self, work: Callable[[], None]) -> bool:
        """Hand over work, whose end `release` has to be told; False if the lane is full."""
        if self._taken >= self._requests:
            return False
        self._taken += 1
        self._pool.submit(work)
        return True

    def release(self) -> None:
        """Note that some work has come to its end."""
        self._taken -= 1

    def close(self) -> bool:
        """Let the threads end when they have nothing to do; return whether they have."""
        self._pool.shutdown(wait=self._taken == 0, cancel_futures=True)
        return self._taken == 0


def open_lanes(limits: ServerLimits) -> dict[str, Lane]:
    """Return the lanes that routes name. A long view has a thread at once or none: it says itself whom it waits for."""
    return {
        "quick": Lane("quick", limits.quick_threads, limits.quick_requests),
        "queue": Lane("queue", limits.queue_threads, limits.queue_requests),
        "long": Lane("long", limits.long_requests, limits.long_requests),
    }
