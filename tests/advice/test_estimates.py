"""Estimates: exact rates are found, and what is not known stays unknown."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from advice_samples import past, then
from imgpipe.advice.estimates import estimate, since, unbroken
from imgpipe.advice.histogram import Histogram


def found(history):
    """Return the estimates, which must be there."""
    estimates = estimate(history)
    assert estimates is not None
    return estimates


def test_steady():
    """Rate, time in work, utilisation and erlangs of a class where all goes on evenly."""
    estimates = found(past(rate=12, service=0.25, slots=4))

    assert pytest.approx(12) == estimates.arrival_rate == estimates.completion_rate
    assert pytest.approx((0.25, 3.0, 0.75)) == (estimates.service_seconds, estimates.erlangs, estimates.utilisation)
    assert (720, 60.0, 720) == (estimates.arrivals, estimates.arrival_seconds, estimates.finished)
    assert not estimates.is_short
    assert not estimates.is_falling


@pytest.mark.parametrize("count", [0, 1])
def test_one_moment_says_nothing(count):
    """Rates need two moments."""
    assert estimate(past()[:count]) is None


@pytest.mark.parametrize("name", ["enqueued_total", "done_total", "failed_total", "busy_seconds_total"])
def test_unknown_counters(name):
    """A counter that is not known now is no zero: nothing is estimated."""
    assert estimate(then(past(), **{name: None})) is None


def test_new_server():
    """Counters that fall begin again: only what comes after counts."""
    old = past(60, rate=50)
    new = past(60, rate=10, begin=replace(old[-1], enqueued_total=0, done_total=0, busy_seconds_total=0.0))

    assert new == unbroken(old + new)
    assert pytest.approx(10) == found(old + new).arrival_rate


def test_clock_set_back():
    """So do entries whose time falls."""
    old = past(60)
    new = [replace(entry, at_seconds=entry.at_seconds - 3600) for entry in past(60, begin=old[-1])]

    assert new == unbroken(old + new)


def test_two_looks_at_nearly_the_same_time():
    """Between them, nothing can be counted."""
    history = past()
    soon = replace(history[-1], at_seconds=history[-1].at_seconds + 0.01, enqueued_total=9000)

    assert estimate([*history, soon]) is None


def test_rise_is_seen_at_once():
    """The first 5 s in which more arrives than chance explains give the new rate, not a mixture."""
    old = past(120, rate=10)
    estimates = found(old + past(5, rate=30, begin=old[-1]))

    assert (30.0, True) == (estimates.arrival_rate, estimates.is_short)


def test_fall_is_told():
    """What has fallen is not taken for chance."""
    old = past(120, rate=30)

    assert found(old + past(15, rate=10, begin=old[-1])).is_falling


def test_chance_is_no_change():
    """20 % more in 15 s is chance."""
    old = past(120, rate=10)
    estimates = found(old + past(15, rate=12, begin=old[-1]))

    assert not estimates.is_short
    assert pytest.approx(10.5, rel=0.01) == estimates.arrival_rate


def test_long_tasks_get_a_long_window():
    """The window doubles until 30 tasks have ended in it."""
    history = past(600, rate=0.2, service=60, slots=15)
    estimates = found(history)

    assert estimates.finished >= 30
    assert pytest.approx(240) == estimates.arrival_seconds
    assert pytest.approx(0.2, rel=0.1) == estimates.arrival_rate


def test_end_of_a_burst_is_not_smeared():
    """When nothing has come for a minute, the rate is 0, even if the window is ten."""
    burst = past(30, rate=100, done_rate=100)
    estimates = found(burst + past(300, rate=0, begin=burst[-1]))

    assert (0.0, 0.0) == (estimates.arrival_rate, estimates.erlangs)


def test_nothing_has_ended():
    """Without an end, time in work and erlangs are unknown, not 0."""
    estimates = found(past(rate=10, done_rate=0))

    assert (None, None) == (estimates.service_seconds, estimates.erlangs)


def test_nothing_to_do():
    """Where nothing arrives, the work is 0, whatever a task would take."""
    assert 0.0 == found(past(rate=0)).erlangs


def test_failures_and_lost():
    """Failures count for the share, and so do tasks whose workers died; tries that are repeated do not."""
    history = past(60, rate=10)
    last = history[-1]
    estimates = found(then(history, failed_total=200, lost_total=3, retried_total=7))

    assert (800, 3) == (estimates.judged, estimates.lost)
    assert pytest.approx(0.25) == estimates.failure_share
    assert 600 + 200 + 7 == estimates.finished == (last.done_total or 0) - 1000 + 207


@pytest.mark.parametrize(("every", "expected"), [(1, 1.0), (10, 10.0)])
def test_dispersion(every, expected):
    """Arrivals one by one at random have 1, those in tens 10."""
    chance = random.Random(3)
    entries, count = [], 1000
    for entry in past(600, rate=20):
        entries.append(replace(entry, enqueued_total=count))
        count += every * sum(chance.random() < 0.1 for _ in range(round(100 / every / 0.1)))

    # A binomial count with a chance of 1 in 10 varies a tenth less than a Poisson one.
    assert pytest.approx(0.9 * expected, rel=0.3) == found(entries).arrival_variability


def test_variability_of_service():
    """It comes from the durations of the window, and is 1 without them."""
    empty, half = Histogram((1.0, 2.0), (0, 0, 0)), Histogram((1.0, 2.0), (300, 0, 300))
    history = past(60)

    assert 1.0 == found(history).service_variability
    history = [replace(history[0], durations=empty), *history[1:-1], replace(history[-1], durations=half)]
    assert pytest.approx(0.36) == found(history).service_variability  # of 0.71 s and 2.83 s, as often


@pytest.mark.parametrize(("waited", "expected"), [(0.0, 0.0), (30.0, 0.0), (3000.0, None)])
def test_little(waited, expected):
    """A queue that fits to rate and time shows no mismatch; waits that nobody saw waiting do."""
    history = past(60, rate=50, slots=12, running=10)
    first = replace(history[0], waited_seconds_total=0.0)
    mismatch = found([first, *history[1:-1], replace(history[-1], waited_seconds_total=waited)]).little_mismatch

    assert mismatch is not None
    assert (expected == 0.0) == (mismatch == 0.0)


def test_little_needs_a_steady_state():
    """A queue that grows says nothing: its waits are counted when they are over."""
    history = [replace(entry, waited_seconds_total=0.0) for entry in past(60, rate=50, slots=12, running=10)]

    assert found(history).little_mismatch is not None
    assert found(then(history, ready=500)).little_mismatch is None


def test_since_takes_what_spans_the_time():
    """The newest entries that span the seconds, or all; never one alone."""
    history = past(60)

    assert history[-4:] == since(history, 15)
    assert history[-2:] == since(history, 1)
    assert history == since(history, 1000)
