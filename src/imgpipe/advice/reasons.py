"""Reasons: the code of each rule, and its words; every number in a sentence is one of the reason's numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    Number = float | str | None


class Code(StrEnum):
    """Why the advice is what it is. The values are stable: dashboards and scripts rely on them."""

    NO_DATA = "NO_DATA"
    STALE = "STALE"
    NO_CAPABLE_WORKER = "NO_CAPABLE_WORKER"
    PAUSED = "PAUSED"
    POISON = "POISON"
    MEMORY = "MEMORY"
    HOST_SATURATED = "HOST_SATURATED"
    REDIS_BOUND = "REDIS_BOUND"
    INEFFECTIVE = "INEFFECTIVE"
    WARMING = "WARMING"
    SPARE_CORES = "SPARE_CORES"
    ALL_CORES_BUSY = "ALL_CORES_BUSY"
    BACKLOG = "BACKLOG"
    LATENCY = "LATENCY"
    UTILISATION = "UTILISATION"
    DEADLINE = "DEADLINE"


class Hold(StrEnum):
    """Why another number of slots is recommended than is needed."""

    ENOUGH = "ENOUGH"
    ONCE_IS_CHANCE = "ONCE_IS_CHANCE"
    NEARLY_THERE = "NEARLY_THERE"
    NEEDED_LATELY = "NEEDED_LATELY"
    TOO_SHORT_A_HISTORY = "TOO_SHORT_A_HISTORY"
    JUST_CHANGED = "JUST_CHANGED"
    WOULD_BE_TIGHT = "WOULD_BE_TIGHT"
    AT_MAXIMUM = "AT_MAXIMUM"
    IN_STEPS = "IN_STEPS"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a code for programs, a sentence for people, and all numbers that are in it."""

    code: Code
    text: str
    numbers: Mapping[str, Number] = field(default_factory=dict)


def reason(code: Code, numbers: Mapping[str, Number], hold: Hold | None = None) -> Reason:
    """Put a reason into words; `hold` adds why it is not followed to the letter."""
    shown = {name: _UNKNOWN if value is None else value for name, value in numbers.items()}
    text = _TEXTS[code].format_map(shown)
    if hold is not None:
        text += " " + _HOLDS[hold].format_map(shown)
    return Reason(code, text, {**numbers, **({"hold": hold.value} if hold else {})})


class _Unknown:
    """Is shown as a dash, whatever format was meant for the number."""

    def __format__(self, spec: str) -> str:
        return "–"


_UNKNOWN = _Unknown()
_ARRIVING = "{arrival_rate:.3g} tasks/s arrive and take {service_seconds:.3g} s each"

_TEXTS: Mapping[Code, str] = {
    Code.NO_DATA: "{missing}, so that nothing can be said.",
    Code.STALE: "The newest numbers are {age_seconds:.0f} s old, more than {limit_seconds:.0f} s. Missing numbers are"
    " no reason to change anything; see whether the queue can be reached.",
    Code.NO_CAPABLE_WORKER: "{ready} tasks wait, and no worker that could take them is there or starting.",
    Code.PAUSED: "The jobs are paused; {ready} tasks wait until they go on.",
    Code.POISON: "{failed_percent:.0f} % of the last {judged} tasks failed, and {lost} ended every worker that had"
    " them. More workers would only fail faster: see why they fail.",
    Code.MEMORY: "{host} uses {memory_percent:.0f} % of its memory limit, more than {limit_percent:.0f} %. Add a host,"
    " or give its workers fewer slots.",
    Code.HOST_SATURATED: "{needed_slots} slots are needed and {slots} are there, but all {hosts} hosts with such"
    " workers have no processor time left (the least busy uses {cpu_percent:.0f} % of its cores, and"
    " {cpu_of_busy_percent:.0f} % of a task's time is computing). More workers here cannot help; another host can.",
    Code.REDIS_BOUND: "Redis takes {redis_latency_ms:.3g} ms for a command and {handover_ms:.3g} ms for fetching a task"
    " and handing it in, which takes {service_seconds:.3g} s itself. More workers would wait for Redis: hand over"
    " larger tasks, or run Redis nearer.",
    Code.INEFFECTIVE: "From {slots_before} to {slots_after} slots, all of them busy, brought {rate_before:.3g} to"
    " {rate_after:.3g} tasks/s: {gain_percent:.0f} % of what was to be hoped for. More slots do not help; beyond"
    " {useful_slots:.0f}, one brings less than 30 % of what the first one does. Something else is short: disk, network,"
    " memory.",
    Code.WARMING: "The number of slots changed {changed_seconds:.0f} s ago; a new worker needs up to"
    " {start_seconds:.0f} s, so that it is too early to judge.",
    Code.SPARE_CORES: "A batch of {remaining} tasks may wait; it has no deadline. {spare_cores} of {cores} cores are"
    " idle, and would make it shorter.",
    Code.ALL_CORES_BUSY: "A batch of {remaining} tasks may wait; it has no deadline, and {spare_cores} of {cores} cores"
    " are idle. It takes as long as it takes, unless there is another host.",
    Code.BACKLOG: "{ready} tasks wait, " + _ARRIVING + ": {needed_slots} slots would be through within"
    " {target_drain_seconds:.0f} s; {slots} are there or coming.",
    Code.LATENCY: _ARRIVING + ": {needed_slots} slots keep 95 % of waits below {target_wait_seconds:.3g} s"
    " (approximately, after Allen and Cunneen); {slots} are there or coming.",
    Code.UTILISATION: _ARRIVING + ": {erlangs:.3g} slots are busy on average, with room for chance, {needed_slots} are"
    " needed; {slots} are there or coming.",
    Code.DEADLINE: "{remaining} tasks of {service_seconds:.3g} s each are to be done in {deadline_seconds:.0f} s:"
    " {needed_slots} slots are needed; {slots} are there or coming.",
}  # fmt: skip

_HOLDS: Mapping[Hold, str] = {
    Hold.ENOUGH: "That is as it should be.",
    Hold.ONCE_IS_CHANCE: "It was seen once; it has to be seen twice.",
    Hold.NEARLY_THERE: "The difference is within {dead_band_percent:.0f} %.",
    Hold.NEEDED_LATELY: "Within the last {quiet_seconds:.0f} s, {highest_slots} were needed.",
    Hold.TOO_SHORT_A_HISTORY: "Slots are given up after {quiet_seconds:.0f} s of seeing that; it was seen for"
    " {seen_seconds:.0f} s.",
    Hold.JUST_CHANGED: "The number of slots changed {changed_seconds:.0f} s ago; it is left alone for"
    " {rest_seconds:.0f} s.",
    Hold.WOULD_BE_TIGHT: "With fewer, more than {tight_percent:.0f} % of them would be busy, or tasks in work cut off.",
    Hold.AT_MAXIMUM: "{maximum} are the most, by the cores of the hosts or by what was allowed; {unbounded_need} would"
    " be needed.",
    Hold.IN_STEPS: "It goes in steps: {target_slots} first.",
}
