"""Limits: how much of the server one client, or all of them together, can have: of time, memory and threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Times count from beginning to end, not from byte to byte: who sends one byte a second gains nothing.

    - `head_seconds`, `body_seconds`: in which a request has to arrive.
    - `idle_seconds`: for which a connection may stay without a request.
    - `stall_seconds`: for which a client may take nothing of an answer; as a whole it may take `write_seconds`, and a
      second more for every `slowest_bytes`.
    - `grace_seconds`: for requests in work when the server is told to stop; then batches are told, and get
      `last_seconds`.
    - `sockets`: connections open at once; Windows can watch 512. One more takes the place of the one that has been
      waiting longest for the rest of a request, if that is older than `young_seconds`: those that have just come are
      about to send theirs. It is short, or clients that come again at once would keep all places.
    - `body_bytes`: of all bodies above `small_body_bytes` together.
    - `waiting`: requests that have asked to be answered later.
    """

    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 15.0
    stall_seconds: float = 10.0
    write_seconds: float = 30.0
    slowest_bytes: int = 64 << 10
    linger_seconds: float = 2.0
    young_seconds: float = 0.02
    grace_seconds: float = 20.0
    last_seconds: float = 5.0
    sockets: int = 440
    backlog: int = 128
    quick_threads: int = 4
    quick_requests: int = 64
    queue_threads: int = 8
    queue_requests: int = 128
    upload_requests: int = 16
    long_requests: int = 8
    small_body_bytes: int = 1 << 20
    body_bytes: int = 256 << 20
    waiting: int = 256


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
    """Return the lanes that routes name; none waits for the others.

    Long views and uploads have a thread at once or none: they say themselves whom they wait for.
    """
    return {
        "quick": Lane("quick", limits.quick_threads, limits.quick_requests),
        "queue": Lane("queue", limits.queue_threads, limits.queue_requests),
        "upload": Lane("upload", limits.upload_requests, limits.upload_requests),
        "long": Lane("long", limits.long_requests, limits.long_requests),
    }
