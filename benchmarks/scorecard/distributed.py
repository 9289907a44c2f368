"""R1, R3, R4, R8: many machines; the scenarios of `make chaos` and the million of `make bench-queue`, as rows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from benchmarks.chaos import scenarios
from benchmarks.chaos.scene import Asked
from benchmarks.queue import million as millions
from benchmarks.queue.systems import systems
from benchmarks.scorecard.row import Found

if TYPE_CHECKING:
    from benchmarks.scorecard.row import Order

_MOST_TIMES_QUIET = 3.0


def killed(order: Order) -> Found:
    """R1: a random worker is killed with all it has, every 300 ms; and, before, the same run in peace."""
    asked = _asked(order, tasks=order.size(10_000, 300), lease_seconds=1.0 if order.short else 5.0)
    quiet = scenarios.kill(asked, least=0, most=0)
    found = scenarios.kill(asked, least=order.size(60, 3), most=order.size(200, 6))
    back, times = found["back"]["p99"], found["seconds"] / quiet["seconds"]
    misses = found["misses"] | {
        "back in the queue later than a lease and a second": max(back - asked.lease_seconds - 1, 0),
        "slower than three times a quiet run": max(times - _MOST_TIMES_QUIET, 0) if not order.short else 0,
    }
    facts = (
        f"{asked.tasks:,} pictures, {found['kills']} kills of 4 workers, {found['run again']} run again "
        f"({found['run again'] / max(found['kills'], 1):.2f} per kill), p99 {back:.1f} s until back in the queue "
        f"(lease {asked.lease_seconds:g} s), {times:.1f} times a quiet run"
    )
    return Found(facts, misses)


def frozen(order: Order) -> Found:
    """R3: workers that are stopped beyond their lease come back, and change nothing that is done."""
    asked = _asked(order, tasks=order.size(20_000, 400), lease_seconds=0.5)
    found = scenarios.zombie(asked, stops=order.size(200, 4))
    said = found["said"]
    facts = (
        f"{found['stops']} stops beyond a lease of 0.5 s, {found['thawed when all was done']} of them until all was "
        f"done; {said['late']} late results counted once, {said['stale']} ignored; no finished file was touched"
    )
    return Found(facts, found["misses"])


def redis_away(order: Order) -> Found:
    """R4: Redis is killed, paused and full."""
    asked = _asked(order, tasks=order.size(10_000, 1500), lease_seconds=1.0 if order.short else 5.0)
    kills, pauses, fulls = order.size(20, 1), order.size(20, 1), order.size(5, 1)
    seconds = 2.0 if order.short else 10.0
    found = scenarios.redis_away(asked, kills=kills, pauses=pauses, fulls=fulls, pause_seconds=seconds)
    again = max(times.get("max", 0.0) for times in found["results again"].values())
    facts = (
        f"{kills} kills, {pauses} pauses of {seconds:g} s, {fulls} times full; results came again after {again:.1f} s "
        "at most"
    )
    return Found(facts, found["misses"] | {"consuming again later than 5 s": max(again - 5, 0)})


def million(order: Order) -> Found:
    """R8: a million tasks through the queue."""
    found = millions.million(systems(sys.executable)["imgpipe"], order.size(1_000_000, 3000), order.work)
    facts = (
        f"{found['tasks']:,} tasks, {found['per second']:,} per second, each counted once; "
        f"Redis held {found['redis peak bytes'] / 1e6:.1f} MB at most"
    )
    return Found(facts, found["misses"])


def _asked(order: Order, **more: Any) -> Asked:
    return Asked(workers=order.size(4, 2), seed=order.seed, work=order.work, **more)
