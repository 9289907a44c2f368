"""Advice: whole workers, who is to go, JSON, and what holds whatever the signals are."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advice_samples import past
from imgpipe.advice import AdviceSettings, Host, Objective, Signals, WorkerSignal, advise
from imgpipe.advice.histogram import Histogram
from imgpipe.errors import BadOption

KEYS = {
    "capability", "objective", "current_workers", "recommended_workers", "interval", "what_if", "action", "urgency",
    "confidence", "confidence_caps", "reason", "scope", "drain", "breach_in_s", "computed_at", "inputs",
}  # fmt: skip


def followed(history, rules=None):
    """Return the advice on the newest entry, after that on each before."""
    advice = None
    for count in range(1, len(history) + 1):
        advice = advise(history[:count], rules or AdviceSettings(), advice)
    assert advice is not None
    return advice


def test_workers_with_several_slots():
    """8 slots on one worker and 9 needed are two workers; 3 needed are still one."""
    up = followed(past(60, rate=34, slots=8, slots_per_worker=8))
    down = followed(past(400, rate=10, slots=8, slots_per_worker=8))

    assert ("SCALE_UP", 1, 2) == (up.action, up.current_workers, up.recommended_workers)
    assert ("MAINTAIN", 1, 1, 8) == (
        down.action,
        down.current_workers,
        down.recommended_workers,
        down.recommended_slots,
    )


def test_who_is_to_go():
    """Those that have been idle longest, of these the smallest first, and none that would be too much."""
    workers = (
        WorkerSignal(id="busy", slots=2, idle_seconds=0.0, memory_bytes=1),
        WorkerSignal(id="large", slots=2, idle_seconds=60.0, memory_bytes=900),
        WorkerSignal(id="small", slots=2, idle_seconds=60.0, memory_bytes=100),
        WorkerSignal(id="huge", slots=6, idle_seconds=99.0, memory_bytes=1),
        WorkerSignal(id="unknown", slots=2),
    )
    advice = followed(past(400, rate=10, slots=14, slots_per_worker=2, workers=workers, running=2))

    assert ("SCALE_DOWN", 5, 4, ("huge",)) == (
        advice.action, advice.current_workers, advice.recommended_workers, advice.drain,
    )  # fmt: skip
    without_huge = followed(
        past(400, rate=10, slots=8, slots_per_worker=2, workers=(*workers[:3], workers[4]), running=2)
    )
    assert (("small", "large"), 2) == (without_huge.drain, without_huge.recommended_workers)


def test_data():
    """It has every key of the document, names times with _s, and is JSON."""
    data = advise(past(rate=30, done_rate=15, ready=100)).to_data()

    assert KEYS <= data.keys()
    assert "2023-11-14T22:18:20.000Z" == data["computed_at"]
    assert (
        Signals.from_data(json.loads(json.dumps(data, allow_nan=False))["inputs"])
        == past(rate=30, done_rate=15, ready=100)[-1]
    )
    assert {"service_s", "target_wait_s", "wait_s"} <= data["reason"]["numbers"].keys()


def test_data_without_anything():
    """Of nothing, nothing is known: null, not 0."""
    data = advise([], task_class="cpu").to_data()

    assert (None, None, None, None) == (data["current_workers"], data["interval"], data["computed_at"], data["inputs"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_wait_seconds", 0), ("target_drain_seconds", float("inf")), ("sample_seconds", float("nan")),
        ("start_seconds", -1), ("target_utilisation", 1), ("wait_quantile", 0), ("minimum", -1), ("maximum", 0),
        ("draws", 0),
    ],
)  # fmt: skip
def test_senseless_settings(name, value):
    """What nobody could aim at is refused by name."""
    with pytest.raises(BadOption, match=name):
        AdviceSettings(**{name: value})


def test_maximum_below_minimum():
    """There has to be room between them."""
    with pytest.raises(BadOption, match="maximum: got 2, expected at least 3"):
        AdviceSettings(minimum=3, maximum=2)


COUNTS = st.none() | st.integers(0, 10_000)
SHARES = st.none() | st.floats(0, 1)
TIMES = st.none() | st.floats(0, 1000)
HOSTS = st.builds(
    Host, name=st.just("h"), cores=st.integers(1, 64), cpu_share=SHARES, throttled_share=SHARES, memory_share=SHARES
)
SIGNALS = st.builds(
    Signals,
    task_class=st.just("cpu"),
    at_seconds=st.floats(0, 2000),
    age_seconds=st.sampled_from([0.0, 1.0, 100.0]),
    objective=st.sampled_from(Objective),
    remaining=COUNTS,
    deadline_seconds=TIMES,
    paused=st.booleans(),
    enqueued_total=COUNTS,
    done_total=COUNTS,
    failed_total=st.none() | st.integers(0, 10),
    lost_total=st.none() | st.integers(0, 1),
    busy_seconds_total=st.none() | st.floats(0, 10_000),
    waited_seconds_total=TIMES,
    durations=st.none() | st.builds(Histogram, st.just((1.0, 2.0)), st.tuples(*[st.integers(0, 99)] * 3)),
    ready=COUNTS,
    running=COUNTS,
    oldest_wait_seconds=TIMES,
    slots=st.none() | st.integers(0, 100),
    warming_slots=st.integers(0, 10),
    slots_per_worker=st.integers(1, 8),
    coverage=SHARES,
    start_seconds=TIMES,
    hosts=st.tuples() | st.tuples(HOSTS) | st.tuples(HOSTS, HOSTS),
    cpu_share_of_busy=SHARES,
    handover_seconds=TIMES,
    redis_latency_seconds=TIMES,
    redis_memory_share=SHARES,
)
RULES = st.builds(AdviceSettings, minimum=st.integers(0, 3), maximum=st.none() | st.integers(3, 50), draws=st.just(20))


@given(history=st.lists(SIGNALS, min_size=1, max_size=6), rules=RULES, is_sorted=st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_the_signals(history, rules, is_sorted):
    """An advice comes of it, the same each time, within bounds, as JSON; never down where numbers are old."""
    if is_sorted:
        counters = ("at_seconds", "enqueued_total", "done_total", "busy_seconds_total")
        columns = {name: sorted(getattr(entry, name) or 0 for entry in history) for name in counters}
        history = [
            replace(entry, **{name: columns[name][number] for name in counters}) for number, entry in enumerate(history)
        ]
    advice = followed(history, rules)
    current, recommended = advice.current_slots, advice.recommended_slots

    assert advice == followed(history, rules)
    assert 0 <= advice.confidence <= 1
    json.dumps(advice.to_data(), allow_nan=False)
    assert advice.reason.text
    if history[-1].age_seconds > 15:
        assert ("MAINTAIN", 0.0) == (advice.action, advice.confidence)
    if advice.action != "MAINTAIN":
        assert recommended is not None
        assert rules.minimum <= recommended <= (rules.maximum or recommended)
    if advice.action == "SCALE_UP":
        assert (current or 0) < (recommended or 0)
        assert (advice.current_workers or 0) < (advice.recommended_workers or 0)
    if advice.action == "SCALE_DOWN":
        assert (current or 0) > (recommended or 0)
