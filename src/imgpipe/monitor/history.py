"""History: the last values of something: each second for ten minutes, each ten seconds for an hour, no longer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

_RINGS = ((0.9, 660), (10.0, 360))  # seconds between entries at least, entries; looks are never quite a second apart


class History(Generic[T]):
    """Values with their times, in seconds of a clock that only goes forward. The newest is always there."""

    def __init__(self) -> None:
        self._rings: tuple[deque[tuple[float, T]], ...] = tuple(deque(maxlen=most) for _, most in _RINGS)
        self._newest: tuple[float, T] | None = None

    def add(self, at: float, value: T) -> None:
        """Add the newest value."""
        self._newest = at, value
        for ring, (apart, _) in zip(self._rings, _RINGS, strict=True):
            if not ring or at - ring[-1][0] >= apart:
                ring.append(self._newest)

    def clear(self) -> None:
        """Forget everything."""
        self._newest = None
        for ring in self._rings:
            ring.clear()

    def last(self) -> tuple[float, T] | None:
        """Return the newest value and its time."""
        return self._newest

    def within(self, seconds: float) -> list[tuple[float, T]]:
        """Return the values of the last `seconds` before the newest one, in their order."""
        return list(self._within(seconds))

    def oldest(self, seconds: float) -> tuple[float, T] | None:
        """Return what the newest value is to be compared with: the oldest of the last `seconds`.

        If there is none, because somebody looks more seldom than that, it is the last one before; None if there is but
        the newest.
        """
        first = next(self._within(seconds), None)
        if first is not self._newest:
            return first
        return next((entry for entry in reversed(self._rings[0]) if entry is not self._newest), None)

    def _within(self, seconds: float) -> Iterator[tuple[float, T]]:
        if self._newest is None:
            return
        since = self._newest[0] - seconds
        fine, coarse = self._rings
        yield from (entry for entry in coarse if since <= entry[0] < fine[0][0])
        yield from (entry for entry in fine if entry[0] >= since)
        if fine[-1] is not self._newest:
            yield self._newest
