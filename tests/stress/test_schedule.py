"""schedule: rates, orders and bounds, whatever is asked for."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import BadOption
from imgpipe.stress.schedule import MOST_SECONDS, MOST_TASKS, bursts, even, poisson, ramp

RATES = st.floats(0.1, 50)
SECONDS = st.floats(0.1, 60)


@given(RATES, SECONDS, st.integers())
def test_all_moments_are_in_order_and_in_time(rate, seconds, seed):
    """No task is planned before another one that has a lower number, and none after the end."""
    for moments in (even(rate, seconds), poisson(rate, seconds, seed)):
        assert list(moments) == sorted(moments)
        assert 0 <= moments[0]
        assert moments[-1] <= seconds


@given(RATES, SECONDS)
def test_even_tasks_have_one_distance(rate, seconds):
    """Rate times seconds tasks, all equally far apart, the first at once."""
    moments = even(rate, seconds)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]

    assert max(math.ceil(rate * seconds - 1e-9), 1) == len(moments)
    assert 0.0 == moments[0]
    assert gaps == pytest.approx([1 / rate] * len(gaps))


def test_poisson_is_random_with_the_right_rate():
    """The same seed gives the same moments; gaps vary as those of an exponential distribution, around the mean."""
    moments = poisson(100, 60, seed=7)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    variation = sum((gap - mean) ** 2 for gap in gaps) / len(gaps) / mean**2

    assert moments == poisson(100, 60, seed=7)
    assert moments != poisson(100, 60, seed=8)
    assert 0.01 == pytest.approx(mean, rel=0.05)
    assert 1.0 == pytest.approx(variation, rel=0.1)


def test_poisson_has_a_task_at_least():
    """Where chance has none in so short a time, there is one all the same: a run without any says nothing."""
    assert 1 == len(poisson(0.001, 0.01, seed=1))


@given(st.integers(1, 500), st.integers(1, 10), st.floats(0, 10))
def test_bursts_come_at_one_moment_each(size, count, every):
    """As many tasks as asked for, at as many moments as there are bursts."""
    moments = bursts(size, count, every)

    assert size * count == len(moments)
    assert {number * every for number in range(count)} == set(moments)


@given(st.integers(1, 1000), st.floats(0.5, 50), st.floats(1, 20))
def test_a_ramp_rises(count, low, factor):
    """The first gap is that of the low rate, the last one that of the high one, and each is shorter than before."""
    moments = ramp(count, low, low * factor)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]

    assert count == len(moments)
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(gaps))
    assert all(1 / (low * factor) - 1e-9 <= gap <= 1 / low + 1e-9 for gap in gaps)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (lambda: even(0, 1), "rate"),
        (lambda: even(1001, 1), "rate"),
        (lambda: even(1, MOST_SECONDS + 1), "seconds"),
        (lambda: poisson(1000, 60, 0), f"1 to {MOST_TASKS}"),
        (lambda: bursts(MOST_TASKS + 1), f"1 to {MOST_TASKS}"),
        (lambda: bursts(1, 10, 1000), "every"),
        (lambda: ramp(10, 5, 1), "the lower one first"),
        (lambda: ramp(10, 0, 1), "above 0"),
        (lambda: ramp(MOST_TASKS, 0.1, 0.1), "ramp"),
    ],
)
def test_what_has_no_end_is_refused(plan, words):
    """A run is bounded in tasks and in time."""
    with pytest.raises(BadOption, match=words):
        plan()
