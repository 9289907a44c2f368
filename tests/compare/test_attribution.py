"""Attribution: the shares of a worker's time, from numbers made up so that the answer is known."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparison_samples import one_pass, result
from imgpipe.compare.attribution import cpu_seconds, memory_share, shares_of
from imgpipe.compare.values import Pass


def test_one_worker_is_blocked_by_something_outside():
    """Of 0.1 s for each task, 0.08 s it computes, 0.01 s it has no core; the rest can only be I/O."""
    shares = shares_of([one_pass()], 1, outside_seconds=None)

    assert pytest.approx((0.8, 0.1, 0.0, 0.1, 0.0)) == dataclasses.astuple(shares)


def test_threads_are_blocked_by_the_gil_beyond_that():
    """One thread alone was blocked for 0.03 s in a pass; two threads are for 0.2 s: 0.17 s must be the GIL."""
    measured = one_pass(2, cpu=0.04)  # 4 tasks blocked for 0.05 s each

    shares = shares_of([measured], 2, outside_seconds=0.03)

    assert pytest.approx((0.4, 0.1, 0.17 / 0.4, 0.03 / 0.4, 0.0)) == dataclasses.astuple(shares)


def test_time_without_a_task_is_idle():
    """A pass that takes twice as long as its tasks leaves half of the time without any."""
    measured = one_pass()

    shares = shares_of([dataclasses.replace(measured, seconds=0.8)], 1, outside_seconds=None)

    assert pytest.approx(0.5) == shares.idle
    assert pytest.approx(0.4) == shares.run


def test_unknown_queue_is_unknown():
    """Where the system does not tell, the share is None and not zero; the time counts as blocked."""
    shares = shares_of([one_pass(queue=None)], 1, outside_seconds=None)

    assert shares.core is None
    assert pytest.approx(0.2) == shares.io


def test_result_without_usage_counts_as_idle():
    """A worker that died has told nothing; that is no reason to fail."""
    lost = Pass(0.1, (dataclasses.replace(result(1, "w", started=0.0), usage=None),))

    shares = shares_of([lost], 1, outside_seconds=0.0)

    assert (0.0, 1.0) == (shares.run, shares.idle)


times = st.floats(0, 2)


@given(st.lists(st.tuples(times, times, times), min_size=1, max_size=5), st.integers(1, 4), times, st.none() | times)
def test_shares_add_up(tasks, workers, seconds, outside):
    """Whatever the clocks say, no share is below 0, and all add up to 1."""
    results = tuple(result(n, "w", started=0.0, wall=w, cpu=c, queue=q) for n, (w, c, q) in enumerate(tasks))

    shares = dataclasses.astuple(shares_of([Pass(seconds, results)], workers, outside_seconds=outside))

    assert all(share >= 0 for share in shares)
    assert sum(shares) == pytest.approx(1) or sum(shares) == 0


def test_processor_time_is_that_of_a_pass():
    """Passes are averaged."""
    assert pytest.approx(0.32) == cpu_seconds([one_pass(), one_pass()])
    assert cpu_seconds([]) == 0


def test_waiting_for_memory():
    """The stage `wait` is set against the time of all workers."""
    measured = one_pass(2, stages={"wait": 0.05, "filter": 0.05})

    assert pytest.approx(0.5) == memory_share([measured], 2)
