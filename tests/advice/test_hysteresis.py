"""Hysteresis: up when it is no chance, down when it has been seen long enough, and never more than a step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advice_samples import past, then
from imgpipe.advice import AdviceSettings, Host, advise
from imgpipe.advice.reasons import Hold


def followed(history, settings=None):
    """Return the advice on the newest entry, after that on each entry before."""
    advice = None
    for count in range(1, len(history) + 1):
        advice = advise(history[:count], settings or AdviceSettings(), advice)
    return advice


def hold(advice):
    """Return why the need is not followed to the letter."""
    return advice.reason.numbers.get("hold")


def test_enough():
    """Slots that fit are left alone."""
    advice = followed(past(rate=10, slots=3))

    assert ("MAINTAIN", 3, Hold.ENOUGH) == (advice.action, advice.recommended_slots, hold(advice))


def test_up_when_seen_twice():
    """One slot more than there is, by little: the first time is chance, the second is not."""
    history = past(60, rate=12.5, slots=3)
    once = advise(history)
    twice = advise(history, previous=once)
    again = advise([*history, *past(5, rate=12.5, slots=3, begin=history[-1])], previous=once)

    assert ("MAINTAIN", Hold.ONCE_IS_CHANCE) == (once.action, hold(once))
    assert "MAINTAIN" == twice.action  # the same moment is no second one
    assert ("SCALE_UP", 4) == (again.action, again.recommended_slots)


def test_up_at_once_when_it_is_certain():
    """Three times the work is no chance."""
    old = past(120, rate=10, slots=3)
    advice = advise(old + past(5, rate=30, done_rate=15, slots=3, ready=75, begin=old[-1]))

    assert ("SCALE_UP", 7, Hold.IN_STEPS) == (advice.action, advice.recommended_slots, hold(advice))


def test_up_at_once_when_it_is_late():
    """Waits three times the target let steps be steps."""
    advice = advise(past(60, rate=100, done_rate=15, slots=3, ready=3000))

    assert (advice.recommended_slots or 0) > 30
    assert "critical" == advice.urgency


def test_step_of_a_small_fleet():
    """At most twice as many, or four more."""
    history = past(60, rate=60, done_rate=10, slots=2, ready=100)  # W = 10 s, the target

    assert 6 == advise(history).recommended_slots


@pytest.mark.parametrize(("slots", "expected"), [(100, "MAINTAIN"), (90, "SCALE_UP")])
def test_dead_band(slots, expected):
    """A tenth more is not worth it; more than that is."""
    advice = followed(past(30, rate=420, done_rate=420, service=0.2, slots=slots))  # needs 105

    assert expected == advice.action


def test_down_after_five_minutes():
    """Slots are given up when they were not needed for 5 minutes, half of them at most."""
    history = past(300, rate=10, slots=20)

    assert Hold.TOO_SHORT_A_HISTORY == hold(followed(history[:-4]))
    assert ("SCALE_DOWN", 10, Hold.IN_STEPS) == ((a := followed(history)).action, a.recommended_slots, hold(a))


def test_down_counts_the_highest_need():
    """What was needed four minutes ago may be needed again."""
    begin = past(60, rate=30, slots=8)
    later = past(290, rate=10, slots=8, begin=begin[-1])
    longer = past(60, rate=10, slots=8, begin=later[-1])

    assert ("MAINTAIN", Hold.NEEDED_LATELY) == ((a := followed(begin + later)).action, hold(a))
    assert "SCALE_DOWN" == followed(begin + later + longer).action


def test_no_second_step_within_a_minute():
    """After a change, a minute passes before the next one down."""
    history = past(400, rate=10, slots=20)
    changed = [*history[:-9], *(replace(entry, slots=10) for entry in history[-9:])]

    assert Hold.JUST_CHANGED == hold(followed(changed))


def test_an_outage_does_not_count_as_calm():
    """Five minutes of which three have no numbers are not five minutes in which little was needed."""
    history = past(400, rate=10, slots=20)
    gap = history[:41] + history[76:]  # nothing from 200 s to 380 s

    assert "SCALE_DOWN" == followed(history).action
    assert ("MAINTAIN", Hold.TOO_SHORT_A_HISTORY) == ((a := followed(gap)).action, hold(a))


def test_down_leaves_those_at_work():
    """Whoever follows may end workers at once: not more than are idle."""
    advice = followed(past(400, rate=10, slots=8, running=7))

    assert ("SCALE_DOWN", 7) == (advice.action, advice.recommended_slots)


def test_down_is_not_too_tight():
    """Whoever wants slots 95 % busy needs 3 of 4, but on 3 more than 85 % would be busy: too little for chance."""
    history = past(400, rate=13, service=0.2, slots=4, running=2)
    advice = followed(history, AdviceSettings(target_utilisation=0.95))

    assert 3 == advice.reason.numbers["needed_slots"]
    assert ("MAINTAIN", Hold.WOULD_BE_TIGHT) == (advice.action, hold(advice))


@pytest.mark.parametrize(("settings", "scope"), [(AdviceSettings(maximum=4), "worker"), (AdviceSettings(), "host")])
def test_maximum(settings, scope):
    """No more than is allowed, or than the hosts have cores; what would be needed is told."""
    history = past(60, rate=100, done_rate=15, slots=3, ready=3000, hosts=(Host(name="a", cores=4),))
    advice = advise(history, settings)
    full = advise([replace(entry, slots=4) for entry in history], settings)

    assert ("SCALE_UP", 4, scope, Hold.AT_MAXIMUM) == (
        advice.action,
        advice.recommended_slots,
        advice.scope,
        hold(advice),
    )
    assert ("MAINTAIN", 4, scope, Hold.AT_MAXIMUM) == (full.action, full.recommended_slots, full.scope, hold(full))
    assert int(advice.reason.numbers["unbounded_need"] or 0) > 30


def test_minimum():
    """Nothing to do ends at the minimum, in steps."""
    history = past(400, rate=0, slots=4, running=0)

    assert 2 == followed(history).recommended_slots
    assert 3 == followed(history, AdviceSettings(minimum=3)).recommended_slots


def test_warming_slots_count():
    """Slots that are on their way are not asked for again, once the change is old enough to judge."""
    advice = followed(past(120, rate=30, done_rate=15, slots=3, warming_slots=20, ready=30))

    assert "MAINTAIN" == advice.action


def test_a_maximum_below_what_is_there():
    """Who allows fewer than there are is told to give some up, in time."""
    advice = followed(past(400, rate=0.1, slots=10), AdviceSettings(maximum=6))

    assert ("SCALE_DOWN", 5) == (advice.action, advice.recommended_slots)


def test_stale_is_never_down():
    """However little is needed, old numbers change nothing, and are not remembered."""
    before = followed(past(400, rate=0, slots=20, running=0)[:-1])
    stale = advise(then(past(400, rate=0, slots=20, running=0), age_seconds=60.0), previous=before)

    assert ("MAINTAIN", before.trail) == (stale.action, stale.trail)
