"""Meter: speed and remaining time of a run, counted in pixels; a pure value that is told the time."""

from __future__ import annotations

import os
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any

from imgpipe.task import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.task import Result

WINDOW_SECONDS = 30.0


class Meter:
    """Counts results; `now` is any clock that only goes forward, in seconds.

    The remaining time is estimated in pixels: the bytes that are left of each kind of file, times the megapixels per
    byte seen so far in files of that kind, by the speed of the last half minute.
    """

    def __init__(
        self, total: int = 0, bytes_by_extension: Mapping[str, int] | None = None, *, start: float = 0.0
    ) -> None:
        self.total, self.done, self.skipped, self.failed = total, 0, 0, 0
        self.megapixels = 0.0
        self._left_bytes = Counter(bytes_by_extension or {})
        self._seen_bytes: Counter[str] = Counter()
        self._seen_megapixels: defaultdict[str, float] = defaultdict(float)
        self._samples: deque[tuple[float, float, int]] = deque([(start, 0.0, 0)])

    @property
    def count(self) -> int:
        """Pictures that have a result."""
        return self.done + self.skipped + self.failed

    def add(self, result: Result, now: float) -> None:
        """Count one more result."""
        extension = os.path.splitext(result.source)[1].lower()
        self._left_bytes[extension] -= result.bytes_in
        if result.outcome is Outcome.SKIPPED:
            self.skipped += 1
            return
        self.failed += not result.ok
        self.done += result.ok
        self.megapixels += result.megapixels
        self._seen_bytes[extension] += result.bytes_in
        self._seen_megapixels[extension] += result.megapixels
        if now - self._samples[-1][0] >= 0.1:
            self._samples.append((now, self.megapixels, self.done + self.failed))
            while now - self._samples[0][0] > WINDOW_SECONDS and len(self._samples) > 2:
                self._samples.popleft()

    def rates(self, now: float) -> tuple[float, float]:
        """Return pictures per second and megapixels per second of the last half minute."""
        since, megapixels, count = self._samples[0]
        seconds = max(now - since, 1e-3)
        return (self.done + self.failed - count) / seconds, (self.megapixels - megapixels) / seconds

    def remaining_seconds(self, now: float) -> float | None:
        """Return the estimated time until the end, or None while nothing is known."""
        speed = self.rates(now)[1]
        seen = self._seen_bytes.total()
        if speed <= 0 or seen <= 0:
            return None
        average = self.megapixels / seen
        left = 0.0
        for extension, size in self._left_bytes.items():
            own = self._seen_bytes[extension]
            left += max(size, 0) * (self._seen_megapixels[extension] / own if own else average)
        return left / speed

    def speed(self, now: float) -> str:
        """Return speed, failures and remaining time as a short text."""
        pictures, megapixels = self.rates(now)
        remaining = self.remaining_seconds(now)
        parts = [
            f"{pictures:.1f} pictures/s" if self.done + self.failed else "",
            f"{megapixels:.0f} MP/s" if self.megapixels else "",
            f"{self.failed} failed" if self.failed else "",
            f"ETA {duration(remaining)}" if remaining is not None else "",
        ]
        return "  ".join(part for part in parts if part)

    def line(self, now: float) -> str:
        """Return one line for a log."""
        return f"{self.count}/{self.total}  {self.speed(now)}"

    def to_data(self, now: float) -> dict[str, Any]:
        """Return the state as JSON-like data; what is not known is null."""
        pictures, megapixels = self.rates(now)
        remaining = self.remaining_seconds(now)
        return {
            "total": self.total,
            "done": self.done,
            "skipped": self.skipped,
            "failed": self.failed,
            "pictures_per_second": round(pictures, 2),
            "megapixels_per_second": round(megapixels, 2),
            "remaining_seconds": None if remaining is None else round(remaining, 1),
        }


def duration(seconds: float) -> str:
    """Return a time as a person reads it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
