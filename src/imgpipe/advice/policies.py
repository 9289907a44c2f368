"""Policies: who decides in a simulation: the advice, carried out at once, and the rule of thumb beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.advice.advice import advise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.advice.advice import Advice
    from imgpipe.advice.settings import AdviceSettings
    from imgpipe.advice.signals import Signals

_LONG_QUEUE = 50
_IDLE_SHARE = 0.3


class Advised:
    """Does what the advice says, and keeps it to be read afterwards."""

    def __init__(self, settings: AdviceSettings) -> None:
        self._settings = settings
        self.advices: list[Advice] = []

    def __call__(self, history: Sequence[Signals]) -> int | None:
        """Return the recommended number of slots."""
        self.advices.append(advise(history, self._settings, self.advices[-1] if self.advices else None))
        return self.advices[-1].recommended_slots


class Naive:
    """One slot more while more than 50 tasks wait, one less while fewer than 30 % of slots work."""

    def __init__(self, settings: AdviceSettings) -> None:
        self._settings = settings

    def __call__(self, history: Sequence[Signals]) -> int | None:
        """Return the number of slots that the rule of thumb asks for."""
        now, settings = history[-1], self._settings
        slots = now.all_slots or 0
        if (now.ready or 0) > _LONG_QUEUE:
            slots += 1
        elif (now.running or 0) < _IDLE_SHARE * (now.slots or 0):
            slots -= 1
        return max(slots if settings.maximum is None else min(slots, settings.maximum), settings.minimum)
