"""Histogram: times counted in cells that grow with them, so that a percentile is right to 1 % whatever its size."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
LEAST_BEYOND = 10
"""So many times must lie beyond a percentile: fewer, and it is a name for chance."""

_CELLS = 64  # in each doubling: no cell is wider than 1/64 of its times, and its middle is nearer than 1 % to all
_SHORTEST_SECONDS = 1e-6  # the clock's own grain


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by cell. Two of them, from whatever process or run, add up to what one would have counted."""

    cells: Mapping[int, int] = field(default_factory=dict)
    total_seconds: float = 0.0
    smallest: float = math.inf
    largest: float = 0.0

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Histogram:
        """Count times. What is shorter than a microsecond counts as one."""
        values = [max(value, _SHORTEST_SECONDS) for value in seconds]
        if not values:
            return cls()
        return cls(Counter(map(_cell, values)), math.fsum(values), min(values), max(values))

    @property
    def count(self) -> int:
        """How many times were counted."""
        return sum(self.cells.values())

    @property
    def mean(self) -> float | None:
        """The mean, which is exact; None if nothing was counted."""
        return self.total_seconds / self.count if self.cells else None

    def quantile(self, share: float) -> float | None:
        """Return the time that the share of all times does not exceed, to 1 %; None if nothing was counted."""
        if not self.cells:
            return None
        rank, seen = max(math.ceil(share * self.count - 1e-9), 1), 0
        for cell in sorted(self.cells):
            seen += self.cells[cell]
            if seen >= rank:
                return min(max(_middle(cell), self.smallest), self.largest)
        return self.largest

    def merged(self, other: Histogram) -> Histogram:
        """Return what both have counted."""
        return Histogram(
            dict(Counter(self.cells) + Counter(other.cells)),
            self.total_seconds + other.total_seconds,
            min(self.smallest, other.smallest),
            max(self.largest, other.largest),
        )

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON-like data: the middle of each cell in seconds, and its count."""
        return {
            "count": self.count,
            "mean_seconds": self.mean,
            "max_seconds": self.largest if self.cells else None,
            "cells": [[_middle(cell), count] for cell, count in sorted(self.cells.items())],
        }


def is_known(share: float, count: int) -> bool:
    """Whether so many times are enough for a percentile."""
    return count * (1 - share) >= LEAST_BEYOND - 1e-9


def needed_for(share: float) -> int:
    """Return how many times a percentile needs."""
    return math.ceil(LEAST_BEYOND / (1 - share) - 1e-6)


def name_of(share: float) -> str:
    """Return the name of a percentile, as p99.9."""
    return f"p{100 * share:.6g}"


def _cell(seconds: float) -> int:
    mantissa, exponent = math.frexp(seconds)
    return exponent * _CELLS + int((mantissa - 0.5) * 2 * _CELLS)


def _middle(cell: int) -> float:
    exponent, part = divmod(cell, _CELLS)
    return math.ldexp(0.5 + (part + 0.5) / (2 * _CELLS), exponent)
