"""Summary: makes a report of what was written down; arithmetic, nothing is measured here."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING

from imgpipe.stress.drift import drift_of
from imgpipe.stress.histogram import Histogram
from imgpipe.stress.theory import expected
from imgpipe.stress.values import Bucket, End, Recovery, Report
from imgpipe.stress.verdict import ACHIEVED_SHARE, judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.stress.theory import Theory
    from imgpipe.stress.values import Drift, Fault, Run, Trip

_MOST_BUCKETS = 30
_WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
_LEAST_LOOKS = 3
_RAMP_PARTS = 8
_LEAST_IN_PART = 3  # tasks: fewer say nothing about a rate


def report_of(run: Run) -> Report:
    """Say all that can be said of a run."""
    done = [trip for trip in run.trips if trip.end is End.DONE]
    services = [trip.service_seconds for trip in done if trip.service_seconds is not None]
    ended = [trip.ended for trip in run.trips if trip.ended is not None and trip.end is not End.REFUSED]
    seconds = max(ended, default=run.seconds)
    total = Histogram.of(_since(trip, trip.intended) for trip in done)
    offered, achieved = _rate([trip.intended for trip in run.trips]), _rate([trip.begun for trip in run.trips])
    utilization = _utilization(run, seconds)
    buckets = _buckets(run)
    rest = Histogram.of(
        max(_since(trip, trip.intended) - trip.service_seconds, 0.0)
        for trip in done
        if trip.service_seconds is not None
    )
    return Report(
        run=run,
        verdict=judge(
            run.sending,
            is_open=run.plan.is_open,
            offered_rate=offered if run.plan.is_open else None,
            achieved_rate=achieved,
            utilization=utilization,
            done=len(done),
        ),
        ends={end: sum(trip.end is end for trip in run.trips) for end in End},
        lost=sum(trip.end is End.LOST or _has_vanished(trip, run) for trip in run.trips),
        codes=_codes(run.trips),
        offered_rate=offered if run.plan.is_open else None,
        achieved_rate=achieved,
        throughput=len(done) / seconds if seconds > 0 else 0.0,
        total=total,
        uncorrected=Histogram.of(_since(trip, trip.begun) for trip in done),
        service=Histogram.of(services),
        rest=rest,
        overhead_seconds=_overhead(run, rest),
        utilization=utilization,
        theory=_theory(run, services),
        little=_little(run, done),
        buckets=buckets,
        recoveries=tuple(_recovery(fault, run.trips) for fault in run.faults),
        drift=_drift(run, buckets),
        drained=_drained(run),
        most_sustained=_most_sustained(run),
    )


def _since(trip: Trip, moment: float) -> float:
    assert trip.ended is not None  # it is done
    return trip.ended - moment


def _has_vanished(trip: Trip, run: Run) -> bool:
    return trip.end is End.OPEN and trip.taken is not None and not run.interrupted


def _rate(moments: Sequence[float]) -> float | None:
    """Return tasks for each second, None where all have one moment."""
    span = max(moments) - min(moments) if moments else 0.0
    return (len(moments) - 1) / span if span > 0 else None


def _codes(trips: Sequence[Trip]) -> Mapping[End, Mapping[str, int]]:
    codes: dict[End, Counter[str]] = {}
    for trip in trips:
        if trip.code and trip.end is not End.DONE:
            codes.setdefault(trip.end, Counter())[trip.code] += 1
    return codes


def _utilization(run: Run, seconds: float) -> float | None:
    """Return which share of the slots' time our tasks took."""
    account = run.account
    if account is None or not account.slots or seconds <= 0:
        return None
    return account.busy_seconds / (account.slots * seconds)


def _overhead(run: Run, rest: Histogram) -> float | None:
    """Return what of the rest was no waiting: sending, the worker's own preparations, and the way back."""
    waited = None if run.account is None else run.account.waited_seconds
    return None if waited is None or rest.mean is None else rest.mean - waited


def _theory(run: Run, services: Sequence[float]) -> Theory | None:
    account = run.account
    if not run.plan.is_steady or account is None or not account.alike or not account.done:
        return None
    return expected([trip.intended for trip in run.trips], services, account.busy_seconds / account.done, account.slots)


