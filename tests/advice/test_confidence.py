"""Confidence: of decisions that are said to be right with 0.9, 9 of 10 are, by an oracle that knows the rates."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

import pytest

from advice_samples import past, then
from imgpipe.advice import AdviceSettings, advise
from imgpipe.advice.draws import drawn_needs, lower, upper
from imgpipe.advice.policies import Advised
from imgpipe.advice.reasons import Code
from imgpipe.advice.requirement import need_of
from imgpipe.advice.simulate import Fleet, Load, lognormal, simulate
from imgpipe.advice.situation import situation_of
from imgpipe.advice.trail import Trail

SETTINGS = AdviceSettings()
ENOUGH = 50


def decisions(load, fleet, service_seconds, *, follow):
    """Return the confidence of each decision, and whether the oracle agrees with its direction."""
    advised, seen = Advised(SETTINGS), []

    def policy(history):
        wanted, now = advised(history), history[-1]
        if advised.advices[-1].reason.code in (Code.UTILISATION, Code.LATENCY, Code.BACKLOG):
            situation = situation_of(history, SETTINGS, Trail())
            assert situation.demand is not None
            assert situation.need is not None
            true = need_of(rate_at(load, now.at_seconds), service_seconds, situation.demand).slots
            agree = direction(situation.need.slots, now) == direction(true, now)
            seen.append((advised.advices[-1].confidence, agree))
        return wanted if follow else None

    simulate(load, fleet, policy)
    return seen


def rate_at(load, seconds):
    """Return the true rate of arrivals."""
    end = 0.0
    for length, rate in load.phases:
        end += length
        if seconds <= end:
            return rate
    return 0.0


def direction(needed, now):
    """Return 1 if more slots are needed than are there or coming, -1 if fewer than are there."""
    return (needed > now.all_slots) - (needed < now.slots)


def brier(seen):
    """Return the mean squared difference between what was said and what was so."""
    return sum((sure - agree) ** 2 for sure, agree in seen) / len(seen)


def assert_modest(seen):
    """No tenth of the scale with enough decisions promises more than it keeps."""
    tenths = defaultdict(list)
    for sure, agree in seen:
        tenths[min(int(10 * sure), 9)].append((sure, agree))
    for group in tenths.values():
        said, kept = (sum(column) / len(group) for column in zip(*group, strict=True))
        assert len(group) < ENOUGH or kept >= said - 0.05, (said, kept, len(group))
    assert max(map(len, tenths.values())) >= ENOUGH


@pytest.mark.slow
def test_calibration_of_what_is_followed():
    """On a load with steps, followed: every tenth keeps its promise, and the Brier score is below 0.05."""
    seen = []
    for seed in range(2):
        load = Load(phases=((1200, 10), (1200, 30), (1200, 10)), service=lognormal(0.2, 1.0), seed=seed)
        seen += decisions(load, Fleet(slots=3), 0.2, follow=True)

    assert_modest(seen)
    assert brier(seen) <= 0.05


@pytest.mark.slow
def test_calibration_where_it_is_hard():
    """On fleets that are just large enough or just not, nobody can be sure: so the advice is not."""
    chance, seen = random.Random(5), []
    for seed in range(30):
        rate, service = chance.uniform(2, 40), chance.uniform(0.05, 0.6)
        slots = max(1, round(rate * service / 0.8 * chance.uniform(0.8, 1.5)))
        load = Load(phases=((300, rate),), service=lognormal(service, chance.choice([0.3, 1, 2])), seed=seed)
        seen += decisions(load, Fleet(slots=slots), service, follow=False)

    assert_modest(seen)
    assert brier(seen) <= 0.07


@pytest.mark.parametrize(
    ("history", "cap", "most"),
    [
        (then(past(), coverage=0.79), "COVERAGE", 0.5),
        (past(60, rate=0.05, service=1.0), "FEW_TASKS", 0.3),
        (past(120, rate=10) + past(5, rate=30, begin=past(120, rate=10)[-1]), "SHORT_WINDOW", 0.8),
        (past(120, rate=30) + past(15, rate=10, begin=past(120, rate=30)[-1]), "RATE_FALLS", 0.8),
        (
            [
                replace(entry, waited_seconds_total=10.0 * number)
                for number, entry in enumerate(past(60, rate=50, slots=12, ready=40))
            ],
            "LITTLE",
            0.5,
        ),
    ],
)
def test_caps(history, cap, most):
    """What makes the numbers doubtful is named, and lowers the confidence."""
    advice = advise(history)

    assert cap in advice.caps
    assert advice.confidence <= most


def test_no_caps():
    """Good numbers lower nothing."""
    advice = advise(then(past(), coverage=0.8))

    assert ((), True) == (advice.caps, advice.confidence > 0.9)


def test_interval():
    """Eight of ten draws lie in it, and few tasks make it wide."""
    many, few = (advise(past(60, rate=rate, service=100 / rate, slots=130)) for rate in (1000, 5))

    assert many.interval is not None
    assert few.interval is not None
    assert many.interval[0] <= 125 <= many.interval[1]
    assert many.interval[1] - many.interval[0] < (few.interval[1] - few.interval[0]) / 2


def test_arrivals_in_bursts_say_less():
    """The same rate, but many at a time: draws lie further apart."""
    history = past(300, rate=100, service=1.0, slots=125)
    situation = situation_of(history, SETTINGS, Trail())
    assert situation.estimates is not None
    assert situation.demand is not None
    one, other = (
        drawn_needs(replace(situation.estimates, arrival_variability=burst), situation.demand, SETTINGS)
        for burst in (1.0, 25.0)
    )

    assert upper(other) - lower(other) > 1.5 * (upper(one) - lower(one))
