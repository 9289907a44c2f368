"""Estimates: rates and times from counters that only go up; what cannot be known yet is None."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.advice.histogram import Histogram
    from imgpipe.advice.signals import Signals

WINDOW_SECONDS = 60.0
SHORT_SECONDS = (15.0, 5.0)
LONGEST_SECONDS = 600.0
ENOUGH = 30
"""Tasks that have to end in a window. It is doubled until that is so."""

_LEAST_VARIABILITY, _MOST_VARIABILITY = 0.1, 25.0
_CLOSEST_SECONDS = 0.1  # of two entries: what happens between closer ones is chance
_STEADY = 0.2  # of the tasks there: if more have come or gone meanwhile, Little's law says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What a window of history shows.

    - `arrival_rate` per second, from `arrivals` in `arrival_seconds`; `is_short` if these are the last
      seconds, for the rate has just risen; `is_falling` if less has arrived lately, by more than chance.
    - `service_seconds` of slots' time for each of `finished` tries; `completion_rate` of them per second.
    - `arrival_variability`, `service_variability`: squared coefficients of variation, 1 where they are not known.
    - `slowest_seconds`: 99 % of tries took less.
    - `utilisation`: share of the slots' time in work.
    - `failure_share` of `judged` tasks; `lost` were given up because their workers died.
    - `little_mismatch`: how far, beyond chance, the number of tasks there differs from rate times time; None where
      they are not steady.
    """

    arrival_rate: float
    arrivals: int
    arrival_seconds: float
    is_short: bool
    is_falling: bool
    service_seconds: float | None
    completion_rate: float
    finished: int
    arrival_variability: float
    service_variability: float
    slowest_seconds: float | None
    utilisation: float | None
    judged: int
    failure_share: float | None
    lost: int
    little_mismatch: float | None

    @property
    def erlangs(self) -> float | None:
        """Slots that the arriving work keeps busy on average."""
        if self.service_seconds is not None:
            return self.arrival_rate * self.service_seconds
        return None if self.arrivals else 0.0

    @property
    def variability(self) -> float:
        """By what waits differ from those of M/M/c."""
        return (self.arrival_variability + self.service_variability) / 2


def estimate(history: Sequence[Signals]) -> Estimates | None:
    """Estimate from the newest entries; None where there are not two of them, or counters are not known."""
    history = unbroken(history)
    if len(history) < 2:
        return None
    seconds = WINDOW_SECONDS
    window = since(history, seconds)
    while _finished(window) < ENOUGH and seconds < LONGEST_SECONDS:
        seconds = min(2 * seconds, LONGEST_SECONDS)
        window = since(history, seconds)
    first, last = window[0], window[-1]
    elapsed = last.at_seconds - first.at_seconds
    usual = _counted_arrivals(window)
    counted = _latest_arrivals(usual)
    finished = _finished(window)
    busy_seconds = _busy(window)
    durations = _durations(window)
    failed, judged = _failed(window)
    return Estimates(
        arrival_rate=_rate(counted),
        arrivals=_arrived(counted),
        arrival_seconds=last.at_seconds - counted[0].at_seconds,
        is_short=counted is not usual,
        is_falling=_has_fallen(window, _rate(counted)),
        service_seconds=busy_seconds / finished if finished and busy_seconds > 0 else None,
        completion_rate=finished / elapsed,
        finished=finished,
        arrival_variability=_dispersion(since(history, LONGEST_SECONDS)),
        service_variability=_clipped(durations.variability if durations else None),
        slowest_seconds=durations.quantile_seconds(0.99) if durations else None,
        utilisation=utilisation(window),
        judged=judged,
        failure_share=failed / judged if judged else None,
        lost=(last.lost_total or 0) - (first.lost_total or 0),
        little_mismatch=_little_mismatch(window),
    )


def unbroken(history: Sequence[Signals]) -> Sequence[Signals]:
    """Return the newest entries whose counters are known and never fall: a new server begins again at 0.

    So does whoever looks twice within a tenth of a second.
    """
    begin = len(history)
    while begin > 0 and _is_counted(history[begin - 1]):
        if begin < len(history) and not _follows(history[begin], history[begin - 1]):
            break
        begin -= 1
    return history[begin:]


def since(history: Sequence[Signals], seconds: float) -> Sequence[Signals]:
    """Return the newest entries that span so many seconds, or all there are; at least two if there are two."""
    start = history[-1].at_seconds - seconds + 1e-6  # or rounding would take one entry more
    for index in range(len(history) - 2, -1, -1):
        if history[index].at_seconds <= start:
            return history[index:]
    return history


