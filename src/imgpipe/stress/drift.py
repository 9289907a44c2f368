"""Drift: whether a run became slower while it lasted: the slope in the middle of all pairs, and how sure it is."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from imgpipe.stress.values import Drift

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST = 8
_Z = 1.96  # of 95 %
_TEN_MINUTES = 600.0


def drift_of(points: Sequence[tuple[float, float]]) -> Drift | None:
    """Return the slope of points (seconds, value) by Theil and Sen, None if there are too few.

    It is the median of the slopes of all pairs, which a few wild points do not move; its interval follows from
    Kendall's test (Sen, 1968). Relative to the median value, for ten minutes.
    """
    if len(points) < _LEAST:
        return None
    slopes = sorted(
        (second[1] - first[1]) / (second[0] - first[0])
        for number, first in enumerate(points)
        for second in points[number + 1 :]
        if second[0] != first[0]
    )
    middle = statistics.median(value for _, value in points)
    if not slopes or middle <= 0:
        return None
    n = len(points)
    width = _Z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = slopes[max(math.floor((len(slopes) - width) / 2), 0)]
    high = slopes[min(math.ceil((len(slopes) + width) / 2), len(slopes) - 1)]
    return Drift(*(slope * _TEN_MINUTES / middle for slope in (statistics.median(slopes), low, high)))
