"""Advice: looks at a class of tasks, lets the rules decide, and says it with reason, urgency and confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imgpipe.advice.confidence import confidence_of
from imgpipe.advice.guards import guarded
from imgpipe.advice.hysteresis import decide
from imgpipe.advice.reasons import Code, Reason, reason
from imgpipe.advice.settings import AdviceSettings
from imgpipe.advice.sharing import shared_out
from imgpipe.advice.situation import situation_of
from imgpipe.advice.trail import Trail
from imgpipe.advice.urgency import Urgency, breach_seconds, urgency_of
from imgpipe.advice.what_if import WhatIf, what_if

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.advice.signals import Objective, Signals
    from imgpipe.advice.verdict import Scope, Verdict


class Action(StrEnum):
    """What is recommended."""

    SCALE_UP = "SCALE_UP"
    SCALE_DOWN = "SCALE_DOWN"
    MAINTAIN = "MAINTAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is recommended for one class of tasks; nobody carries it out but whoever reads it.

    Workers and slots are those that are there or coming, and those that should be; None is unknown. `interval` holds,
    in workers, what is needed with 8 of 10 chances. `confidence` is the probability that the direction is right,
    not that the number is exact; `caps` are the codes of what has lowered it. `drain` names the workers to give up.
    In `breach_seconds`, waits exceed the target if nothing changes. `trail` is for the advice that comes next.
    """

    task_class: str
    objective: Objective | None
    action: Action
    current_workers: int | None
    recommended_workers: int | None
    current_slots: int | None
    recommended_slots: int | None
    urgency: Urgency
    confidence: float
    reason: Reason
    interval: tuple[int, int] | None = None
    caps: tuple[str, ...] = ()
    what_if: tuple[tuple[int, WhatIf], ...] = ()
    scope: Scope = "worker"
    drain: tuple[str, ...] = ()
    breach_seconds: float | None = None
    inputs: Signals | None = None
    trail: Trail = field(default=Trail(), repr=False)

    def to_data(self) -> dict[str, Any]:
        """Return an element of `scaling[]` of `imgpipe.metrics/1`."""
        moment = None if self.inputs is None else datetime.fromtimestamp(self.inputs.at_seconds, UTC)
        return {
            "capability": self.task_class,
            "objective": self.objective,
            "action": self.action,
            "current_workers": self.current_workers,
            "recommended_workers": self.recommended_workers,
            "current_slots": self.current_slots,
            "recommended_slots": self.recommended_slots,
            "interval": None if self.interval is None else list(self.interval),
            "what_if": [
                {"workers": workers, "slots": row.slots, "eta_s": row.eta_seconds, "basis": row.basis}
                for workers, row in self.what_if
            ],
            "urgency": self.urgency,
            "confidence": self.confidence,
            "confidence_caps": list(self.caps),
            "reason": {
                "code": self.reason.code,
                "text": self.reason.text,
                "numbers": {_key(name): _finite(number) for name, number in self.reason.numbers.items()},
            },
            "scope": self.scope,
            "drain": list(self.drain),
            "breach_in_s": self.breach_seconds,
            "computed_at": None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "inputs": None if self.inputs is None else self.inputs.to_data(),
        }


def advise_all(
    histories: Mapping[str, Sequence[Signals]],
    settings: AdviceSettings = AdviceSettings(),  # noqa: B008 - frozen
    previous: Mapping[str, Advice] | None = None,
) -> dict[str, Advice]:
    """Advise on all classes of a queue, with the slots that several of them could use shared out."""
    return {
        name: advise(history, settings, (previous or {}).get(name), task_class=name)
        for name, history in shared_out(histories).items()
    }


