"""Histogram: what can be said of times that were only counted by their size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.errors import BadOption

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of times up to each bound, from the bound before it on; the last count is of those above all bounds."""

    bounds_seconds: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse counts that do not belong to the bounds."""
        rising = all(low < high for low, high in zip((0.0, *self.bounds_seconds), self.bounds_seconds, strict=False))
        if not self.bounds_seconds or not rising:
            raise BadOption("histogram bounds", self.bounds_seconds, "seconds above 0, each more than the one before")
        if len(self.counts) != len(self.bounds_seconds) + 1:
            raise BadOption("histogram counts", len(self.counts), f"{len(self.bounds_seconds) + 1} of them")

    def since(self, earlier: Histogram) -> Histogram | None:
        """Return what has been added since `earlier`, None if that is another histogram."""
        if earlier.bounds_seconds != self.bounds_seconds:
            return None
        added = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return None if min(added) < 0 else Histogram(self.bounds_seconds, added)

    @property
    def variability(self) -> float | None:
        """The squared coefficient of variation, as well as the bounds allow; None if nothing was counted."""
        total = sum(self.counts)
        if not total:
            return None
        mean = sum(middle * count for middle, count in self._middles()) / total
        return sum((middle - mean) ** 2 * count for middle, count in self._middles()) / total / mean**2

    def quantile_seconds(self, share: float) -> float | None:
        """Return the bound that the share of times stays below; None if nothing was counted or it is above all."""
        wanted, seen = share * sum(self.counts), 0
        if not wanted:
            return None
        for bound, count in zip(self.bounds_seconds, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return bound
        return None

    def _middles(self) -> Iterator[tuple[float, int]]:
        """Give a time for each count: in the middle by ratio, because bounds grow by ratio."""
        low = self.bounds_seconds[0] / 2
        for high, count in zip((*self.bounds_seconds, 2 * self.bounds_seconds[-1]), self.counts, strict=True):
            yield math.sqrt(low * high), count
            low = high
