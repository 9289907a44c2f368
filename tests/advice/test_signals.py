"""Signals: to JSON and back without a loss, and what cannot be read is named."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from imgpipe.advice import Host, Objective, Signals, WorkerSignal
from imgpipe.advice.histogram import Histogram
from imgpipe.advice.signals import Pool
from imgpipe.errors import BadOption

FULL = Signals(
    task_class="cpu", at_seconds=1_700_000_000.5, age_seconds=2.0, objective=Objective.BATCH, remaining=7,
    deadline_seconds=60.0, paused=True, enqueued_total=10, done_total=5, failed_total=1, retried_total=2, lost_total=1,
    busy_seconds_total=3.5, waited_seconds_total=4.5, durations=Histogram((1.0, 2.0), (3, 2, 1)), ready=4, running=2,
    oldest_wait_seconds=1.5, slots=4, warming_slots=2, slots_per_worker=2, coverage=0.5, start_seconds=9.0,
    workers=(WorkerSignal(id="w1", slots=2, idle_seconds=3.0, memory_bytes=10),), pools=(Pool(labels="cpu", slots=4),),
    hosts=(Host(name="h", cores=8, cpu_share=0.5, throttled_share=0.1, memory_share=0.2),), cpu_share_of_busy=0.9,
    handover_seconds=0.01, redis_latency_seconds=0.001, redis_memory_share=0.3,
)  # fmt: skip


@pytest.mark.parametrize("signals", [FULL, Signals(task_class="io", at_seconds=0.0)])
def test_there_and_back(signals):
    """What was written as JSON is read as the same value."""
    assert signals == Signals.from_data(json.loads(json.dumps(signals.to_data(), allow_nan=False)))


def test_everything_is_written():
    """Every field is there, times under names with _s, unknown ones as null."""
    data = Signals(task_class="io", at_seconds=0.0).to_data()

    assert len(fields(Signals)) == len(data)
    assert ("io", None, None) == (data["capability"], data["oldest_wait_s"], data["slots"])
    assert not [name for name in data if "seconds" in name]


def test_newer_fields_are_ignored():
    """A recording of a newer imgpipe can be read."""
    data = FULL.to_data()
    data["of_tomorrow"] = data["hosts"][0]["of_tomorrow"] = {"a": 1}

    assert FULL == Signals.from_data(data)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("slots", -1, "inputs.slots: got -1, expected a whole number from 0 on or null"),
        ("slots", 1.5, "inputs.slots: got 1.5"),
        ("slots", True, "inputs.slots: got True"),
        ("at_s", None, "inputs.at_s: got None, expected a number from 0 on"),
        ("at_s", float("nan"), "inputs.at_s: got nan"),
        ("busy_s_total", float("inf"), "inputs.busy_s_total: got inf"),
        ("capability", 3, "inputs.capability: got 3, expected a text"),
        ("paused", 0, "inputs.paused: got 0, expected true or false"),
        ("objective", "speed", "inputs.objective: got 'speed', expected one of stream, batch"),
        ("objective", [], "inputs.objective: got []"),
        ("durations", [], "inputs.durations: got [], expected an object with bounds_s and counts"),
        ("durations", {"bounds_s": [1], "counts": "ab"}, "inputs.durations.counts: got 'ab'"),
        ("durations", {"bounds_s": [1], "counts": [1]}, "histogram counts: got 1, expected 2 of them"),
        ("hosts", {}, "inputs.hosts: got {}, expected a list"),
        ("hosts", [{"name": "h"}], "inputs.hosts[0].cores: got None"),
        ("workers", [3], "inputs.workers[0]: got 3, expected an object"),
    ],
)
def test_what_cannot_be_read(field, value, message):
    """The field is named, and what it should be."""
    with pytest.raises(BadOption) as caught:
        Signals.from_data({**FULL.to_data(), field: value})

    assert message in str(caught.value)


def test_missing_field():
    """A field without a default has to be there."""
    with pytest.raises(BadOption, match=r"inputs\.at_s: got None, expected a value: it is missing"):
        Signals.from_data({"capability": "cpu"})


def test_no_object():
    """Inputs are an object."""
    with pytest.raises(BadOption, match="inputs: got 3, expected an object"):
        Signals.from_data(3)  # type: ignore[arg-type]  # that is what is tested
