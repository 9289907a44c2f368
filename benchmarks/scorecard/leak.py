"""L1: one worker through 10,000 tasks: what it weighs, and how many files it holds open."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

from benchmarks.chaos.oracle import judged
from benchmarks.chaos.scene import Asked, played
from benchmarks.measure import family
from benchmarks.scorecard.row import Found

if TYPE_CHECKING:
    from benchmarks.scorecard.row import Order

_MOST_GROWTH = 1.05
_OPEN_IN_WORK = 2  # a picture and its output, or not, when it is looked at


def one_worker(order: Order) -> Found:
    """L1: RSS of the worker and its children after all tasks, and after a tenth of them; and their descriptors."""
    asked = Asked(order.size(10_000, 1000), 1, order.seed, 15.0, order.work)
    early = late = (0, 0)
    with played(asked, "leak") as scene:
        worker = psutil.Process(scene.fleet.members[0].process.pid)
        for _ in scene.ticks():
            if scene.seen.count < asked.tasks * 0.1:
                continue
            if early == (0, 0):
                early = _held(worker)
            if scene.seen.count < asked.tasks * 0.98:  # at the very end, it gives back what it does not need
                late = _held(worker)
        scene.summaries()
        found = judged(scene)
    growth = late[0] / early[0]
    misses = found["misses"] | {
        "grown by more than 5 %": round(growth, 3) if growth > _MOST_GROWTH else 0,
        "more files": max(late[1] - early[1] - _OPEN_IN_WORK, 0),
    }
    facts = (
        f"{asked.tasks:,} tasks, one worker: {early[0] / 1e6:.1f} MB after a tenth, {late[0] / 1e6:.1f} MB at the end "
        f"({growth:.3f}); {early[1]} and {late[1]} files open"
    )
    return Found(facts, misses)


def _held(worker: psutil.Process) -> tuple[int, int]:
    """Return bytes in use and open files of a worker and all its children."""
    size = files = 0
    for process in family(worker.pid):
        with contextlib.suppress(psutil.Error):
            size += process.memory_info().rss
            files += process.num_fds()
    return size, files
