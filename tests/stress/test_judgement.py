"""verdict, slo, theory and drift: what can be trusted, what was reached, what was to be expected, what has changed."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import BadOption
from imgpipe.stress.drift import drift_of
from imgpipe.stress.schedule import even, poisson
from imgpipe.stress.slo import Objective, check
from imgpipe.stress.summary import report_of
from imgpipe.stress.theory import expected
from imgpipe.stress.values import End, Report, Sending
from imgpipe.stress.verdict import judge, late_start
from stress_samples import run_of, trip

GOOD: dict[str, Any] = {"is_open": True, "offered_rate": 10.0, "achieved_rate": 9.9, "utilization": 0.5, "done": 100}


def sending(late: float = 0.001, cpu_share: float = 0.1, count: int = 100) -> Sending:
    """Return how a generator fared that was always equally late."""
    return Sending((late,) * count, 0.0, cpu_share)


def test_a_good_run_is_valid():
    """In time, with a core to spare, and as much as was planned."""
    verdict = judge(sending(), **GOOD)

    assert ("VALID", True, ()) == (verdict.word, verdict.is_valid, verdict.reasons)


@pytest.mark.parametrize(
    ("fared", "changed", "words"),
    [
        (sending(late=0.02), {}, "sent late"),
        (sending(cpu_share=0.81), {}, "busy 81 %"),
        (sending(), {"achieved_rate": 9.4}, "only 94 %"),
        (sending(), {"achieved_rate": 9.4, "utilization": None}, "only 94 %"),
        (sending(), {"done": 0}, "nothing to measure"),
    ],
)
def test_a_generator_that_cannot_keep_up_is_invalid(fared, changed, words):
    """Each reason is enough, and is said."""
    verdict = judge(fared, **(GOOD | changed))

    assert "INVALID" == verdict.word
    assert 1 == len(verdict.reasons)
    assert words in verdict.reasons[0]


def test_full_slots_are_not_the_generators_fault():
    """Where the other side cannot take more, less is sent than was planned, and the numbers are about that."""
    assert judge(sending(), **(GOOD | {"achieved_rate": 5.0, "utilization": 0.97})).is_valid


def test_a_closed_loop_cannot_be_late():
    """It sends when it can."""
    assert judge(sending(late=1.0), **(GOOD | {"is_open": False, "offered_rate": None})).is_valid


@pytest.mark.parametrize(("count", "name"), [(1000, "p99"), (200, "p95"), (100, "p90"), (20, "p50"), (19, "mean")])
def test_late_starts_are_judged_by_what_so_few_allow(count, name):
    """The highest percentile with ten starts beyond it, and the mean below that."""
    found, late = late_start(sending(late=0.004, count=count))

    assert name == found
    assert pytest.approx(0.004, rel=0.01) == late


@pytest.mark.parametrize(
    ("text", "share", "seconds"), [("p95=2s", 0.95, 2.0), ("P99.9 = 250 ms", 0.999, 0.25), ("p50=0.5s", 0.5, 0.5)]
)
def test_objectives_are_read(text, share, seconds):
    """A percentile and a time with its unit."""
    objective = Objective.parse(text)

    assert pytest.approx((share, seconds)) == (objective.share, objective.seconds)


@pytest.mark.parametrize("text", ["", "p95", "p95=2", "p0=1s", "p100=1s", "p95=0s", "95=2s", "p95=-1s", "p95=1m"])
def test_what_is_no_objective_is_refused(text):
    """The message shows what one looks like."""
    with pytest.raises(BadOption, match="p95=2s"):
        Objective.parse(text)


def report_with(undone: int = 0, late: tuple[float, ...] = (0.0,) * 20) -> Report:
    """Return the report of 200 tasks, the first `undone` of which failed; the others took 1 to 200 ms."""
    failed = [trip(number, number * 0.1, 0.01, end=End.FAILED) for number in range(undone)]
    done = [trip(number, number * 0.1, 0.001 * (number + 1)) for number in range(undone, 200)]
    return report_of(run_of(*failed, *done, late=late))


@pytest.mark.parametrize(
    ("text", "undone", "reached"),
    [
        ("p90=185ms", 0, True),
        ("p90=175ms", 0, False),
        ("p50=150ms", 90, False),  # 110 are done, of which the 100 fastest took up to 190 ms
        ("p50=195ms", 90, True),
        ("p90=10s", 21, False),  # more than a tenth has no time at all
    ],
)
def test_what_failed_was_not_in_time(text, undone, reached):
    """An objective is about all tasks: one that is not done counts as one that takes for ever."""
    assert reached == check(Objective.parse(text), report_with(undone)).is_reached


def test_too_few_tasks_reach_nothing():
    """p99 needs a thousand of them, and says so."""
    found = check(Objective.parse("p99=10s"), report_with())

    assert (False, "200 tasks, it needs 1000") == (found.is_reached, found.why)


def test_an_invalid_run_reaches_nothing():
    """However short its times are."""
    found = check(Objective.parse("p50=10s"), report_with(late=(0.5,) * 200))

    assert (False, "the run is INVALID") == (found.is_reached, found.why)


def test_random_arrivals_and_service_are_erlangs():
    """M/M/1 at half load waits as long as service takes: rho / (1 - rho) times the service time."""
    chance = random.Random(3)
    moments = poisson(50, 200, seed=3)
    services = [chance.expovariate(100) for _ in moments]
    theory = expected(moments, services, 0.010, 1)

    assert theory is not None
    assert "M/M/1" == theory.name
    assert pytest.approx((0.5, 0.010), rel=0.06) == (theory.utilization, theory.mean_seconds)


def test_even_arrivals_and_equal_service_wait_for_nobody():
    """Allen and Cunneen multiply by the variations, which are none."""
    theory = expected(even(10, 10), [0.05] * 100, 0.05, 1)

    assert theory is not None
    assert "G/G/1 by Allen and Cunneen" == theory.name
    assert pytest.approx(0.0, abs=1e-12) == theory.mean_seconds


def test_too_much_waits_for_ever():
    """Slots that cannot keep up have no steady state."""
    theory = expected(poisson(10, 60, 1), [0.3, 0.1] * 100, 0.2, 1)

    assert theory is not None
    assert math.inf == theory.mean_seconds == theory.p95_seconds


@pytest.mark.parametrize(
    ("moments", "services"),
    [(even(10, 1), [0.1] * 50), (even(10, 10), [0.1] * 5), ((0.0,) * 50, [0.1] * 50)],
)
def test_too_few_say_nothing(moments, services):
    """Nothing is expected of a few tasks, nor of a burst."""
    assert None is expected(moments, services, 0.1, 2)


@given(st.floats(-0.01, 0.05), st.integers(8, 40))
def test_a_line_drifts_as_it_rises(slope, count):
    """The slope of a straight line is found exactly, for ten minutes and relative to its middle."""
    points = [(float(number), 1.0 + slope * number) for number in range(count)]
    drift = drift_of(points)
    middle = 1.0 + slope * (count - 1) / 2

    assert drift is not None
    assert pytest.approx(600 * slope / middle, rel=1e-6, abs=1e-6) == drift.share
    assert drift.low <= drift.share <= drift.high
    assert (abs(drift.share) > 0.05) == drift.is_real


def test_a_wild_point_is_no_drift():
    """One stall among forty buckets does not make a run slower."""
    chance = random.Random(1)
    points = [(float(number), 1.0 + chance.uniform(-0.1, 0.1)) for number in range(40)]
    drift = drift_of([*points[:20], (20.5, 50.0), *points[20:]])

    assert drift is not None
    assert not drift.is_real
    assert drift.low < 0 < drift.high


def test_a_few_points_are_no_series():
    """Seven buckets say nothing about ten minutes."""
    assert None is drift_of([(float(number), 1.0) for number in range(7)])
