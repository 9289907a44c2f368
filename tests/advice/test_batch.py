"""Batch: waits on purpose: a table instead of an alarm, and only idle cores or a deadline ask for more."""

from __future__ import annotations

from typing import Any

import pytest

from advice_samples import past, then
from imgpipe.advice import AdviceSettings, Host, Objective, advise
from imgpipe.advice.reasons import Code

TEN_MILLION = 10_000_000
BATCH: dict[str, Any] = {"objective": Objective.BATCH, "ready": 20_000, "oldest_wait_seconds": 3600.0}


def batch(*, shares=(1.0, 1.0), remaining=TEN_MILLION, slots=16, **more):
    """Return a history of a batch on two hosts with 8 cores each, whose cores are busy to these shares."""
    hosts = tuple(Host(name=f"h{number}", cores=8, cpu_share=share) for number, share in enumerate(shares))
    return past(rate=80, slots=slots, hosts=hosts, remaining=remaining, **BATCH, **more)


def test_all_cores_busy():
    """10 million queued tasks are no alarm where all cores work: what other numbers would bring is told."""
    advice = advise(batch())

    assert ("MAINTAIN", "none", Code.ALL_CORES_BUSY) == (advice.action, advice.urgency, advice.reason.code)
    assert [(16, 16), (24, 24), (32, 32)] == [(workers, row.slots) for workers, row in advice.what_if]
    assert pytest.approx([125_000, 83_333, 62_500], rel=0.01) == [row.eta_seconds for _, row in advice.what_if]
    assert ["linear", *["linear, on more hosts"] * 2] == [row.basis for _, row in advice.what_if]
    assert advice.breach_seconds is None


@pytest.mark.parametrize(("slots", "expected"), [(11, 16), (4, 9), (15, 16)])
def test_idle_cores(slots, expected):
    """Idle cores are worth using, as many as there are, never more slots than cores."""
    advice = advise(batch(shares=(1.0, 0.3), slots=slots))

    assert ("SCALE_UP", "low", Code.SPARE_CORES) == (advice.action, advice.urgency, advice.reason.code)
    assert expected == advice.recommended_slots
    assert expected in [row.slots for _, row in advice.what_if] or expected > 2 * slots


def test_last_tasks():
    """Nobody needs more slots than tasks are left."""
    assert "MAINTAIN" == advise(batch(shares=(0.5, 0.5), slots=8, remaining=8)).action


def test_maximum_holds():
    """Idle cores do not count beyond the maximum."""
    assert 12 == advise(batch(shares=(0.0, 0.0), slots=8), AdviceSettings(maximum=12)).recommended_slots


def test_hosts_that_do_not_tell():
    """Where nobody knows how busy the cores are, nothing is recommended, and the table is there all the same."""
    advice = advise(past(rate=80, slots=16, remaining=TEN_MILLION, hosts=(Host(name="a", cores=16),), **BATCH))

    assert ("MAINTAIN", Code.NO_DATA, 0.0) == (advice.action, advice.reason.code, advice.confidence)
    assert advice.what_if


def test_confidence_is_how_long_the_hosts_say_so():
    """Cores that have just become idle make a doubtful advice."""
    history = batch()
    idle = (Host(name="h0", cores=8, cpu_share=0.0), Host(name="h1", cores=8, cpu_share=0.0))
    advice = advise(then(history, hosts=idle, slots=8))

    assert 1.0 == advise(history).confidence
    assert advise([*history[:-1], *then(history[-1:], hosts=idle)]).confidence == pytest.approx(1 / 12)
    assert "WARMING" == advice.reason.code


def test_unknown_total():
    """A batch whose end nobody knows has no table, but idle cores are idle."""
    advice = advise(batch(shares=(0.5, 0.5), slots=8, remaining=None))

    assert (Code.SPARE_CORES, ()) == (advice.reason.code, advice.what_if)


@pytest.mark.parametrize(("remaining", "deadline"), [(100_000, 600.0), (50_000, 3600.0), (1_000_000, 4000.0)])
def test_deadline(remaining, deadline):
    """With a deadline, as many slots as the work takes in the time that is left."""
    advice = advise(
        batch(remaining=remaining, deadline_seconds=deadline, shares=(1.0, 1.0)), AdviceSettings(maximum=1000)
    )
    expected = remaining * 0.2 / (deadline - (15 if remaining * 0.2 / deadline > 16 else 0))

    assert Code.DEADLINE is advice.reason.code
    assert expected == pytest.approx(advice.reason.numbers["for_deadline"], abs=1)


def test_deadline_nobody_can_meet():
    """What is too late gets all that is allowed, and is critical."""
    advice = advise(batch(deadline_seconds=60.0), AdviceSettings(maximum=64))

    assert ("SCALE_UP", 64, "critical") == (advice.action, advice.recommended_slots, advice.urgency)
    assert int(advice.reason.numbers["unbounded_need"] or 0) > 30_000


def test_batch_that_is_over():
    """When nothing is left, slots are not needed, as for a stream in which nothing arrives."""
    history = past(
        400, rate=0, slots=8, running=0, objective=Objective.BATCH, remaining=0, hosts=(Host(name="a", cores=8),)
    )
    advice = None
    for count in range(1, len(history) + 1):
        advice = advise(history[:count], previous=advice)

    assert advice is not None
    assert ("SCALE_DOWN", 4, ()) == (advice.action, advice.recommended_slots, advice.what_if)


def test_measured_basis():
    """Where the last increase has shown what slots bring, the table says so and goes by it."""
    busy: dict[str, Any] = {**BATCH, "remaining": 100_000, "hosts": (Host(name="a", cores=8, cpu_share=1.0),)}
    before = past(120, rate=20, slots=4, **busy)
    after = past(120, rate=30, service=8 / 30, slots=8, begin=before[-1], **busy)
    rows = [row for _, row in advise(before + after).what_if]

    assert {"measured"} == {row.basis for row in rows}
    assert pytest.approx([100_000 / 30, 100_000 / 45], rel=0.02) == [row.eta_seconds for row in rows]
