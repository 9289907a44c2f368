"""Situation: everything about one class that the rules look at, derived once: estimates, need, wait, last change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from imgpipe.advice.draws import drawn_needs, upper
from imgpipe.advice.estimates import LONGEST_SECONDS, estimate, since
from imgpipe.advice.requirement import Demand, Need, need_of
from imgpipe.advice.signals import Objective
from imgpipe.advice.trail import Needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.advice.estimates import Estimates
    from imgpipe.advice.settings import AdviceSettings
    from imgpipe.advice.signals import Signals
    from imgpipe.advice.trail import Trail

_SHORTEST_REST_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One class at one moment.

    `slots` are there, `all_slots` are there or coming; None if that is unknown. `need` is None where it cannot be told,
    and for a batch without a deadline, of which no number is right or wrong. `wait_seconds` is the wait that is to be
    expected, for a batch with a deadline the time until it is over; `limit_seconds` is what that may be.
    `changed_seconds` ago the number of slots was another, None if that was not seen.
    """

    now: Signals
    history: Sequence[Signals]
    settings: AdviceSettings
    estimates: Estimates | None
    demand: Demand | None
    need: Need | None
    drawn: Sequence[int]
    start_seconds: float
    wait_seconds: float | None
    limit_seconds: float
    changed_seconds: float | None
    trail: Trail

    @property
    def slots(self) -> int:
        """Slots that are there, 0 if that is unknown."""
        return self.now.slots or 0

    @property
    def all_slots(self) -> int:
        """Slots that are there or coming, 0 if that is unknown."""
        return self.now.all_slots or 0

    @property
    def is_batch(self) -> bool:
        """Whether there is a batch to be worked off; one that is over asks for nothing any more."""
        return is_open_batch(self.now)

    @property
    def rest_seconds(self) -> float:
        """How long a change is given to show what it does."""
        return max(_SHORTEST_REST_SECONDS, self.start_seconds)

    @property
    def lacks_slots(self) -> bool:
        """Whether more are needed than are there or coming."""
        return self.need is not None and max(self.need.slots, self.need.unbounded) > self.all_slots


def situation_of(history: Sequence[Signals], settings: AdviceSettings, trail: Trail) -> Situation:
    """Look at a class; `history` has at least one entry, the newest last."""
    now = history[-1]
    history = since(history, LONGEST_SECONDS)
    estimates = estimate(history)
    start_seconds = settings.start_seconds if now.start_seconds is None else now.start_seconds
    demand = _demand(now, settings, estimates, start_seconds)
    need = _need(now, estimates, demand)
    drawn: Sequence[int] = ()
    if need is not None and estimates is not None and demand is not None:
        drawn = drawn_needs(estimates, demand, settings) or (need.slots,)
        likely = max(need.slots, upper(drawn))
        trail = trail.noted(Needed(now.at_seconds, need.slots, likely, estimates.erlangs or 0.0))
    deadline = now.deadline_seconds if is_open_batch(now) else None
    return Situation(
        now=now,
        history=history,
        settings=settings,
        estimates=estimates,
        demand=demand,
        need=need,
        drawn=drawn,
        start_seconds=start_seconds,
        wait_seconds=_wait_seconds(now, estimates),
        limit_seconds=settings.target_wait_seconds if deadline is None else deadline,
        changed_seconds=_changed_seconds(history),
        trail=trail,
    )


def is_open_batch(now: Signals) -> bool:
    """Whether tasks of a batch are left, or may be."""
    return now.objective is Objective.BATCH and now.remaining != 0


def _demand(now: Signals, settings: AdviceSettings, estimates: Estimates | None, start: float) -> Demand | None:
    if estimates is None or now.ready is None or now.all_slots is None:
        return None
    maximum = settings.maximum
    if maximum is None and now.hosts:
        # Whoever runs more slots than cores has his reasons: what waits for disks needs no core.
        maximum = max(sum(host.cores for host in now.hosts), now.all_slots, settings.minimum)
    return Demand(
        ready=now.ready,
        slots=now.all_slots,
        variability=estimates.variability,
        slowest_seconds=estimates.slowest_seconds or 0.0,
        start_seconds=start,
        sample_seconds=settings.sample_seconds,
        target_wait_seconds=settings.target_wait_seconds,
        target_drain_seconds=settings.target_drain_seconds,
        target_utilisation=settings.target_utilisation,
        wait_quantile=settings.wait_quantile,
        minimum=settings.minimum,
        maximum=maximum,
        remaining=now.remaining or 0,
        deadline_seconds=now.deadline_seconds if is_open_batch(now) and now.remaining is not None else None,
    )


def _need(now: Signals, estimates: Estimates | None, demand: Demand | None) -> Need | None:
    if estimates is None or demand is None or (is_open_batch(now) and demand.deadline_seconds is None):
        return None
    if estimates.service_seconds is not None:
        return need_of(estimates.arrival_rate, estimates.service_seconds, demand)
    nothing_to_do = not (estimates.arrivals or now.ready or now.running)
    return need_of(0.0, 0.0, replace(demand, deadline_seconds=None)) if nothing_to_do else None


def _wait_seconds(now: Signals, estimates: Estimates | None) -> float | None:
    """Return the wait to expect: as long as the oldest task has waited, or as what waits takes on these slots."""
    service = estimates.service_seconds if estimates else None
    slots = max(now.slots or 0, 1)
    if is_open_batch(now):
        if now.remaining is None or service is None or estimates is None:
            return None
        return now.remaining * service / slots + (estimates.slowest_seconds or 0.0)
    if service is None or now.ready is None:
        return now.oldest_wait_seconds
    return max(now.oldest_wait_seconds or 0.0, now.ready * service / slots)


def _changed_seconds(history: Sequence[Signals]) -> float | None:
    """Return how long ago the number of slots that are there or coming was another."""
    now = history[-1]
    for one, later in pairwise(reversed(history)):  # the newer of the two first
        if None not in (one.all_slots, later.all_slots) and one.all_slots != later.all_slots:
            return now.at_seconds - one.at_seconds
    return None