def advise(
    history: Sequence[Signals],
    settings: AdviceSettings = AdviceSettings(),  # noqa: B008 - frozen
    previous: Advice | None = None,
    *,
    task_class: str = "",
) -> Advice:
    """Say what to do about one class of tasks, from entries that are `sample_seconds` apart, the newest last.

    `previous` is the advice of the entry before. The same arguments give the same advice; there is no clock in it.
    Entries of the last ten minutes count. `task_class` is for a history without entries.
    """
    trail = previous.trail if previous else Trail()
    if not history:
        return _without_data(task_class or (previous.task_class if previous else ""), trail)
    situation = situation_of(history, settings, trail)
    verdict = guarded(situation)
    if verdict is None:
        assert situation.need is not None  # without one, a guard has decided
        verdict = decide(situation, situation.need)
    now = situation.now
    current = _current_workers(now)
    recommended, drain = _recommended(now, current, verdict)
    change = 0 if current is None or recommended is None else recommended - current
    target = verdict.target_slots if change and verdict.target_slots is not None else now.all_slots
    confidence = confidence_of(situation, verdict)
    interval = confidence.interval
    return Advice(
        task_class=now.task_class,
        objective=now.objective,
        action=Action.SCALE_UP if change > 0 else Action.SCALE_DOWN if change < 0 else Action.MAINTAIN,
        current_workers=current,
        recommended_workers=recommended,
        current_slots=now.all_slots,
        recommended_slots=target,
        urgency=urgency_of(situation, verdict, change),
        confidence=confidence.value,
        reason=reason(verdict.code, verdict.numbers, verdict.hold),
        interval=None if interval is None else (_workers(now, interval[0]), _workers(now, interval[1])),
        caps=confidence.caps,
        what_if=tuple((_workers(now, row.slots), row) for row in what_if(situation, target or 0)),
        scope=verdict.scope,
        drain=drain,
        breach_seconds=None if verdict.basis == "unknown" else breach_seconds(situation),
        inputs=now,
        trail=situation.trail if verdict.code is not Code.STALE else trail,
    )


def most_urgent(advices: Sequence[Advice]) -> Advice | None:
    """Return the advice that should be read first; the first of equals, None if there is none."""
    return max(advices, key=lambda advice: advice.urgency.rank, default=None)


def _without_data(task_class: str, trail: Trail) -> Advice:
    why = reason(Code.NO_DATA, {"missing": "Nothing has been heard of the queue"})
    return Advice(
        task_class=task_class,
        objective=None,
        action=Action.MAINTAIN,
        current_workers=None,
        recommended_workers=None,
        current_slots=None,
        recommended_slots=None,
        urgency=Urgency.NONE,
        confidence=0.0,
        reason=why,
        caps=("NO_DATA",),
        trail=trail,
    )


def _current_workers(now: Signals) -> int | None:
    if now.workers:
        return len(now.workers) + _workers(now, now.warming_slots)
    return None if now.all_slots is None else _workers(now, now.all_slots)


def _workers(now: Signals, slots: int) -> int:
    return math.ceil(slots / now.slots_per_worker)


def _recommended(now: Signals, current: int | None, verdict: Verdict) -> tuple[int | None, tuple[str, ...]]:
    """Return how many workers that makes, and which of them to give up: idle ones first, then those with little."""
    target, slots = verdict.target_slots, now.all_slots
    if current is None or slots is None or target is None:
        return current, ()
    if target >= slots or not now.workers:
        missing = (target - slots) / now.slots_per_worker
        return current + (math.ceil(missing) if missing > 0 else -math.floor(-missing)), ()
    surplus, drain = slots - target, []
    for worker in sorted(now.workers, key=lambda one: (-(one.idle_seconds or 0.0), one.memory_bytes or 0, one.id)):
        if worker.slots <= surplus:
            surplus -= worker.slots
            drain.append(worker.id)
    return current - len(drain), tuple(drain)


def _key(name: str) -> str:
    return name.replace("_seconds", "_s")


def _finite(number: float | str | None) -> float | str | None:
    """Return a number that JSON has: infinity is no number to it."""
    return None if isinstance(number, float) and not math.isfinite(number) else number
