"""History: what is kept of a value, for how long, and in how much memory."""

from __future__ import annotations

from itertools import pairwise

import pytest

from imgpipe.monitor.history import History


@pytest.fixture
def history() -> History[int]:
    """Return a history of squares, one a second for two hours."""
    history: History[int] = History()
    for second in range(7200):
        history.add(float(second), second * second)
    return history


def test_empty():
    """Nothing has neither a last nor an oldest value."""
    history: History[int] = History()

    assert (None, None, []) == (history.last(), history.oldest(60.0), history.within(60.0))


def test_one_value_is_not_two():
    """A single value is the last one, and there is none to compare it with."""
    history: History[int] = History()
    history.add(5.0, 1)

    assert ((5.0, 1), None) == (history.last(), history.oldest(60.0))


def test_what_is_compared_by_those_who_look_seldom():
    """Where nothing was seen in the last minute, the last look before it has to do."""
    history: History[int] = History()
    for hour in range(3):
        history.add(3600.0 * hour, hour)

    assert (3600.0, 1) == history.oldest(60.0)
    assert [(7200.0, 2)] == history.within(60.0)


def test_last_minute_is_there_second_by_second(history):
    """Every value of the last ten minutes is there."""
    expected = [(float(second), second * second) for second in range(7139, 7200)]

    assert expected == history.within(60.0)
    assert expected[0] == history.oldest(60.0)


def test_last_hour_is_there_in_steps(history):
    """What is older than ten minutes is there every ten seconds, in order, without a gap, for an hour."""
    times = [at for at, _ in history.within(1e9)]
    apart = [after - before for before, after in pairwise(times)]

    assert pytest.approx(3600, abs=20) == times[-1] - times[0]
    assert 600 <= apart.count(1.0)
    assert 10.0 == max(apart)


def test_memory_is_bounded(history):
    """Two hours of values are not kept."""
    assert 1020 >= sum(len(ring) for ring in history._rings)


def test_values_that_come_too_fast_take_each_others_place():
    """However often somebody looks, the newest value is there, and the rings hold as long as they should."""
    history: History[int] = History()
    for tenth in range(20_000):
        history.add(tenth / 10, tenth)

    assert (1999.9, 19_999) == history.last()
    assert 590 <= history._rings[0][-1][0] - history._rings[0][0][0] <= 660


def test_clear(history):
    """Nothing is left."""
    history.clear()

    assert [] == history.within(1e9)
