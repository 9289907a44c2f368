"""Verdict: what one rule says of a situation, before urgency, confidence and words are added."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.advice.reasons import Code, Hold, Number
    from imgpipe.advice.situation import Situation

Scope = Literal["worker", "host"]
Basis = Literal["unknown", "fact", "draws", "failures", "hosts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be done: `target_slots` are to be there, None to leave the number alone, and why.

    `basis` says what its confidence is counted from: nothing is known; it was measured, not inferred; draws of rates
    and times; failures among tasks; how often the hosts showed the same. `scope` is where the change would have to be.
    """

    code: Code
    basis: Basis
    target_slots: int | None = None
    hold: Hold | None = None
    scope: Scope = "worker"
    numbers: Mapping[str, Number] = field(default_factory=dict)


def numbers_of(situation: Situation) -> dict[str, Number]:
    """Return the numbers that most reasons share."""
    now, estimates, need, settings = situation.now, situation.estimates, situation.need, situation.settings
    numbers: dict[str, Number] = {
        "slots": now.all_slots,
        "ready": now.ready,
        "running": now.running,
        "target_wait_seconds": settings.target_wait_seconds,
        "target_drain_seconds": settings.target_drain_seconds,
        "wait_seconds": situation.wait_seconds,
    }
    if estimates is not None:
        numbers |= {
            "arrival_rate": estimates.arrival_rate,
            "service_seconds": estimates.service_seconds,
            "erlangs": estimates.erlangs,
            "utilisation": estimates.utilisation,
            "arrival_variability": estimates.arrival_variability,
            "service_variability": estimates.service_variability,
        }
    if need is not None:
        numbers |= {
            "needed_slots": need.slots,
            "unbounded_need": need.unbounded,
            "for_utilisation": need.utilisation,
            "for_latency": need.latency,
            "for_backlog": need.backlog,
            "for_deadline": need.deadline,
        }
    if situation.is_batch:
        numbers |= {"remaining": now.remaining, "deadline_seconds": now.deadline_seconds}
    return numbers
