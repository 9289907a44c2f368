"""Urgency: the rule, line by line."""

from __future__ import annotations

import pytest

from advice_samples import past, then
from imgpipe.advice import AdviceSettings, Objective, advise
from imgpipe.advice.advice import most_urgent
from imgpipe.advice.urgency import Urgency


@pytest.mark.parametrize(
    ("history", "urgency"),
    [
        (past(slots=0, ready=5, running=0), "critical"),  # nobody is there
        (past(rate=30, done_rate=15, ready=500), "critical"),  # 33 s, of 10
        (past(rate=30, done_rate=15, ready=200), "high"),  # 13 s
        (past(rate=30, done_rate=15, ready=1, oldest_wait_seconds=11.0), "high"),  # so long has one waited
        (past(rate=30, done_rate=15, ready=100), "high"),  # 10 s in 3 s: too late to start workers
        (past(rate=16.5, done_rate=15, ready=0), "medium"),  # 10 s in 100 s
        (past(rate=14, done_rate=14, ready=0), "low"),  # 3 slots suffice, by little
        (past(rate=10), "none"),
        (then(past(rate=10), redis_memory_share=0.96), "critical"),
        (then(past(rate=10), redis_memory_share=0.95), "none"),
        (then(past(rate=30, done_rate=15, ready=500), redis_latency_seconds=0.1), "critical"),
    ],
)
def test_rule(history, urgency):
    """By what is expected, and how soon."""
    previous = advise(history[:-1]) if len(history) > 1 else None

    assert urgency == advise(history, previous=previous).urgency


def test_breach():
    """When the waits will be too long, if nothing changes: 1.5 tasks/s too many, 150 until then."""
    assert pytest.approx(100, rel=0.02) == advise(past(rate=16.5, done_rate=15)).breach_seconds
    assert 0.0 == advise(past(rate=16.5, done_rate=15, ready=1000)).breach_seconds
    assert advise(past(rate=10)).breach_seconds is None


@pytest.mark.parametrize(("remaining", "urgency"), [(1000, "none"), (1500, "none"), (3000, "high"), (6000, "critical")])
def test_batch_with_a_deadline(remaining, urgency):
    """Of a batch, the time that it takes counts against the time that is left."""
    history = past(
        rate=15, ready=remaining, objective=Objective.BATCH, remaining=remaining, deadline_seconds=100.0,
    )  # fmt: skip
    advice = advise(history, AdviceSettings(), advise(history[:-1]))

    assert urgency == advice.urgency


def test_most_urgent():
    """The first of the most urgent ones is to be read first."""
    calm, urgent, as_urgent = (advise(past(ready=ready, rate=30, done_rate=15)) for ready in (0, 500, 600))

    assert most_urgent([calm, urgent, as_urgent]) is urgent
    assert most_urgent([]) is None
    assert sorted(Urgency, key=lambda one: one.rank) == list(Urgency)
