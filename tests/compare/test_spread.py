"""Spread: the median, its interval, and whether two of them are apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.compare.spread import Spread, apart, spread_of


def test_one_value_has_no_interval():
    """A single measurement says nothing about how sure it is."""
    assert Spread(2.0) == spread_of([2.0])
    assert spread_of([2.0]).half_width is None


def test_five_values():
    """With five values, the interval goes from nearly the least to nearly the greatest."""
    spread = spread_of([1.0, 3.0, 2.0, 5.0, 4.0])

    assert (3.0, 1.0, 5.0) == (spread.median, spread.low, spread.high)
    assert 2.0 == spread.half_width


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=12), st.integers(0, 5))
def test_interval_lies_among_the_values(values, seed):
    """The median lies in the interval, the interval within the values, and all is the same a second time."""
    spread = spread_of(values, seed=seed)

    assert spread.low is not None
    assert spread.high is not None
    assert min(values) <= spread.low <= spread.median <= spread.high <= max(values)
    assert spread == spread_of(values, seed=seed)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Spread(1, 0.9, 1.1), Spread(2, 1.9, 2.1), True),
        (Spread(2, 1.9, 2.1), Spread(1, 0.9, 1.1), True),
        (Spread(1, 0.9, 1.5), Spread(2, 1.4, 2.1), False),
        (Spread(1, 0.9, 1.5), Spread(2, 1.5, 2.1), False),
        (Spread(1), Spread(9, 8, 10), False),
        (Spread(9, 8, 10), Spread(1), False),
    ],
)
def test_apart(one, other, expected):
    """Intervals that touch are not apart, and without an interval nothing is."""
    assert expected is apart(one, other)