def _little(run: Run, done: Sequence[Trip]) -> tuple[float, float] | None:
    """Return the mean number of tasks in the queue and in work by looking, and by Little's law: rate times stay.

    Both over the time in which tasks were sent: what comes after is no steady state.
    """
    end = max((trip.begun for trip in run.trips), default=0.0)
    looks = [look for look in run.looks if look.at <= end]
    if not run.plan.is_steady or len(looks) < _LEAST_LOOKS or not done or len(done) != len(run.trips):
        return None
    stay = sum(min(trip.ended, end) - trip.begun for trip in done if trip.ended is not None and trip.begun < end)
    return statistics.fmean(look.waiting + look.running for look in looks), stay / end


def _buckets(run: Run) -> tuple[Bucket, ...]:
    """Cut the time in which tasks were to be sent into parts of one width; the last one is marked if it is shorter."""
    end = max((trip.intended for trip in run.trips), default=0.0)
    planned = run.plan.seconds or (run.plan.moments[-1] if run.plan.moments else 0.0)
    width = next((width for width in _WIDTHS if max(end, planned) / width <= _MOST_BUCKETS), _WIDTHS[-1])
    groups: dict[int, list[Trip]] = {}
    for trip in run.trips:
        groups.setdefault(int(trip.intended / width), []).append(trip)
    ends = Counter(int(trip.ended / width) for trip in run.trips if trip.ended is not None)
    last = max(groups, default=-1)
    # A full last part would have been followed by another task, so it is never known to be whole.
    return tuple(
        _bucket(number, width, groups.get(number, []), ends[number], partial=number == last)
        for number in range(last + 1)
    )


def _bucket(number: int, width: float, trips: Sequence[Trip], ended: int, *, partial: bool) -> Bucket:
    times = [_since(trip, trip.intended) for trip in trips if trip.end is End.DONE]
    middle = statistics.median(times) if times else None
    return Bucket(number * width, width, len(trips), ended, middle, max(times, default=None), partial)


def _recovery(fault: Fault, trips: Sequence[Trip]) -> Recovery:
    """Return how long it took until all tasks of a killed worker had ended, or until Redis gave a result again."""
    if fault.kind == "killed":
        of_it = [trip for trip in trips if trip.number in set(fault.held)]
        ends = [trip.ended for trip in of_it if trip.ended is not None]
        recovered = max(ends, default=fault.at) if len(ends) == len(of_it) else None
        return Recovery(fault, None if recovered is None else recovered - fault.at, len(of_it))
    after = [trip.ended for trip in trips if trip.ended is not None and trip.ended > fault.over]
    affected = sum(trip.begun < fault.over and (trip.ended is None or trip.ended > fault.at) for trip in trips)
    return Recovery(fault, min(after) - fault.over if after else None, affected)


def _drift(run: Run, buckets: Sequence[Bucket]) -> Drift | None:
    points = [(bucket.start, bucket.p50) for bucket in buckets if bucket.p50 is not None and not bucket.partial]
    return drift_of(points) if run.plan.kind == "sustained" else None


def _drained(run: Run) -> tuple[bool, ...]:
    """Return for each burst whether all of it had come to its end when the next one came."""
    if run.plan.kind != "burst":
        return ()
    starts = sorted(set(run.plan.moments))
    nexts = [*starts[1:], float("inf")]
    return tuple(
        all(trip.ended is not None and trip.ended <= after for trip in run.trips if trip.intended == start)
        for start, after in zip(starts, nexts, strict=True)
    )


def _most_sustained(run: Run) -> float | None:
    """Return the highest rate of a ramp that was kept up with, None if there was none.

    The ramp is cut into parts; one is kept up with if as many tasks ended in it as were to be sent in it. One may be on
    its way from the one to the next.
    """
    span = max((trip.intended for trip in run.trips), default=0.0)
    if not run.plan.is_ramp or span <= 0:
        return None
    width = span / _RAMP_PARTS
    offered = Counter(min(int(trip.intended / width), _RAMP_PARTS - 1) for trip in run.trips)
    ended = Counter(int((trip.ended or 0.0) / width) for trip in run.trips if trip.end is End.DONE)
    kept_up = [
        count / width
        for part, count in offered.items()
        if count >= _LEAST_IN_PART and ended[part] >= ACHIEVED_SHARE * count - 1
    ]
    return max(kept_up, default=None)
