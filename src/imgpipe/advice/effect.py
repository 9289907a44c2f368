"""Effect: what the last increase of slots brought, where both before and after all of them had work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.advice.estimates import ENOUGH, WINDOW_SECONDS, since, unbroken, utilisation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.advice.signals import Signals

_POOR = 0.3
_BUSY = 0.9
_SURE = 1.645  # standard errors, for 95 % on one side


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Slots and tasks per second before and after. `gain` is 1 if as much more was done as there were more slots.

    `error` is the standard error of the gain: 30 tasks say little about a tenth more slots.
    """

    slots_before: int
    slots_after: int
    rate_before: float
    rate_after: float
    gain: float
    error: float

    @property
    def is_poor(self) -> bool:
        """Whether the gain is below 30 % by more than chance."""
        return self.gain + _SURE * self.error < _POOR

    @property
    def useful_slots(self) -> float:
        """The number from which on one more slot brings less than 30 % of what the first one does.

        By Amdahl's law through both points, `slots / rate = alone + shared * slots`, so that the next slot brings
        `(alone / (alone + shared * slots)) ** 2` of it. Where more slots were slower, there was no use in any.
        """
        shared = (self.slots_after / self.rate_after - self.slots_before / self.rate_before) / (
            self.slots_after - self.slots_before
        )
        alone = self.slots_before / self.rate_before - shared * self.slots_before
        if alone <= 0:
            return float(self.slots_before)
        return math.inf if shared <= 0 else max(alone * (1 / math.sqrt(_POOR) - 1) / shared, 1.0)


def effect_of(history: Sequence[Signals], settle_seconds: float) -> Effect | None:
    """Return what the last increase brought; None without one, or where slots had too little to do to show it.

    What happens in the `settle_seconds` after the increase is not counted.
    """
    history = unbroken(history)
    begin = _last_increase(history)
    if begin is None:
        return None
    before = since(history[:begin], WINDOW_SECONDS)
    settled = history[begin].at_seconds + settle_seconds
    after = [entry for entry in history[begin:] if entry.at_seconds >= settled]
    if not (_is_full(before) and _is_full(after)):
        return None
    slots_before, slots_after = before[-1].slots or 0, after[-1].slots or 0
    (count_before, rate_before), (count_after, rate_after) = _throughput(before), _throughput(after)
    if min(count_before, count_after) < ENOUGH or slots_after <= slots_before:
        return None
    ratio, more = rate_after / rate_before, slots_after / slots_before - 1
    return Effect(
        slots_before=slots_before,
        slots_after=slots_after,
        rate_before=rate_before,
        rate_after=rate_after,
        gain=(ratio - 1) / more,
        error=ratio * math.sqrt(1 / count_before + 1 / count_after) / more,
    )


def _last_increase(history: Sequence[Signals]) -> int | None:
    """Return the first entry with the number of slots that is there now, if there were fewer before."""
    for index in range(len(history) - 1, 0, -1):
        before, after = history[index - 1].slots, history[index].slots
        if before is None or after is None or before > after:
            return None
        if before < after:
            return index
    return None


def _is_full(window: Sequence[Signals]) -> bool:
    """Whether all slots had work all the time, and their number was the same."""
    if len(window) < 2 or len({entry.slots for entry in window}) > 1 or not window[0].slots:
        return False
    return all(entry.ready for entry in window) and (utilisation(window) or 0.0) > _BUSY


def _throughput(window: Sequence[Signals]) -> tuple[int, float]:
    count = (window[-1].finished_total or 0) - (window[0].finished_total or 0)
    return count, count / (window[-1].at_seconds - window[0].at_seconds)
