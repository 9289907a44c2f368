"""Health: whether a Redis server is fit for the queue, judged by what it says of itself."""

from __future__ import annotations

import re
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OLDEST_REDIS = (6, 2)
"""Older ones lack LMOVE, ZADD GT and LPOP with a count."""

SLOW_SECONDS = 0.02
"""A round trip above this makes a claim cost as much as a small picture."""

_PINGS = 5
_CLOCK_SECONDS = 5.0
_MEGABYTE = 1_000_000


class Client(Protocol):
    """What is asked of a server; `redis.Redis` has it."""

    def info(self) -> Any:
        """Return the answer to INFO, by name."""

    def time(self) -> Any:
        """Return the server's time: seconds since 1970, and microseconds."""

    def ping(self) -> Any:
        """Return when it has answered."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a server says of itself in INFO, how far its clock is ahead of ours, and how long some PINGs took."""

    info: Mapping[str, object]
    clock_ahead_seconds: float
    round_trips_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was judged. `fail` means that the queue would lose tasks or not work at all."""

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


def measure(
    client: Client, *, clock: Callable[[], float] = time.time, timer: Callable[[], float] = time.perf_counter
) -> Vitals:
    """Ask a server how it is: seven short commands. Raises what the client raises."""
    info = client.info()
    round_trips = []
    for _ in range(_PINGS):
        begun = timer()
        client.ping()
        round_trips.append(timer() - begun)
    before = clock()
    seconds, microseconds = client.time()
    after = clock()
    return Vitals(info, seconds + microseconds / 1e6 - (before + after) / 2, tuple(round_trips))


def examine(vitals: Vitals) -> list[Finding]:
    """Judge all that is known of a server."""
    return [
        version(vitals.info),
        eviction(vitals.info),
        persistence(vitals.info),
        clock(vitals.clock_ahead_seconds),
        round_trip(vitals.round_trips_seconds),
    ]


def version(info: Mapping[str, object]) -> Finding:
    """Look for a server that has the commands which the queue needs."""
    compatible = str(info.get("redis_version", "unknown"))
    found = f"Redis {compatible}"
    if "valkey_version" in info:
        found = f"Valkey {info['valkey_version']}, which counts as Redis {compatible}"
    if tuple(int(part) for part in re.findall(r"\d+", compatible)) < OLDEST_REDIS:
        return Finding("version", "fail", found, "use Redis 6.2 or newer, or any Valkey")
    return Finding("version", "ok", found)


def eviction(info: Mapping[str, object]) -> Finding:
    """Look for a server that says no when it is full, rather than to throw tasks away."""
    limit_bytes, policy = _number(info, "maxmemory"), str(info.get("maxmemory_policy", "unknown policy"))
    if limit_bytes == 0:
        return Finding("eviction", "ok", "never: memory without a limit")
    limit = "a limit that it does not tell" if limit_bytes is None else f"{limit_bytes / _MEGABYTE:.0f} MB"
    if policy == "noeviction":
        return Finding("eviction", "ok", f"never: noeviction at {limit}")
    remedy = "CONFIG SET maxmemory-policy noeviction, in its settings as well, or use a server of its own for imgpipe"
    return Finding("eviction", "fail", f"{policy} at {limit}: tasks would vanish without a trace", remedy)


def persistence(info: Mapping[str, object]) -> Finding:
    """Look for a server that still has its tasks after a restart, and can write them down."""
    for status, file in (("aof_last_write_status", "append-only file"), ("rdb_last_bgsave_status", "snapshot")):
        if info.get(status, "ok") != "ok":
            found = f"its last {file} could not be written; it may refuse whatever is to be kept"
            return Finding("persistence", "warn", found, "see the server's log: its disk may be full")
    if _number(info, "aof_enabled"):
        return Finding("persistence", "ok", "append-only file")
    found = "no append-only file: a restart of the server forgets recent tasks and results, or all"
    return Finding("persistence", "warn", found, "CONFIG SET appendonly yes, and in its settings as well")


def clock(ahead_seconds: float) -> Finding:
    """Compare the clocks. All decisions are made by the server's, but people read the times beside their own."""
    direction = "ahead of" if ahead_seconds > 0 else "behind"
    if abs(ahead_seconds) > _CLOCK_SECONDS:
        found = f"{abs(ahead_seconds):.1f} s {direction} this machine: times that are shown will look wrong"
        return Finding("clock", "warn", found, "synchronise the clocks of both machines (NTP)")
    return Finding("clock", "ok", f"{abs(ahead_seconds):.3f} s {direction} this machine")


def round_trip(seconds: tuple[float, ...]) -> Finding:
    """Judge the way to the server and back by its median: one slow answer is no slow network."""
    median = statistics.median(seconds)
    found = f"{median * 1000:.2f} ms"
    if median > SLOW_SECONDS:
        return Finding("round trip", "warn", found, "run Redis nearer to those who use it")
    return Finding("round trip", "ok", found)


def _number(info: Mapping[str, object], name: str) -> int | None:
    try:
        return int(str(info[name]))
    except (KeyError, ValueError):
        return None