def utilisation(window: Sequence[Signals]) -> float | None:
    """Return what share of their time slots have worked; None where there were none."""
    available = sum((later.at_seconds - one.at_seconds) * (one.slots or 0) for one, later in pairwise(window))
    return _busy(window) / available if available > 0 else None


def _counted_arrivals(window: Sequence[Signals]) -> Sequence[Signals]:
    """Return the window, or the last minute if it is long because few tasks end, and what arrives has changed."""
    minute = since(window, WINDOW_SECONDS)
    has_changed = abs(_rate(minute) - _rate(window)) > 2 * math.sqrt(_rate(window) / WINDOW_SECONDS)
    return minute if has_changed else window


def _latest_arrivals(counted: Sequence[Signals]) -> Sequence[Signals]:
    """Return only the newest entries where more arrives than before: first those of 15 s, then those of 5 s."""
    for seconds in SHORT_SECONDS:
        newest = since(counted, seconds)
        if _rate(newest) - _rate(counted) > 2 * math.sqrt(_rate(counted) / seconds):
            counted = newest
    return counted


def _has_fallen(window: Sequence[Signals], rate: float) -> bool:
    """Whether less has arrived lately than `rate` lets expect."""
    return rate - _rate(since(window, SHORT_SECONDS[0])) > 2 * math.sqrt(rate / SHORT_SECONDS[0])


def _rate(window: Sequence[Signals]) -> float:
    return _arrived(window) / (window[-1].at_seconds - window[0].at_seconds)


def _is_counted(entry: Signals) -> bool:
    return None not in (entry.enqueued_total, entry.finished_total, entry.busy_seconds_total)


def _follows(later: Signals, earlier: Signals) -> bool:
    return (
        later.at_seconds - earlier.at_seconds >= _CLOSEST_SECONDS
        and _arrived((earlier, later)) >= 0
        and _finished((earlier, later)) >= 0
        and _busy((earlier, later)) >= 0
    )


def _arrived(window: Sequence[Signals]) -> int:
    return (window[-1].enqueued_total or 0) - (window[0].enqueued_total or 0)


def _finished(window: Sequence[Signals]) -> int:
    return (window[-1].finished_total or 0) - (window[0].finished_total or 0)


def _busy(window: Sequence[Signals]) -> float:
    return (window[-1].busy_seconds_total or 0.0) - (window[0].busy_seconds_total or 0.0)


def _failed(window: Sequence[Signals]) -> tuple[int, int]:
    """Count failures, and all tasks that have come to an end."""
    failed = (window[-1].failed_total or 0) - (window[0].failed_total or 0)
    return failed, failed + (window[-1].done_total or 0) - (window[0].done_total or 0)


def _durations(window: Sequence[Signals]) -> Histogram | None:
    first, last = window[0].durations, window[-1].durations
    return last.since(first) if last and first else None


def _dispersion(history: Sequence[Signals]) -> float:
    """Return variance by mean of arrivals between entries, 1 for random ones.

    By differences of neighbours, so that a rate that changes slowly does not look like arrivals in bursts.
    """
    steps = [(_arrived(pair), pair[1].at_seconds - pair[0].at_seconds) for pair in pairwise(history)]
    mean = sum(count for count, _ in steps) / len(steps)
    if mean <= 0 or len(steps) < 2:
        return 1.0
    usual = sum(seconds for _, seconds in steps) / len(steps)
    counts = [count * usual / seconds for count, seconds in steps]
    squares = sum((later - one) ** 2 for one, later in pairwise(counts))
    return _clipped(squares / 2 / (len(counts) - 1) / mean)


def _clipped(variability: float | None) -> float:
    return 1.0 if variability is None else min(max(variability, _LEAST_VARIABILITY), _MOST_VARIABILITY)


def _little_mismatch(window: Sequence[Signals]) -> float | None:
    """Return by how much more than chance the two sides of Little's law differ, None where it does not apply."""
    first, last = window[0], window[-1]
    if first.waited_seconds_total is None or last.waited_seconds_total is None or _finished(window) < ENOUGH:
        return None
    there = [entry.ready + entry.running for entry in window if entry.ready is not None and entry.running is not None]
    if len(there) < len(window) or not sum(there):
        return None
    mean = sum(there) / len(there)
    if abs(there[-1] - there[0]) > max(_STEADY * mean, 1):
        return None
    spent = last.waited_seconds_total - first.waited_seconds_total + _busy(window)
    chance = 2 / math.sqrt(sum(there))  # of looking at so few moments
    return max(abs(mean - spent / (last.at_seconds - first.at_seconds)) / mean - chance, 0.0)
