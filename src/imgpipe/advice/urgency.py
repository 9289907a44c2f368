"""Urgency: by rule, how soon somebody has to act, and when the target will be missed if nobody does."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from imgpipe.advice.reasons import Code

if TYPE_CHECKING:
    from imgpipe.advice.situation import Situation
    from imgpipe.advice.verdict import Verdict

_REDIS_FULL_SHARE = 0.95
_SOON_SECONDS = 300.0
_FAR_BEYOND = 3  # times the limit

# More slots would not help, but somebody has to do something else.
_ELSEWHERE = (Code.MEMORY, Code.REDIS_BOUND, Code.INEFFECTIVE)


class Urgency(StrEnum):
    """How soon somebody has to act, the most urgent last."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for none, more for more urgent."""
        return list(Urgency).index(self)


def urgency_of(situation: Situation, verdict: Verdict, change: int) -> Urgency:
    """Return the urgency of a verdict that adds `change` slots."""
    if verdict.basis != "unknown" and (situation.now.redis_memory_share or 0.0) > _REDIS_FULL_SHARE:
        return Urgency.CRITICAL
    if verdict.code is Code.NO_CAPABLE_WORKER:
        return Urgency.CRITICAL
    if verdict.code is Code.POISON:
        return Urgency.HIGH
    if change < 0 or verdict.code is Code.SPARE_CORES:
        return Urgency.LOW
    if change == 0 and verdict.code not in _ELSEWHERE:
        return Urgency.NONE
    return _by_wait(situation, least=Urgency.LOW if change > 0 else Urgency.NONE)


def breach_seconds(situation: Situation) -> float | None:
    """Return when a stream's waits will exceed the target if nothing changes; None if never, or unknown."""
    estimates, wait, limit = situation.estimates, situation.wait_seconds, situation.limit_seconds
    if situation.is_batch or estimates is None or wait is None or not estimates.service_seconds or not situation.slots:
        return None
    growth = estimates.arrival_rate - situation.slots / estimates.service_seconds
    if wait > limit:
        return 0.0
    return (limit - wait) * situation.slots / (growth * estimates.service_seconds) if growth > 0 else None


def _by_wait(situation: Situation, least: Urgency) -> Urgency:
    wait, limit = situation.wait_seconds or 0.0, situation.limit_seconds
    breach = breach_seconds(situation)
    too_late = situation.start_seconds + 2 * situation.settings.sample_seconds
    if wait > _FAR_BEYOND * limit:
        return Urgency.CRITICAL
    if wait > limit or (breach is not None and breach < too_late):
        return Urgency.HIGH
    if breach is not None and breach < _SOON_SECONDS:
        return Urgency.MEDIUM
    return least
