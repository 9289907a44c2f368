"""Eta: when a run will be over, checked against runs whose end is known."""

from __future__ import annotations

import heapq
import random

import pytest

from imgpipe.monitor.eta import WINDOW_SECONDS, eta


def heavy_tailed_run(seed: int, slots: int = 4, pictures: int = 1500) -> list[float]:
    """Return when each picture of a run was done; most take a quarter of a second, some of them many seconds."""
    chance = random.Random(seed)
    free = [0.0] * slots
    ends = []
    for _ in range(pictures):
        start = heapq.heappop(free)
        end = start + chance.lognormvariate(-1.4, 1.2)
        heapq.heappush(free, end)
        ends.append(end)
    return sorted(ends)


def test_nothing_is_said_at_the_beginning():
    """The first pictures of each slot include the start of workers; two more of each are needed, and three seconds."""
    seen = [(float(second), second) for second in range(12)]

    assert eta(seen[:5], 100, 2, (0.0, 0.0)) is None
    assert eta(seen[:3], 100, 1, (0.0, 0.0)) is None
    assert eta(seen, 100, 2, (0.0, 0.0)) is not None


def test_no_history_no_estimate():
    """Nothing was seen, nothing is said."""
    assert eta([], 100, 4, (0.0, 0.0)) is None


def test_steady_run_has_a_narrow_range():
    """Ten a second, 600 left: a minute."""
    found = eta([(float(second), 10 * second) for second in range(60)], 600, 2, (0.1, 0.5))

    assert found is not None
    assert pytest.approx([60.0, 60.1, 60.5]) == [found.p10, found.p50, found.p90]


def test_same_history_same_estimate():
    """There is chance in it, but always the same."""
    chance = random.Random(2)
    seen, done = [], 0
    for second in range(100):
        done += chance.randrange(20)
        seen.append((float(second), done))

    assert eta(seen, 500, 2, (0.1, 0.5)) == eta(seen, 500, 2, (0.1, 0.5))


def test_run_that_stands_still_has_a_finite_estimate():
    """Pictures done long ago and none since give an end far away, not an error."""
    seen = [(0.0, 0), (1.0, 10), (2.0, 20), *((float(second), 20) for second in range(3, 200))]

    found = eta(seen, 100, 2, (0.1, 0.5))

    assert found is not None
    assert 100 < found.p50 < float("inf")


def test_range_holds_the_truth():
    """From a fifth of a heavy-tailed run on, the end lies between p10 and p90 in most cases, and near the middle."""
    inside, errors = [], []
    for seed in range(6):
        ends = heavy_tailed_run(seed)
        second, counts, seen = 0, 0, []
        while second < ends[-1] * 0.9:
            counts = next((n for n, end in enumerate(ends) if end > second), len(ends))
            seen.append((float(second), counts))
            if counts > len(ends) / 5 and second % 5 == 0:
                window = [entry for entry in seen if entry[0] >= second - WINDOW_SECONDS]
                found = eta(window, len(ends) - counts, 4, (0.5, 4.0))
                assert found is not None
                truth = ends[-1] - second
                inside.append(found.p10 <= truth <= found.p90)
                errors.append(abs(found.p50 - truth) / truth)
            second += 1
    errors.sort()

    assert len(inside) > 60
    assert sum(inside) / len(inside) >= 0.7
    assert errors[int(0.7 * len(errors))] <= 0.15
