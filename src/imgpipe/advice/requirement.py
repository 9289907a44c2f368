"""Requirement: how many slots a rate of arrivals and a time in work ask for, by which rule; arithmetic on one draw."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imgpipe.advice.erlang import wait_quantile_seconds
from imgpipe.advice.reasons import Code

_ROUNDING = 1e-9  # 12 * 0.2 / 0.8 is 3 slots, whatever the last digit says
_UNREACHABLE = 10**9
_MOST_ERLANGS = 2000  # beyond, Erlang is slow, and saves next to nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """All that the number of slots depends on, but rate and time in work, which are drawn.

    `slots` are there or coming, and new ones take `start_seconds`. For a batch, `remaining` tasks are to be done by
    `deadline_seconds`, and nothing else counts; of a stream, `ready` tasks wait.
    """

    ready: int
    slots: int
    variability: float
    slowest_seconds: float
    start_seconds: float
    sample_seconds: float
    target_wait_seconds: float
    target_drain_seconds: float
    target_utilisation: float
    wait_quantile: float
    minimum: int
    maximum: int | None
    remaining: int = 0
    deadline_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Slots needed: `slots` between minimum and maximum, `unbounded` without a maximum, and what each rule asks for.

    `code` names the rule that asks for most. None: the rule does not apply.
    """

    slots: int
    unbounded: int
    code: Code
    utilisation: int | None = None
    latency: int | None = None
    backlog: int | None = None
    deadline: int | None = None


def need_of(arrival_rate: float, service_seconds: float, demand: Demand) -> Need:
    """Return the slots that are needed. More arrivals, longer tasks or a longer queue never need fewer."""
    if demand.deadline_seconds is not None:
        deadline = _for_deadline(service_seconds, demand, demand.deadline_seconds)
        return _bounded(deadline, Code.DEADLINE, demand, deadline=deadline)
    utilisation = _ceil(arrival_rate * service_seconds / demand.target_utilisation)
    backlog = _for_backlog(arrival_rate, service_seconds, demand)
    latency = _for_latency(arrival_rate, service_seconds, demand)
    most, code = utilisation, Code.UTILISATION
    if latency > most:
        most, code = latency, Code.LATENCY
    if backlog > most:
        most, code = backlog, Code.BACKLOG
    return _bounded(most, code, demand, utilisation=utilisation, latency=latency, backlog=backlog)


def slots_needed(arrival_rate: float, service_seconds: float, demand: Demand) -> int:
    """Return the same number of slots and nothing else, which is many times faster."""
    if demand.deadline_seconds is not None:
        most = _for_deadline(service_seconds, demand, demand.deadline_seconds)
    else:
        most = max(
            _ceil(arrival_rate * service_seconds / demand.target_utilisation),
            _for_backlog(arrival_rate, service_seconds, demand),
        )
        if _enough_for_latency(arrival_rate, service_seconds, demand) > most:
            most = max(most, _for_latency(arrival_rate, service_seconds, demand))
    most = max(most, demand.minimum)
    return most if demand.maximum is None else min(most, demand.maximum)


def _bounded(unbounded: int, code: Code, demand: Demand, **rules: int) -> Need:
    slots = max(unbounded, demand.minimum)
    if demand.maximum is not None:
        slots = min(slots, demand.maximum)
    return Need(slots=slots, unbounded=max(unbounded, demand.minimum), code=code, **rules)


def _for_latency(arrival_rate: float, service_seconds: float, demand: Demand) -> int:
    """Return the fewest slots with which waits stay below the target."""
    low, high = (
        math.floor(arrival_rate * service_seconds) + 1,
        _enough_for_latency(arrival_rate, service_seconds, demand),
    )
    if high <= low or low > _MOST_ERLANGS:
        return high
    while low < high:
        middle = (low + high) // 2
        wait = wait_quantile_seconds(
            arrival_rate, service_seconds, middle, quantile=demand.wait_quantile, variability=demand.variability
        )
        low, high = (low, middle) if wait <= demand.target_wait_seconds else (middle + 1, high)
    return low


def _enough_for_latency(arrival_rate: float, service_seconds: float, demand: Demand) -> int:
    """Return slots that suffice if every task had to wait: a bound without Erlang, which is slow for many slots."""
    offered = arrival_rate * service_seconds
    if offered <= 0:
        return 0
    longest = demand.variability * -math.log(1 - demand.wait_quantile)
    return max(_ceil(offered + longest / demand.target_wait_seconds * service_seconds), math.floor(offered) + 1)


def _for_backlog(arrival_rate: float, service_seconds: float, demand: Demand) -> int:
    """Return the slots that work off what waits in time, also when the missing ones have to be started first."""
    slots = _ceil((arrival_rate + demand.ready / demand.target_drain_seconds) * service_seconds)
    if slots > demand.slots:
        left = max(demand.target_drain_seconds - demand.start_seconds, demand.sample_seconds)
        slots = _ceil((arrival_rate + demand.ready / min(left, demand.target_drain_seconds)) * service_seconds)
    return slots


def _for_deadline(service_seconds: float, demand: Demand, deadline_seconds: float) -> int:
    """Return the slots that are through in time; the last task may be a slow one. One for each task if it is late."""
    work = demand.remaining * service_seconds
    if not work:
        return 0
    slots = _within(work, deadline_seconds - demand.slowest_seconds)
    if slots > demand.slots:
        slots = max(slots, _within(work, deadline_seconds - demand.start_seconds))
    return min(slots, demand.remaining)


def _within(work_seconds: float, seconds: float) -> int:
    return _UNREACHABLE if seconds <= 0 else _ceil(work_seconds / seconds)


def _ceil(value: float) -> int:
    return math.ceil(min(value, _UNREACHABLE) - _ROUNDING)
