"""Rates: how often and how long, from counters that only go up; pure functions, None where too little is known."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from imgpipe.monitor.values import Little, Percentiles
from imgpipe.queue.values import ClassCounters

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEADY = 0.2  # of those that wait: if more have come or gone, Little's law says nothing
_LEAST_WAITING = 1.0


def change(older: ClassCounters, newer: ClassCounters) -> ClassCounters | None:
    """Return what has happened between two readings; None if a counter went down: it is another queue by now."""
    values: dict[str, Any] = {}
    for field in fields(ClassCounters):
        new, old = getattr(newer, field.name), getattr(older, field.name)
        if isinstance(new, tuple):
            values[field.name] = tuple(b - a for a, b in zip(old, new, strict=True))
        else:
            values[field.name] = new - old
    if any(min(value) < 0 if isinstance(value, tuple) else value < 0 for value in values.values()):
        return None
    return ClassCounters(**values)


def add(counters: Sequence[ClassCounters]) -> ClassCounters:
    """Add up the counters of several classes."""
    values: dict[str, Any] = {}
    for field in fields(ClassCounters):
        each = [getattr(one, field.name) for one in counters]
        if isinstance(field.default, tuple):
            values[field.name] = tuple(map(sum, zip(*each, strict=True))) if each else field.default
        else:
            values[field.name] = sum(each)
    return ClassCounters(**values)


def arrived(counters: ClassCounters) -> int:
    """Tasks that have begun to wait, another try counted again."""
    return counters.enqueued + counters.retried + counters.requeued


def settled(counters: ClassCounters) -> int:
    """Tasks that are at their end."""
    return counters.done + counters.failed + counters.lost


def percentiles(counts: Sequence[int], bounds: Sequence[float], total_seconds: float) -> Percentiles:
    """Return percentiles of times that were counted by their bounds, the last count being of those above all.

    Within a bound they are taken to be spread evenly. A percentile is there if at least one time is expected above it.
    """
    count = sum(counts)
    if not count:
        return Percentiles()
    named = {f"p{share}": _percentile(counts, bounds, share, count) for share in (50, 90, 95, 99)}
    return Percentiles(**named, mean=total_seconds / count, count=count, beyond=counts[-1])


def little(waiting: Sequence[tuple[float, int]], done: ClassCounters, seconds: float) -> Little | None:
    """Check Little's law over `seconds`: `waiting` is how many waited at each time, `done` what happened meanwhile.

    None while the number of those that wait changes too much, or hardly any wait: then it does not hold.
    """
    if len(waiting) < 5 or not done.claimed or seconds <= 0:
        return None
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(waiting))
    mean = area / (waiting[-1][0] - waiting[0][0])
    if mean < _LEAST_WAITING or max(number for _, number in waiting) - min(number for _, number in waiting) > (
        _STEADY * mean
    ):
        return None
    lambda_w = done.waited_seconds / seconds  # (claimed / seconds) · (waited / claimed)
    return Little(waiting=mean, lambda_w=lambda_w, mismatch=(lambda_w - mean) / mean)


def _percentile(counts: Sequence[int], bounds: Sequence[float], share: int, count: int) -> float | None:
    if count * (100 - share) < 100:
        return None
    wanted, seen, low = count * share / 100, 0, 0.0
    for bound, number in zip(bounds, counts, strict=False):
        if number and seen + number >= wanted:
            return low + (bound - low) * (wanted - seen) / number
        seen, low = seen + number, bound
    return None
