"""Limits: how much of the server one client, or all of them together, can have."""

from __future__ import annotations

from dataclasses import dataclass


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
      waiting longest for the rest of a request, if that is older than `young_seconds`.
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
    young_seconds: float = 1.0
    grace_seconds: float = 20.0
    last_seconds: float = 5.0
    sockets: int = 440
    backlog: int = 128
    quick_threads: int = 4
    quick_requests: int = 64
    queue_threads: int = 8
    queue_requests: int = 128
    long_requests: int = 8
    small_body_bytes: int = 1 << 20
    body_bytes: int = 256 << 20
    waiting: int = 256
