"""Confidence: the probability that the direction is right, and what makes the numbers themselves doubtful."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.advice.draws import lower, upper
from imgpipe.advice.guards import spare_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.advice.situation import Situation
    from imgpipe.advice.verdict import Verdict

_POISONED_SHARE = 0.2
_LOOKS = 12  # of hosts: the last minute
_FEW = 5
_MISMATCH = 0.2
_COVERAGE = 0.8


@dataclass(frozen=True, slots=True)
class Confidence:
    """A probability, the interval of slots in which 8 of 10 draws lie, and the codes of what has lowered it."""

    value: float
    interval: tuple[int, int] | None = None
    caps: tuple[str, ...] = ()


def confidence_of(situation: Situation, verdict: Verdict) -> Confidence:
    """Return how sure a verdict is; the same for the same situation."""
    interval = (lower(situation.drawn), upper(situation.drawn)) if situation.drawn else None
    if verdict.basis == "unknown":
        return Confidence(0.0, None, ("NO_DATA",))
    if verdict.basis == "fact":
        return Confidence(1.0, interval)
    if verdict.basis == "hosts":
        value = _same_hosts(situation)
    elif verdict.basis == "failures":
        value = _poisoned(situation)
    else:
        value = _same_direction(situation)
    caps = list(_caps(situation))
    return Confidence(min([value, *(most for _, most in caps)]), interval, tuple(code for code, _ in caps))


def _same_direction(situation: Situation) -> float:
    assert situation.need is not None  # nothing is drawn without one
    direction = _direction(situation.need.slots, situation)
    return sum(_direction(slots, situation) == direction for slots in situation.drawn) / len(situation.drawn)


def _direction(needed: int, situation: Situation) -> int:
    return (needed > situation.all_slots) - (needed < situation.slots)


def _same_hosts(situation: Situation) -> float:
    """Return how often in the last minute the hosts had cores to spare, or had none, as they do now."""
    looks = [spare_cores(entry.hosts) for entry in situation.history[-_LOOKS:]]
    known = [spare > 0 for spare in looks if spare is not None]
    return sum(has_spare == known[-1] for has_spare in known) / len(known)


def _poisoned(situation: Situation) -> float:
    """Return the probability that more than a fifth of tasks fail, after those that were seen."""
    estimates = situation.estimates
    assert estimates is not None  # failures were counted
    failed = round((estimates.failure_share or 0.0) * estimates.judged)
    chance = random.Random(situation.settings.seed)  # noqa: S311 - chance, no secret
    draws = [chance.betavariate(failed + 1, estimates.judged - failed + 1) for _ in range(situation.settings.draws)]
    return sum(share > _POISONED_SHARE for share in draws) / len(draws)


def _caps(situation: Situation) -> Iterator[tuple[str, float]]:
    """Give what makes the numbers themselves doubtful, and how sure one can be at most."""
    estimates, coverage = situation.estimates, situation.now.coverage
    if coverage is not None and coverage < _COVERAGE:
        yield "COVERAGE", 0.5
    if estimates is None:
        return
    if estimates.finished < _FEW and estimates.erlangs != 0:
        yield "FEW_TASKS", 0.3
    if estimates.is_short:
        yield "SHORT_WINDOW", 0.8
    if estimates.is_falling:
        yield "RATE_FALLS", 0.8
    if estimates.little_mismatch is not None and estimates.little_mismatch > _MISMATCH:
        yield "LITTLE", 0.5
