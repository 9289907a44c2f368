"""Tally: what has happened to a MemoryQueue's tasks, class by class; numbers that only go up, for those who watch."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from imgpipe.queue.values import DURATION_BOUNDS_SECONDS, WAIT_BOUNDS_SECONDS, Counters, counters_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Tally:
    """Counts by class and name, as `counters_from` reads them; what is about no class is counted under ""."""

    def __init__(self) -> None:
        self._seen: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def note(self, task_class: str, what: str, by: int = 1) -> None:
        """Count something."""
        self._seen[task_class][what] += by

    def waited(self, task_class: str, seconds: float) -> None:
        """Count a task that was claimed after so long."""
        self.note(task_class, "claimed")
        self._time(task_class, "waited", "w", WAIT_BOUNDS_SECONDS, seconds)

    def worked(self, task_class: str, seconds: float) -> None:
        """Count a task that was in work for so long."""
        self._time(task_class, "busy", "d", DURATION_BOUNDS_SECONDS, seconds)

    def add(self, totals: Mapping[str, int]) -> None:
        """Add what a worker has done."""
        self._seen[""].update(totals)

    def counters(self, at_seconds: float) -> Counters:
        """Return everything."""
        totals = dict(self._seen[""])
        lost = totals.pop("lost_workers", 0)
        classes = {name: counters_from(seen) for name, seen in self._seen.items() if name}
        return Counters(at_seconds, classes, totals, lost)

    def _time(self, task_class: str, what: str, letter: str, bounds: Sequence[float], seconds: float) -> None:
        self.note(task_class, what, round(seconds * 1000))
        self.note(task_class, f"{letter}{bisect.bisect_left(bounds, seconds)}")
