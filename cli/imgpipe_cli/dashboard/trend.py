"""Trend: how fast pictures were done in the last hour, for the charts; a value for each column."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from imgpipe.monitor.history import History

if TYPE_CHECKING:
    from imgpipe.monitor import Snapshot

WINDOWS_SECONDS = (60.0, 600.0, 3600.0)
"""What the charts can show."""


class Trend:
    """Remembers totals of snapshots, in bounded memory."""

    def __init__(self) -> None:
        self._done: History[int] = History()
        self._failed: History[int] = History()
        self._marks: list[float] = []

    def add(self, snapshot: Snapshot) -> None:
        """Remember a snapshot. If totals went down, it is of another queue, and the trend begins anew."""
        done = sum(queue.completed_total for queue in snapshot.queues)
        failed = sum(queue.failed_total + queue.lost_total for queue in snapshot.queues)
        for history, total in ((self._done, done), (self._failed, failed)):
            last = history.last()
            if last is not None and (total < last[1] or snapshot.wall_seconds < last[0]):
                history.clear()
            history.add(snapshot.wall_seconds, total)

    def mark(self) -> None:
        """Remember this moment."""
        last = self._done.last()
        if last is not None:
            self._marks = [*self._marks, last[0]][-20:]

    def done(self, seconds: float, columns: int) -> list[float | None]:
        """Return pictures done per second, for `columns` equal parts of the last `seconds`; the last one is now."""
        return _columns(self._done, seconds, columns)

    def failed(self, seconds: float, columns: int) -> list[float | None]:
        """Return the same for those that failed."""
        return _columns(self._failed, seconds, columns)

    def marks(self, seconds: float, columns: int) -> set[int]:
        """Return the columns in which somebody has left a mark."""
        last = self._done.last()
        if last is None:
            return set()
        places = (int((at - last[0] + seconds) / seconds * columns) for at in self._marks)
        return {min(place, columns - 1) for place in places if place >= 0}


def _columns(history: History[int], seconds: float, columns: int) -> list[float | None]:
    entries = history.within(seconds)
    if len(entries) < 2 or columns < 1:
        return [None] * max(columns, 0)
    start, apart = entries[-1][0] - seconds, seconds / columns
    added, passed = [0.0] * columns, [0.0] * columns
    for (before, old), (after, new) in pairwise(entries):
        # What happened between two looks may lie in several columns.
        first, last = (min(max(int((at - start) / apart), 0), columns - 1) for at in (before, after))
        for place in range(first, last + 1):
            inside = min(after, start + (place + 1) * apart) - max(before, start + place * apart)
            if inside > 0 and after > before:
                added[place] += (new - old) * inside / (after - before)
                passed[place] += inside
    return [number / time if time > 0 else None for number, time in zip(added, passed, strict=True)]
