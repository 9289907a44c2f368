"""Rates: differences of counters, percentiles from counts, and Little's law."""

from __future__ import annotations

import random
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgpipe.monitor.rates import add, arrived, change, little, percentiles, settled
from imgpipe.monitor.values import Percentiles
from imgpipe.queue.values import DURATION_BOUNDS_SECONDS, ClassCounters

COUNTERS = st.builds(ClassCounters, **dict.fromkeys(("enqueued", "done", "failed", "lost"), st.integers(0, 10**12)))


def counts_of(times: list[float]) -> list[int]:
    """Count times by their bounds."""
    counts = [0] * (len(DURATION_BOUNDS_SECONDS) + 1)
    for time in times:
        counts[bisect_left(DURATION_BOUNDS_SECONDS, time)] += 1
    return counts


def test_change_is_field_by_field():
    """Every counter is subtracted, those of times as well."""
    older = ClassCounters(done=3, busy_seconds=1.5, waits=(1, *[0] * 11))
    newer = ClassCounters(done=10, busy_seconds=4.0, waits=(5, 2, *[0] * 10))

    assert ClassCounters(done=7, busy_seconds=2.5, waits=(4, 2, *[0] * 10)) == change(older, newer)


@pytest.mark.parametrize("newer", [ClassCounters(done=2), ClassCounters(done=3, waits=(0,) * 12)])
def test_counters_that_go_down_have_no_difference(newer):
    """They are those of another queue."""
    assert change(ClassCounters(done=3, waits=(1, *[0] * 11)), newer) is None


@given(COUNTERS, COUNTERS)
def test_sum_less_one_is_the_other(first, second):
    """Adding up and taking the difference undo each other."""
    assert second == change(first, add([first, second]))


def test_nothing_added_up_is_nothing():
    """Without classes, all counters are 0."""
    assert ClassCounters() == add([])


def test_what_arrives_and_what_settles():
    """Another try arrives again; lost and failed are at their end, too."""
    counters = ClassCounters(enqueued=10, retried=2, requeued=1, done=4, failed=2, lost=1)

    assert (13, 7) == (arrived(counters), settled(counters))


def test_no_times_no_percentiles():
    """What was never counted is unknown."""
    assert Percentiles() == percentiles([0] * 15, DURATION_BOUNDS_SECONDS, 0.0)


def test_percentiles_of_known_times():
    """They lie within the bounds of the true ones."""
    chance = random.Random(4)
    times = [chance.expovariate(3.0) for _ in range(5000)]
    found = percentiles(counts_of(times), DURATION_BOUNDS_SECONDS, sum(times))

    times.sort()
    for value, share in ((found.p50, 0.5), (found.p90, 0.9), (found.p95, 0.95), (found.p99, 0.99)):
        true = times[int(share * 5000)]
        assert value is not None
        bound = bisect_left(DURATION_BOUNDS_SECONDS, true)
        assert DURATION_BOUNDS_SECONDS[bound - 1] <= value <= DURATION_BOUNDS_SECONDS[bound]
    assert pytest.approx(sum(times) / 5000) == found.mean


@pytest.mark.parametrize(("count", "known"), [(1, ""), (2, "p50"), (10, "p90"), (20, "p95"), (100, "p99")])
def test_percentile_needs_enough_times(count, known):
    """A percentile above which no time can be expected is not shown."""
    found = percentiles(counts_of([0.3] * count), DURATION_BOUNDS_SECONDS, 0.3 * count)

    names = ["p50", "p90", "p95", "p99"]
    assert names[: names.index(known) + 1 if known else 0] == [
        name for name in names if getattr(found, name) is not None
    ]


def test_percentile_above_all_bounds_is_unknown_but_counted():
    """Nobody knows how long it was; that it was long is known."""
    found = percentiles(counts_of([0.1] * 60 + [500.0] * 40), DURATION_BOUNDS_SECONDS, 20_006.0)

    assert (None, None, 40) == (found.p90, found.p95, found.beyond)
    assert found.p50 is not None


@settings(max_examples=60)
@given(st.lists(st.integers(0, 10**9), min_size=15, max_size=15))
def test_percentiles_rise(counts):
    """Whatever was counted, a higher percentile is not lower."""
    found = percentiles(counts, DURATION_BOUNDS_SECONDS, 1.0)
    known = [value for value in (found.p50, found.p90, found.p95, found.p99) if value is not None]

    assert sorted(known) == known
    assert sum(counts) == found.count


def test_littles_law_holds_in_a_steady_queue():
    """A queue of 20 with 10 a second coming and going has waits of two seconds."""
    waiting = [(float(second), 20 + second % 2) for second in range(61)]

    law = little(waiting, ClassCounters(claimed=600, waited_seconds=1230.0), 60.0)

    assert law is not None
    assert pytest.approx([20.5, 20.5]) == [law.waiting, law.lambda_w]
    assert abs(law.mismatch) < 0.01


def test_numbers_that_do_not_fit():
    """Twice the waiting time that there can be is a mismatch of 100 %."""
    law = little([(float(second), 20) for second in range(61)], ClassCounters(claimed=600, waited_seconds=2400.0), 60.0)

    assert law is not None
    assert pytest.approx(1.0) == law.mismatch


@pytest.mark.parametrize(
    ("numbers", "claimed"),
    [([20] * 3, 600), ([20] * 60, 0), ([0] * 60, 600), (list(range(20, 80)), 600)],
    ids=["few looks", "nothing claimed", "nobody waits", "filling"],
)
def test_littles_law_says_nothing(numbers, claimed):
    """Where it does not hold, or too little is known, there is no check."""
    waiting = [(float(second), number) for second, number in enumerate(numbers)]

    assert little(waiting, ClassCounters(claimed=claimed, waited_seconds=10.0), 60.0) is None
