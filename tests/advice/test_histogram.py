"""Histogram: what counts by size tell of times, and what they do not."""

from __future__ import annotations

import bisect
import random

import pytest

from imgpipe.advice.histogram import Histogram
from imgpipe.advice.simulate import lognormal
from imgpipe.errors import BadOption
from imgpipe.queue.values import DURATION_BOUNDS_SECONDS

BOUNDS = (1.0, 2.0, 4.0)


@pytest.mark.parametrize("variation", [0.5, 1.0, 2.0])
def test_variability_of_many_times(variation):
    """The bounds of the queue tell how much times vary, within a third."""
    chance, draw = random.Random(1), lognormal(0.2, variation)
    counts = [0] * (len(DURATION_BOUNDS_SECONDS) + 1)
    for _ in range(20_000):
        counts[bisect.bisect_left(DURATION_BOUNDS_SECONDS, draw(chance))] += 1

    assert pytest.approx(variation**2, rel=0.35) == Histogram(DURATION_BOUNDS_SECONDS, tuple(counts)).variability


def test_equal_times_do_not_vary():
    """All in one count: no variability."""
    assert pytest.approx(0.0) == Histogram(BOUNDS, (0, 5, 0, 0)).variability


def test_nothing_counted():
    """Nothing is known of no times."""
    empty = Histogram(BOUNDS, (0, 0, 0, 0))

    assert (None, None) == (empty.variability, empty.quantile_seconds(0.99))


def test_quantile():
    """The bound below which the share lies; unknown above all bounds."""
    histogram = Histogram(BOUNDS, (50, 40, 9, 1))

    assert [1.0, 2.0, 4.0, None] == [histogram.quantile_seconds(share) for share in (0.5, 0.9, 0.99, 0.999)]


def test_since():
    """What was added in between; nothing where it is not the same histogram any more."""
    before, after = Histogram(BOUNDS, (1, 2, 3, 4)), Histogram(BOUNDS, (2, 2, 5, 4))

    assert Histogram(BOUNDS, (1, 0, 2, 0)) == after.since(before)
    assert before.since(after) is None
    assert after.since(Histogram((1.0, 2.0), (0, 0, 0))) is None


@pytest.mark.parametrize(
    ("bounds", "counts"), [((), (1,)), ((2.0, 1.0), (0, 0, 0)), ((0.0, 1.0), (0, 0, 0)), ((1.0, 2.0), (0, 0))]
)
def test_refused(bounds, counts):
    """Bounds have to rise, and there is one count more."""
    with pytest.raises(BadOption, match="histogram"):
        Histogram(bounds, counts)
