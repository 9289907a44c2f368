"""The trace: events as the format demands them, one row for each worker, stages inside of tasks; and the document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comparison_samples import comparison, curves, difference, workload
from imgpipe.compare.document import to_data
from imgpipe.compare.spans import timelines
from imgpipe.compare.trace import trace_data

MEASURED = comparison(curves(name="resize"), curves(name="sharpen"))


def events(kind: str, category: str = "") -> list[dict[str, Any]]:
    """Return the events of a kind (X for complete ones, M for names), after a way through JSON."""
    data = json.loads(json.dumps(trace_data(timelines(MEASURED))))
    assert {"traceEvents", "displayTimeUnit"} == set(data)
    return [event for event in data["traceEvents"] if event["ph"] == kind and event.get("cat", "") == category]


def test_complete_events_have_what_the_format_demands():
    """Name, category, microseconds from zero, process and thread."""
    for event in events("X", "task") + events("X", "stage"):
        assert {"name", "cat", "ph", "ts", "dur", "pid", "tid"} <= set(event)
        assert event["ts"] >= 0
        assert event["dur"] >= 0
        assert type(event["pid"]) is type(event["tid"]) is int


def test_times_are_microseconds():
    """A task of a tenth of a second has 100,000 of them, and begins where the one before ended."""
    first = [event for event in events("X", "task") if event["pid"] == 1]

    assert [(0.0, 100_000.0), (100_000.0, 100_000.0)] == [(event["ts"], event["dur"]) for event in first][:2]


def test_every_row_has_a_name():
    """Each process is a pipeline with an executor, each thread a worker."""
    names = {(event["name"], event["args"]["name"]) for event in events("M") if "name" in event["args"]}

    assert ("process_name", "resize, sequential") in names
    assert ("process_name", "sharpen, 2 processes") in names
    assert ("thread_name", "worker-1") in names
    rows = {(event["pid"], event["tid"]) for event in events("M") if event["name"] == "thread_name"}
    assert rows == {(event["pid"], event["tid"]) for event in events("X", "task")}


def test_stages_are_nested_in_tasks():
    """Each stage lies inside of a task of the same row, or a viewer would not draw it there."""
    tasks = events("X", "task")

    for stage in events("X", "stage"):
        assert any(
            (task["pid"], task["tid"]) == (stage["pid"], stage["tid"])
            and task["ts"] - 0.2 <= stage["ts"]
            and stage["ts"] + stage["dur"] <= task["ts"] + task["dur"] + 0.2
            for task in tasks
        )


def test_tasks_tell_what_their_time_went_into():
    """Running, waiting for a core and blocked, in milliseconds."""
    assert {"running_ms": 80.0, "waiting_for_a_core_ms": 10.0, "blocked_ms": 10.0} == events("X", "task")[0]["args"]


def test_document_has_everything():
    """Raw repetitions, intervals, shares, fits, predictions, reasons and differences, as JSON."""
    data = json.loads(json.dumps(to_data(comparison(workload(*curves().cells[1:], differences=(difference(),))))))

    pipeline = data["pipelines"][0]
    assert ("imgpipe.compare/1", False) == (data["schema"], data["identical"])
    assert {"executor": "threads", "workers": 2} == {key: pipeline["cells"][2][key] for key in ("executor", "workers")}
    assert [0.2, 0.2] == pipeline["cells"][2]["seconds"]
    assert pytest.approx({"median": 1.9, "low": 1.85, "high": 1.95}) == pipeline["cells"][2]["speedup"]
    assert {"run", "core", "gil", "io", "idle"} == set(pipeline["cells"][2]["shares"])
    assert {"threads", "processes"} == set(pipeline["fits"])
    assert "10 bytes, sha256 00ff" == pipeline["differences"][0]["expected"]
    assert 0.05 == pipeline["prediction"]["gil_share"]
    assert all(isinstance(line, str) for line in pipeline["why"])
