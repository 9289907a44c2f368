"""Health: what is asked of a server, and how each answer is judged."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from imgpipe.queue import health
from imgpipe.queue.health import Finding, Vitals, examine, measure

GOOD = {
    "redis_version": "7.2.4",
    "maxmemory": 0,
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
}


class Counted:
    """Stands for a client; its clock is 100 seconds ahead, and each of its answers takes a tick of the given clock."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = 1000.0

    def tick(self) -> float:
        """Return the time here, a second later with each look."""
        self.now += 1
        return self.now

    def info(self) -> dict[str, Any]:
        """Answer INFO."""
        self.asked.append("INFO")
        return dict(GOOD)

    def time(self) -> tuple[int, int]:
        """Answer TIME."""
        self.asked.append("TIME")
        return int(self.now) + 100, 500_000

    def ping(self) -> None:
        """Answer PING."""
        self.asked.append("PING")


def found(name: str, **info: object) -> Finding:
    """Judge a server that is good but for `info`, and return one finding."""
    vitals = Vitals({**GOOD, **info}, 0.0, (0.001,) * 5)
    (finding,) = [item for item in examine(vitals) if item.name == name]
    return finding


def test_good_server():
    """Where all is well there is nothing to do."""
    findings = examine(Vitals(GOOD, 0.0, (0.001,) * 5))

    assert ["version", "eviction", "persistence", "clock", "round trip"] == [item.name for item in findings]
    assert {("ok", "")} == {(item.state, item.remedy) for item in findings}


def test_measure_asks_little():
    """Seven commands; the clock is compared with the middle of the question and the answer."""
    client = Counted()

    vitals = measure(client, clock=client.tick, timer=client.tick)

    assert ["INFO", *["PING"] * 5, "TIME"] == client.asked
    assert ((1.0,) * 5, GOOD) == (vitals.round_trips_seconds, vitals.info)
    assert 100.0 == vitals.clock_ahead_seconds


def test_real_server(redis_url):
    """A real server tells all that is judged: nothing is unknown."""
    with redis.Redis.from_url(redis_url) as client:
        vitals = measure(client)
    findings = {item.name: item for item in examine(vitals)}

    assert set(GOOD) <= set(vitals.info)
    assert {"persistence"} == {name for name, item in findings.items() if item.state == "warn"}
    assert not any(item.state == "fail" for item in findings.values())
    assert not any("unknown" in item.found or "does not tell" in item.found for item in findings.values())


@pytest.mark.parametrize(
    ("version", "state"),
    [("6.2.0", "ok"), ("6.2", "ok"), ("6.10.1", "ok"), ("8.0-rc1", "ok"), ("10.0.0", "ok"), ("255.255.255", "ok"),
     ("6.0.16", "fail"), ("5.0.7", "fail"), ("6.1.240", "fail"), ("", "fail")],
)  # fmt: skip
def test_version(version: str, state: str):
    """Redis 6.2 is the oldest, and versions are compared by number."""
    assert state == found("version", redis_version=version).state


def test_version_that_is_missing():
    """A server that does not say what it is, is not trusted."""
    finding = examine(Vitals({}, 0.0, (0.001,)))[0]

    assert ("fail", "Redis unknown") == (finding.state, finding.found)


def test_valkey():
    """Valkey is judged by the Redis that it says it replaces, and shown under its own name."""
    finding = found("version", valkey_version="8.1.0", server_name="valkey")

    assert ("ok", "Valkey 8.1.0, which counts as Redis 7.2.4") == (finding.state, finding.found)


@pytest.mark.parametrize(
    ("limit", "policy", "state"),
    [
        (0, "allkeys-lru", "ok"),
        (1_000_000, "noeviction", "ok"),
        (1_000_000, "allkeys-lru", "fail"),
        (1_000_000, "volatile-ttl", "fail"),
        ("1000000", "allkeys-lfu", "fail"),
        ("0", "allkeys-lfu", "ok"),
        ("?", "allkeys-lfu", "fail"),
        ("?", "noeviction", "ok"),
    ],
)
def test_eviction(limit: object, policy: str, state: str):
    """A limit is welcome if the server says no at it; throwing keys away is not, however it chooses them."""
    assert state == found("eviction", maxmemory=limit, maxmemory_policy=policy).state


def test_eviction_that_is_not_told():
    """A server that tells neither limit nor policy is not trusted with tasks."""
    finding = examine(Vitals({"redis_version": "7.0.0"}, 0.0, (0.001,)))[1]

    assert ("fail", True) == (finding.state, "unknown" in finding.found)


@pytest.mark.parametrize(
    ("info", "state", "words"),
    [
        ({}, "ok", "append-only file"),
        ({"aof_enabled": 0}, "warn", "no append-only file"),
        ({"aof_enabled": None}, "warn", "no append-only file"),
        ({"aof_last_write_status": "err"}, "warn", "its last append-only file could not be written"),
        ({"aof_enabled": 0, "rdb_last_bgsave_status": "err"}, "warn", "its last snapshot could not be written"),
    ],
)
def test_persistence(info: dict[str, object], state: str, words: str):
    """Tasks that a restart would forget are worth a warning, and so is a disk that does not take them."""
    finding = found("persistence", **info)

    assert (state, True) == (finding.state, finding.found.startswith(words))


@pytest.mark.parametrize(
    ("ahead", "state", "words"),
    [
        (0.0, "ok", "0.000 s"),
        (4.9, "ok", "4.900 s ahead of this machine"),
        (-4.9, "ok", "4.900 s behind this machine"),
        (3600.0, "warn", "3600.0 s ahead of this machine: "),
        (-5.1, "warn", "5.1 s behind this machine: "),
    ],
)
def test_clock(ahead: float, state: str, words: str):
    """Clocks that differ are a warning only, because only the server's decides."""
    finding = health.clock(ahead)

    assert (state, True) == (finding.state, finding.found.startswith(words))


@pytest.mark.parametrize(
    ("seconds", "state"),
    [((0.02,) * 5, "ok"), ((0.021,) * 5, "warn"), ((0.001, 0.001, 0.001, 9.0, 9.0), "ok"), ((0.001, 9, 9), "warn")],
)
def test_round_trip(seconds: tuple[float, ...], state: str):
    """A slow network is a warning; one slow answer is none."""
    assert state == health.round_trip(seconds).state
