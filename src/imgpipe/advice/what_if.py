"""What if: how long a batch would still take with other numbers of slots, instead of an alarm that it takes long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.advice.effect import effect_of
from imgpipe.advice.guards import spare_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.advice.effect import Effect
    from imgpipe.advice.situation import Situation

BEYOND = 2
"""Nothing is told of more than this many times the slots that are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """With so many slots, the batch is over in `eta_seconds`.

    `basis` is `linear` if twice the slots are taken for twice as fast, `measured` if the last increase has shown what
    more slots bring; `linear, on more hosts` if those that are there have no cores left for so many.
    """

    slots: int
    eta_seconds: float
    basis: str


def what_if(situation: Situation, recommended_slots: int) -> tuple[WhatIf, ...]:
    """Return the table for a batch: what is there, what is recommended, one more host like these, twice the slots."""
    now, estimates = situation.now, situation.estimates
    service = estimates.service_seconds if estimates else None
    if not situation.is_batch or now.remaining is None or service is None:
        return ()
    effect = effect_of(situation.history, situation.rest_seconds)
    spare = spare_cores(now.hosts)
    room = math.inf if spare is None else situation.slots + spare
    counts = {count for count in _counts(situation, recommended_slots) if 0 < count <= BEYOND * max(situation.slots, 1)}
    work_seconds = now.remaining * service
    return tuple(
        WhatIf(
            slots=count,
            eta_seconds=work_seconds / (count * _worth(effect, situation.slots, count)),
            basis="measured" if effect else "linear" if count <= room else "linear, on more hosts",
        )
        for count in sorted(counts)
    )


def _counts(situation: Situation, recommended_slots: int) -> Iterator[int]:
    yield situation.slots
    yield recommended_slots
    hosts = len(situation.now.hosts)
    if hosts:
        yield round(situation.slots * (hosts + 1) / hosts)
    yield BEYOND * situation.slots


def _worth(effect: Effect | None, slots: int, count: int) -> float:
    """Return what a slot of `count` does, of what one does now: by what was seen, with every slot more alike."""
    if effect is None or count <= slots:
        return 1.0
    more = count / slots
    return max(1 + min(max(effect.gain, 0.0), 1.0) * (more - 1), 1.0) / more
