"""Erlang: golden values, and what no number of slots can change."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.advice.erlang import mean_wait_seconds, wait_quantile_seconds, waiting_probability

# Arrivals per second, tasks per second and slot, slots; then share that waits, mean wait, wait of 95 %.
GOLDEN = [
    (2, 1, 3, 0.444444, 0.444444, 2.184802),
    (8, 1, 10, 0.409180, 0.204590, 1.051066),
    (40, 10, 5, 0.554113, 0.055411, 0.240534),
    (40, 10, 6, 0.284761, 0.014238, 0.086981),
    (0.5, 1, 1, 0.5, 1.0, 4.605170),
    (90, 1, 100, 0.216940, 0.021694, 0.146760),
]


@pytest.mark.parametrize(("arrivals", "speed", "slots", "waiting", "mean", "most"), GOLDEN)
def test_golden_values(arrivals, speed, slots, waiting, mean, most):
    """The formulas give the values that tables have."""
    assert pytest.approx(waiting, abs=1e-6) == waiting_probability(slots, arrivals / speed)
    assert pytest.approx(mean, abs=1e-6) == mean_wait_seconds(arrivals, 1 / speed, slots)
    assert pytest.approx(most, abs=1e-6) == wait_quantile_seconds(arrivals, 1 / speed, slots)


@pytest.mark.parametrize("slots", [0, 1, 2, 3])
def test_too_few_slots(slots):
    """Slots that cannot keep up let everybody wait, without end."""
    assert 1.0 == waiting_probability(slots, 3.0)
    assert math.inf == mean_wait_seconds(3.0, 1.0, slots) == wait_quantile_seconds(3.0, 1.0, slots)


def test_nothing_arrives():
    """Without work nobody waits."""
    assert 0.0 == waiting_probability(0, 0.0) == waiting_probability(3, 0.0)


def test_most_do_not_wait_at_all():
    """Where fewer than 5 % wait, 95 % wait 0 s."""
    assert 0.0 == wait_quantile_seconds(1.0, 1.0, 10)


def test_thousands_of_slots():
    """Neither overflow nor lost digits: 10,000 erlangs by the normal approximation of Halfin and Whitt."""
    beta = 1.0
    slots = round(10_000 + beta * 100)
    normal, density = 0.5 * (1 + math.erf(beta / math.sqrt(2))), math.exp(-(beta**2) / 2) / math.sqrt(2 * math.pi)

    assert pytest.approx(1 / (1 + beta * normal / density), rel=0.01) == waiting_probability(slots, 10_000.0)


@given(offered=st.floats(0.01, 200), slots=st.integers(1, 300))
def test_more_slots_wait_less(offered, slots):
    """A share is from 0 to 1, and one slot more never makes it larger."""
    now, more = waiting_probability(slots, offered), waiting_probability(slots + 1, offered)

    assert 0 <= more <= now <= 1
