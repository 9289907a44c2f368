"""Guards: each of them decides where it applies, and only there, and tells the numbers that it saw."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from advice_samples import past, then
from imgpipe.advice import Advice, AdviceSettings, Host, Objective, advise
from imgpipe.advice.reasons import Code

BUSY = Host(name="a", cores=4, cpu_share=0.99)
FREE = Host(name="b", cores=8, cpu_share=0.2)
SMALL = {"slots": 3, "ready": 300, "oldest_wait_seconds": 6.0}
"""30 tasks/s of 0.2 s on 3 slots: too few."""


def lacking(seconds=300.0, **every):
    """Return a history of a class that needs more slots than there are."""
    return past(seconds, rate=30, done_rate=15, **(SMALL | every))


def fewer_before(history):
    """Return the history with one slot less, and one task less in work, until 10 s ago."""
    cut = history[-1].at_seconds - 10
    return [entry if entry.at_seconds >= cut else replace(entry, slots=2) for entry in history]


CASES = {
    Code.NO_DATA: past(0),
    Code.STALE: then(lacking(), age_seconds=15.1),
    Code.NO_CAPABLE_WORKER: lacking(slots=0, running=0),
    Code.PAUSED: then(lacking(), paused=True),
    Code.POISON: then(lacking(), failed_total=400),
    Code.MEMORY: then(lacking(), hosts=(replace(FREE, memory_share=0.91), BUSY)),
    Code.HOST_SATURATED: then(lacking(), hosts=(BUSY,), cpu_share_of_busy=0.9),
    Code.REDIS_BOUND: then(lacking(), redis_latency_seconds=0.006),
    Code.WARMING: fewer_before(lacking()),
    Code.SPARE_CORES: then(lacking(), objective=Objective.BATCH, remaining=9000, hosts=(BUSY, FREE)),
    Code.ALL_CORES_BUSY: then(lacking(), objective=Objective.BATCH, remaining=9000, hosts=(BUSY,)),
}
ACTIONS = {
    Code.NO_CAPABLE_WORKER: ("SCALE_UP", "critical", "worker"),
    Code.POISON: ("MAINTAIN", "high", "worker"),
    Code.MEMORY: ("MAINTAIN", "high", "host"),
    Code.HOST_SATURATED: ("SCALE_UP", "high", "host"),
    Code.REDIS_BOUND: ("MAINTAIN", "high", "worker"),
    Code.SPARE_CORES: ("SCALE_UP", "low", "worker"),
}


@pytest.mark.parametrize("code", CASES)
def test_guard(code):
    """Each guard has its action, its urgency and its scope; all others leave things as they are and are not urgent."""
    advice = advise(CASES[code])
    action, urgency, scope = ACTIONS.get(code, ("MAINTAIN", "none", "worker"))

    assert (code, action, urgency, scope) == (advice.reason.code, advice.action, advice.urgency, advice.scope)


@pytest.mark.parametrize("code", CASES)
def test_every_number_of_the_text_is_there(code):
    """A number in the sentence is one of the reason's numbers, or fixed in its words."""
    reason = advise(CASES[code]).reason
    numbers = [value for value in reason.numbers.values() if isinstance(value, (int, float))]
    fixed = {"95", "30"}  # of waits, of the first one

    for shown in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", reason.text):
        near = [
            value
            for value in numbers
            if abs(value - float(shown)) <= 0.006 * max(abs(value), 100 if shown.isdigit() else 1)
        ]
        assert near or shown in fixed, (shown, reason.text)


def test_a_change_is_left_alone_even_if_workers_start_at_once():
    """15 s at least pass before it is judged."""
    assert Code.WARMING is advise(then(CASES[Code.WARMING], start_seconds=1.0)).reason.code


def test_confidence_of_guards():
    """What was measured is certain; what is not known is nothing at all."""
    sure = {code: advise(history).confidence for code, history in CASES.items()}

    assert {0.0} == {sure[code] for code in (Code.NO_DATA, Code.STALE)}
    assert {1.0} == {sure[code] for code in (Code.NO_CAPABLE_WORKER, Code.PAUSED, Code.MEMORY, Code.REDIS_BOUND)}
    assert sure[Code.POISON] > 0.95


def test_first_guard_wins():
    """All at once: what is stale says nothing else; then comes what nobody can do, then what should not go on."""
    everything = then(
        lacking(), age_seconds=60.0, paused=True, slots=0, running=0, failed_total=400,
        hosts=(replace(BUSY, memory_share=1.0),),
    )  # fmt: skip
    fresh = then(everything, age_seconds=0.0)
    running = then(fresh, paused=False)

    assert Code.STALE is advise(everything).reason.code
    assert Code.PAUSED is advise(fresh).reason.code
    assert Code.NO_CAPABLE_WORKER is advise(running).reason.code
    assert Code.POISON is advise(then(running, slots=3)).reason.code
    assert Code.MEMORY is advise(then(running, slots=3, failed_total=0)).reason.code


@pytest.mark.parametrize(
    "changes",
    [
        {"age_seconds": 15.0},
        {"failed_total": 100},  # 5 %
        {"redis_latency_seconds": 0.005, "handover_seconds": 0.03},
        {"hosts": (replace(FREE, memory_share=0.9), BUSY), "cpu_share_of_busy": 0.9},
        {"hosts": (BUSY,), "cpu_share_of_busy": 0.7},
        {"hosts": (BUSY,)},
        {"hosts": (Host(name="a", cores=4),), "cpu_share_of_busy": 0.9},
    ],
)
def test_just_not(changes):
    """Below each limit, and where numbers are unknown, the need decides."""
    assert advise(then(lacking(), **changes)).reason.code in {Code.BACKLOG, Code.UTILISATION, Code.LATENCY}


