"""Advice samples: histories of a class of tasks with rates that are known exactly, and policies to compare with."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgpipe.advice import AdviceSettings, Signals

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGIN = 1_700_000_000.0
EVERY_SECONDS = 5.0


def past(
    seconds: float = 300.0,
    *,
    rate: float = 10.0,
    service: float = 0.2,
    slots: int = 3,
    done_rate: float | None = None,
    begin: Signals | None = None,
    **every: Any,
) -> list[Signals]:
    """Return entries that are 5 s apart, over so many seconds, of a class in which all goes on evenly.

    So many tasks per second arrive, and `done_rate` are done, each after `service` seconds; `every` is the same in all
    entries. With `begin`, counters and time go on from there, which is not among the entries.
    """
    done_rate = rate if done_rate is None else done_rate
    first = begin or Signals(
        task_class="cpu", at_seconds=BEGIN, enqueued_total=1000, done_total=1000, failed_total=0, lost_total=0,
        busy_seconds_total=500.0,
    )  # fmt: skip
    steady: dict[str, Any] = {"ready": 0, "running": min(slots, round(done_rate * service)), "slots": slots}
    entries = []
    for number in range(1 if begin else 0, int(seconds / EVERY_SECONDS) + 1):
        elapsed = number * EVERY_SECONDS
        entries.append(
            replace(
                first,
                at_seconds=first.at_seconds + elapsed,
                enqueued_total=(first.enqueued_total or 0) + round(rate * elapsed),
                done_total=(first.done_total or 0) + round(done_rate * elapsed),
                busy_seconds_total=(first.busy_seconds_total or 0.0) + done_rate * service * elapsed,
                **(steady | every),
            )
        )
    return entries


def then(history: Sequence[Signals], **changes: Any) -> list[Signals]:
    """Return the history with other values in its newest entry."""
    return [*history[:-1], replace(history[-1], **changes)]


class KedaLike:
    """One slot for every 5 tasks that wait, damped as a Horizontal Pod Autoscaler does."""

    def __init__(self, settings: AdviceSettings) -> None:
        self._settings = settings
        self._wanted: list[tuple[float, int]] = []
        self._asked = -math.inf

    def __call__(self, history: Sequence[Signals]) -> int | None:
        """Return the number of slots."""
        now = history[-1]
        slots = now.all_slots or 0
        if now.at_seconds - self._asked < 15:
            return None
        self._asked = now.at_seconds
        wanted = max(math.ceil((now.ready or 0) / 5), self._settings.minimum)
        if abs(wanted - slots) <= 0.1 * slots:
            wanted = slots
        self._wanted = [(at, one) for at, one in self._wanted if now.at_seconds - at < 300] + [(now.at_seconds, wanted)]
        if wanted > slots:
            return min(wanted, max(2 * slots, slots + 4))
        return min(slots, max(one for _, one in self._wanted))


class AwsLike:
    """As many slots as keep the backlog of each at what it can do within the target wait."""

    def __init__(self, settings: AdviceSettings, service_seconds: float) -> None:
        self._settings, self._service_seconds = settings, service_seconds

    def __call__(self, history: Sequence[Signals]) -> int | None:
        """Return the number of slots."""
        now = history[-1]
        there = (now.ready or 0) + (now.running or 0)
        wanted = math.ceil(there * self._service_seconds / self._settings.target_wait_seconds)
        return max(wanted, self._settings.minimum)
