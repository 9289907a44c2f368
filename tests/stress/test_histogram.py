"""histogram: a percentile is right to 1 %, and two histograms add up to one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.stress.histogram import PERCENTILES, Histogram, is_known, name_of, needed_for

TIMES = st.lists(st.floats(1e-6, 1e5), min_size=1, max_size=200)


@given(TIMES, st.floats(0.001, 1))
def test_quantiles_are_right_to_one_percent(seconds, share):
    """It is the smallest time that so many do not exceed, as sorting would give it, within 1 %."""
    exact = sorted(seconds)[max(math.ceil(share * len(seconds) - 1e-9), 1) - 1]

    assert Histogram.of(seconds).quantile(share) == pytest.approx(exact, rel=0.01)


@given(TIMES, TIMES)
def test_two_add_up_to_one(first, second):
    """What two processes have counted is what one would have counted."""
    merged = Histogram.of(first).merged(Histogram.of(second))
    whole = Histogram.of([*first, *second])

    assert dict(whole.cells) == dict(merged.cells)
    assert (whole.count, whole.largest, whole.smallest) == (merged.count, merged.largest, merged.smallest)
    assert whole.mean == pytest.approx(merged.mean)


@given(TIMES)
def test_mean_and_largest_are_exact(seconds):
    """They come from the times themselves, not from the cells."""
    histogram = Histogram.of(seconds)

    assert histogram.mean == pytest.approx(sum(seconds) / len(seconds))
    assert (max(seconds), len(seconds)) == (histogram.largest, histogram.count)
    assert histogram.quantile(1.0) == pytest.approx(max(seconds), rel=0.01)


def test_nothing_is_known_of_nothing():
    """An empty histogram has no mean and no percentile, and adds nothing."""
    empty, one = Histogram.of([]), Histogram.of([0.5])

    assert (0, None, None) == (empty.count, empty.mean, empty.quantile(0.5))
    assert one == one.merged(empty)
    assert None is empty.to_data()["max_seconds"]


def test_what_takes_no_time_counts_as_a_microsecond():
    """A clock that has not moved gives no time that a logarithm could bear."""
    assert 1e-6 == Histogram.of([0.0]).quantile(0.5)


def test_as_data():
    """The cells say how often which time was there."""
    data = Histogram.of([0.1, 0.1, 3.0]).to_data()

    assert (3, 3.0) == (data["count"], data["max_seconds"])
    assert [2, 1] == [count for _, count in data["cells"]]
    assert [0.1, 3.0] == [pytest.approx(seconds, rel=0.01) for seconds, _ in data["cells"]]


@pytest.mark.parametrize(
    ("share", "count", "known"),
    [(0.5, 20, True), (0.5, 19, False), (0.9, 100, True), (0.95, 199, False), (0.95, 200, True), (0.99, 1000, True),
     (0.99, 999, False), (0.999, 10_000, True), (0.999, 9_999, False)],
)  # fmt: skip
def test_a_percentile_needs_ten_beyond_it(share, count, known):
    """With fewer, it is the name of a chance."""
    assert known == is_known(share, count)
    assert known == (count >= needed_for(share))


def test_names():
    """As people write them."""
    assert ["p50", "p90", "p95", "p99", "p99.9"] == [name_of(share) for share in PERCENTILES]