@pytest.mark.parametrize(
    "changes", [{"hosts": (replace(BUSY, cpu_share=0.5, throttled_share=0.11),)}, {"hosts": (BUSY,)}]
)
def test_saturated_by_load_or_quota(changes):
    """A host has no time left if its cores are taken or its quota stops it."""
    advice = advise(then(lacking(), cpu_share_of_busy=0.8, **changes))

    assert (Code.HOST_SATURATED, "host") == (advice.reason.code, advice.scope)
    assert 8 == advice.recommended_slots  # more than its 4 cores: elsewhere


def test_handover_that_takes_long():
    """Fetching that takes a quarter of a task's time is Redis' matter, too."""
    advice = advise(then(lacking(), handover_seconds=0.05))

    assert Code.REDIS_BOUND is advice.reason.code
    assert "Redis takes – ms" in advice.reason.text  # nobody has measured that


@pytest.mark.parametrize("changes", [{"redis_latency_seconds": 1.0}, {"hosts": (BUSY,), "cpu_share_of_busy": 1.0}])
def test_what_limits_more_slots_does_not_matter_to_those_who_need_none(changes):
    """Where there are enough slots, a slow Redis or a busy host is no reason."""
    assert Code.UTILISATION is advise(then(past(), **changes)).reason.code


def test_lost_tasks_are_poison():
    """One task that ended all its workers is enough."""
    advice = advise(then(past(), failed_total=1, lost_total=1))

    assert (Code.POISON, 1.0) == (advice.reason.code, advice.confidence)


@pytest.mark.parametrize(("done", "failed", "code"), [(1007, 3, Code.UTILISATION), (1014, 6, Code.POISON)])
def test_few_failures_are_no_poison(done, failed, code):
    """3 of 10 may be chance, 6 of 20 count."""
    history = then(past(60, rate=0), done_total=done, failed_total=failed, busy_seconds_total=504.0)

    assert code is advise(history).reason.code


@pytest.mark.parametrize(("minimum", "maximum", "expected"), [(1, None, 8), (9, None, 9), (1, 4, 4)])
def test_nobody_there_gets_what_is_needed(minimum, maximum, expected):
    """Where no worker is there, the need is met at once, between minimum and maximum."""
    settings = AdviceSettings(minimum=minimum, maximum=maximum)
    history = past(rate=30, slots=0, ready=1, running=0)

    assert expected == advise(history, settings).recommended_slots


def test_nobody_there_and_nothing_known():
    """Without rates, one worker is certainly needed."""
    advice = advise(past(0, slots=0, ready=5, running=0))

    assert ("SCALE_UP", 1, 1.0) == (advice.action, advice.recommended_slots, advice.confidence)


def test_workers_that_start_are_waited_for():
    """Workers that were asked for are not asked for twice."""
    assert advise(past(slots=0, ready=5, running=0, warming_slots=8)).reason.code is not Code.NO_CAPABLE_WORKER


def increased(after_rate, *, slots=8, tasks_per_slot=5.0):
    """Return a history of 4 slots that were always busy, then more of them, which do `after_rate` tasks/s."""
    busy: dict[str, Any] = {"rate": 100.0, "ready": 5000, "oldest_wait_seconds": 60.0}
    before = past(120, done_rate=4 * tasks_per_slot, service=1 / tasks_per_slot, slots=4, **busy)
    service = slots / after_rate
    return before + past(90, done_rate=after_rate, service=service, slots=slots, begin=before[-1], **busy)


def test_ineffective():
    """Twice the slots that bring a tenth more are no help; what they brought is told."""
    advice = advise(increased(22.0))

    assert (Code.INEFFECTIVE, "MAINTAIN") == (advice.reason.code, advice.action)
    assert "From 4 to 8 slots" in advice.reason.text
    assert pytest.approx(10, abs=2) == advice.reason.numbers["gain_percent"]
    assert 1.0 == advice.reason.numbers["useful_slots"]


def test_slots_without_work_prove_nothing():
    """Slots that had little to do cannot show what more of them bring."""
    idle = [replace(entry, busy_seconds_total=0.5 * (entry.busy_seconds_total or 0.0)) for entry in increased(22.0)]

    assert Code.INEFFECTIVE is not advise(idle).reason.code


def test_effective():
    """Twice the slots that do twice as much are not."""
    assert Code.BACKLOG is advise(increased(40.0)).reason.code


def test_a_small_increase_proves_nothing():
    """One slot more that brings nothing may be chance."""
    assert Code.BACKLOG is advise(increased(4.0, slots=5, tasks_per_slot=1.0)).reason.code


def test_slower_than_before():
    """Where more slots do less, those that were there before were the useful ones."""
    advice = advise(increased(18.0))

    assert (Code.INEFFECTIVE, 4.0) == (advice.reason.code, advice.reason.numbers["useful_slots"])


@pytest.mark.parametrize("changes", [{"slots": None}, {"ready": None}])
def test_unknown_gauges(changes):
    """Unknown slots and queues are not 0: nothing is recommended."""
    advice = advise(then(lacking(), **changes))

    assert (Code.NO_DATA, "MAINTAIN", 0.0) == (advice.reason.code, advice.action, advice.confidence)


def test_no_history():
    """Whoever has nothing gets an advice that says so."""
    advice = advise([], task_class="cpu")

    assert isinstance(advice, Advice)
    assert ("cpu", Code.NO_DATA, None) == (advice.task_class, advice.reason.code, advice.recommended_workers)
    assert Objective.STREAM.value not in str(advice.to_data()["objective"])
