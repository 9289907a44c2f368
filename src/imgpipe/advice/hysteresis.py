"""Hysteresis: whether what is needed is worth a change now: up quickly and in steps, down late and slowly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imgpipe.advice.reasons import Hold
from imgpipe.advice.trail import QUIET_SECONDS
from imgpipe.advice.verdict import Verdict, numbers_of

if TYPE_CHECKING:
    from imgpipe.advice.reasons import Number
    from imgpipe.advice.requirement import Need
    from imgpipe.advice.situation import Situation

_DEAD_BAND = 0.1
_TIGHT = 0.85
_CHANCE = 0.01
_FAR_BEYOND = 3  # times the limit: too late for steps
_REST_SECONDS = 60.0
_LONGEST_GAP = 3  # samples


def decide(situation: Situation, need: Need) -> Verdict:
    """Return what to do about the need."""
    if need.slots > situation.all_slots:
        return _up(situation, need)
    if need.unbounded > situation.all_slots:
        return _verdict(situation, need, None, Hold.AT_MAXIMUM)
    if need.slots < situation.slots:
        return _down(situation, need)
    return _verdict(situation, need, None, Hold.ENOUGH)


def _up(situation: Situation, need: Need) -> Verdict:
    slots = situation.all_slots
    wait, limit = situation.wait_seconds or 0.0, situation.limit_seconds
    if wait <= limit:
        if need.slots - slots <= _DEAD_BAND * slots:
            return _verdict(situation, need, None, Hold.NEARLY_THERE)
        if not (_was_seen_before(situation) or _is_certain(situation)):
            return _verdict(situation, need, None, Hold.ONCE_IS_CHANCE)
    most = math.inf if wait > _FAR_BEYOND * limit else max(2 * situation.slots, situation.slots + 4, slots + 1)
    if need.slots > most:
        return _verdict(situation, need, int(most), Hold.IN_STEPS)
    return _verdict(situation, need, need.slots, Hold.AT_MAXIMUM if need.unbounded > need.slots else None)


def _was_seen_before(situation: Situation) -> bool:
    moments = situation.trail.moments
    if len(moments) < 2:
        return False
    gap = moments[-1].at_seconds - moments[-2].at_seconds
    return moments[-2].slots > situation.all_slots and gap <= _LONGEST_GAP * situation.settings.sample_seconds


def _is_certain(situation: Situation) -> bool:
    """Whether hardly a draw is content with the slots there: so clear, once is no chance."""
    content = sum(needed <= situation.all_slots for needed in situation.drawn)
    return content <= _CHANCE * len(situation.drawn)


def _down(situation: Situation, need: Need) -> Verdict:
    slots, trail = situation.slots, situation.trail
    highest = trail.highest_slots
    if situation.changed_seconds is not None and situation.changed_seconds < _REST_SECONDS:
        return _verdict(situation, need, None, Hold.JUST_CHANGED)
    seen = trail.seen_seconds(_LONGEST_GAP * situation.settings.sample_seconds)
    if seen < QUIET_SECONDS - 2 * situation.settings.sample_seconds:
        return _verdict(situation, need, None, Hold.TOO_SHORT_A_HISTORY)
    if highest >= slots:
        return _verdict(situation, need, None, Hold.NEEDED_LATELY)
    if slots - highest <= _DEAD_BAND * slots:
        return _verdict(situation, need, None, Hold.NEARLY_THERE)
    target = max(highest, math.ceil(slots / 2))
    if not situation.is_batch:
        # Whoever carries this out may stop workers at once: no fewer than are at work.
        target = max(target, math.ceil(trail.highest_erlangs / _TIGHT), situation.now.running or 0)
    if target >= slots:
        return _verdict(situation, need, None, Hold.WOULD_BE_TIGHT)
    return _verdict(situation, need, target, Hold.IN_STEPS if target > need.slots else None)


def _verdict(situation: Situation, need: Need, target: int | None, hold: Hold | None) -> Verdict:
    demand = situation.demand
    numbers: dict[str, Number] = {
        **numbers_of(situation),
        "highest_slots": situation.trail.highest_slots,
        "quiet_seconds": QUIET_SECONDS,
        "seen_seconds": situation.trail.seen_seconds(_LONGEST_GAP * situation.settings.sample_seconds),
        "changed_seconds": situation.changed_seconds,
        "rest_seconds": _REST_SECONDS,
        "dead_band_percent": 100 * _DEAD_BAND,
        "tight_percent": 100 * _TIGHT,
        "maximum": demand.maximum if demand else None,
        "target_slots": target,
    }
    beyond_hosts = need.unbounded > need.slots and situation.settings.maximum is None
    return Verdict(
        code=need.code,
        basis="draws",
        target_slots=target,
        hold=hold,
        scope="host" if beyond_hosts else "worker",
        numbers=numbers,
    )
