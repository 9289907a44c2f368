"""Draws: what may be needed as well, for the counters show rates and times only as exactly as chance allows."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from imgpipe.advice.requirement import slots_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.advice.estimates import Estimates
    from imgpipe.advice.requirement import Demand
    from imgpipe.advice.settings import AdviceSettings


def drawn_needs(estimates: Estimates, demand: Demand, settings: AdviceSettings) -> list[int]:
    """Return the slots needed for rates and times that are as likely as the estimates, the smallest first.

    Nothing is drawn where no task has ended, so that nothing is known of its time.
    """
    service = estimates.service_seconds
    if service is None:
        return []
    chance = random.Random(settings.seed)  # noqa: S311 - chance, no secret
    # Arrivals in bursts of so many say as much about the rate as that many times fewer that come one by one.
    burst = max(1.0, estimates.arrival_variability)
    shape, scale = estimates.arrivals / burst + 0.5, burst / estimates.arrival_seconds
    error = service * math.sqrt(estimates.service_variability / estimates.finished)
    needs = []
    for _ in range(settings.draws):
        drawn = 0.0
        while drawn <= 0:
            drawn = chance.gauss(service, error)
        needs.append(slots_needed(chance.gammavariate(shape, scale), drawn, demand))
    return sorted(needs)


def lower(needs: Sequence[int]) -> int:
    """Return what 9 of 10 needs are at least."""
    return needs[len(needs) // 10]


def upper(needs: Sequence[int]) -> int:
    """Return what 9 of 10 needs are at most."""
    return needs[-1 - len(needs) // 10]
