"""Lease: it ends when the queue may think so at the latest, and what was begun under an old one is not published."""

from __future__ import annotations

import pytest

from imgpipe.children.fence import fence_clock
from imgpipe.children.process import make_fence
from imgpipe.errors import BadOption
from imgpipe.worker.lease import Lease
from imgpipe.worker.settings import WorkerSettings


def test_nothing_begins_without_a_lease():
    """Before the queue has answered, the fence is closed and nothing starts."""
    fence = make_fence()

    lease = Lease(15.0, fence)

    assert (False, False) == (lease.may_start, fence.is_open(fence.term))


@pytest.mark.parametrize(
    ("seconds", "ago", "may_start", "may_publish"),
    [(15, 1, True, True), (15, 12.5, True, True), (15, 13.5, False, True), (15, 16, False, False),
     (1, 0.5, True, True), (1, 0.95, False, True)],
)  # fmt: skip
def test_it_is_counted_from_the_call(seconds, ago, may_start, may_publish):
    """Two seconds before its end, or 15 % of it, nothing starts; at its end, nothing is published."""
    fence = make_fence()
    lease = Lease(seconds, fence)
    lease.begin(fence_clock() - 100)
    term = fence.term

    lease.renew(fence_clock() - ago)

    assert (may_start, may_publish) == (lease.may_start, fence.is_open(term))


def test_an_answer_that_comes_late_takes_nothing_back():
    """Two threads renew it: the call that was made later counts, in whatever order the answers come."""
    lease = Lease(15.0, make_fence())
    lease.renew(fence_clock())

    lease.renew(fence_clock() - 30)

    assert lease.may_start


def test_a_new_lease_after_the_end_of_the_old_one_begins_a_term():
    """Others may have had our tasks: what was begun before is not published any more. Otherwise it is."""
    fence = make_fence()
    lease = Lease(15.0, fence)
    lease.begin(fence_clock())
    first = fence.term
    lease.begin(fence_clock())
    assert fence.is_open(first)
    lapsed = make_fence()
    lease = Lease(15.0, lapsed)
    lease.begin(fence_clock() - 16)
    old = lapsed.term

    lease.begin(fence_clock())

    assert (False, True) == (lapsed.is_open(old), lapsed.is_open(lapsed.term))


@pytest.mark.parametrize(
    "wrong", [{"slots": 0}, {"lease_seconds": 0.01}, {"max_jobs": 0}, {"roots": ("/no/such",)}, {"labels": {"A b"}}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    """With the name of what is wrong, before anything begins."""
    with pytest.raises(BadOption):
        WorkerSettings(**({"name": "w", "labels": frozenset()} | wrong))
