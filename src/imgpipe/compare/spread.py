"""Spread: the middle of a few measurements, and how sure it is."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the interval in which the true one lies with 95 % confidence.

    `low` and `high` are None where one measurement says nothing about that.
    """

    median: float
    low: float | None = None
    high: float | None = None

    @property
    def half_width(self) -> float | None:
        """Half of the interval, None where there is none."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def spread_of(values: Sequence[float], *, seed: int = 0) -> Spread:
    """Return the median of `values` with a bootstrap interval, the same for the same values and seed."""
    median = statistics.median(values)
    if len(values) < 2:
        return Spread(median)
    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    return Spread(median, medians[_RESAMPLES * 25 // 1000], medians[_RESAMPLES * 975 // 1000 - 1])


def apart(one: Spread, other: Spread) -> bool:
    """Whether the intervals do not touch, so that the difference is more than chance. Without intervals, it is not."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low > other.high or other.low > one.high
