"""Document: every snapshot is one that the schema describes, and is read back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import Phase, given, settings

import metrics_schema
from fleet_samples import ADVICE, QUEUE, SNAPSHOT, SampleFleet, any_snapshot
from imgpipe.errors import BadOption
from imgpipe.monitor import Snapshot  # noqa: TC001 - hypothesis reads the annotation
from imgpipe.monitor.document import SCHEMA, from_data, recommendation, summary, to_data

VALIDATOR = jsonschema_rs.validator_for(metrics_schema.schema())


def undescribed(data: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """Return the keys of a document that the schema does not describe."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if isinstance(data, list):
        return [key for part in data for key in undescribed(part, schema.get("items", {}), where)]
    if not isinstance(data, dict) or "properties" not in schema:
        return []
    unknown = [f"{where}.{key}" for key in data if key not in schema["properties"]]
    known = {key: part for key, part in data.items() if key in schema["properties"]}
    return unknown + [
        key for name, part in known.items() for key in undescribed(part, schema["properties"][name], f"{where}.{name}")
    ]


def test_schema_file_is_that_of_the_values():
    """Whoever changes the values has to run `python tests/metrics_schema.py`."""
    assert metrics_schema.schema() == json.loads(metrics_schema.FILE.read_text(encoding="utf-8"))


def test_sample_is_valid_and_described():
    """The schema holds for a full document, and knows each of its keys."""
    data = json.loads(json.dumps(to_data(replace(SNAPSHOT, scaling=()), age_seconds=0.5), allow_nan=False))

    assert [] == [error.message for error in VALIDATOR.iter_errors(data)]
    assert [] == undescribed(data, metrics_schema.schema())
    assert (SCHEMA, "2026-03-01T14:03:21.000Z", 0.5) == (data["schema"], data["generated_at"], data["age_s"])


def test_document_of_a_live_queue_is_valid():
    """With advice in it as well."""
    fleet = SampleFleet()
    fleet.submit(5)
    fleet.watch.take()
    fleet.clock.advance(5.0)
    data = json.loads(json.dumps(to_data(fleet.watch.take()), allow_nan=False))

    assert [] == [error.message for error in VALIDATOR.iter_errors(data)]
    assert "NO_CAPABLE_WORKER" == data["scaling_recommendation"]["reason"]["code"]


def test_names_have_units():
    """Seconds are `_s`, what happens each second is `_per_s`, windows are named by their length."""
    data = to_data(SNAPSHOT)

    assert {"p10", "p50", "p90"} == data["runs"][0]["eta_s"].keys()
    assert {"now": 402.0, "1m": 398.0, "10m": 396.0} == data["runs"][0]["rate_per_s"]
    assert (9.8, 401.0) == (data["queues"][0]["oldest_wait_s"], data["queues"][0]["arrival_rate_per_s"])


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(any_snapshot())
def test_any_snapshot_is_valid_json_and_comes_back(snapshot: Snapshot):
    """Whatever is in it, JSON can hold it; what can be read back is written the same again."""
    data = json.loads(json.dumps(to_data(snapshot), allow_nan=False))
    once = from_data_or_none(data)

    made = {"summary", "scaling_recommendation"}  # from the rest; they may change with what is no number
    if once is not None:
        again = json.loads(json.dumps(to_data(once), allow_nan=False))
        assert {key: data[key] for key in data.keys() - made} == {key: again[key] for key in again.keys() - made}


def from_data_or_none(data: Any) -> Snapshot | None:
    """Read a document; what is no number was written as null, where there has to be one it cannot be read."""
    try:
        return from_data(data)
    except BadOption:
        return None


def test_sample_comes_back():
    """Every value of it is read as it was."""
    assert SNAPSHOT == from_data(json.loads(json.dumps(to_data(SNAPSHOT))))


def test_what_a_newer_version_adds_is_ignored():
    """Only additions are promised; they do no harm."""
    data = to_data(SNAPSHOT) | {"news": [1]}
    data["queues"][0]["news"] = 3

    assert SNAPSHOT == from_data(data)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema": "imgpipe.compare/1"}, "schema imgpipe.metrics/1"),
        ({"runs": 3}, "document.runs"),
        ({"queues": [{}]}, r"document.queues\[0\].capability"),
        ({"took_s": "long"}, "document.took_s"),
        ({"workers": [None]}, r"document.workers\[0\]"),
    ],
)
def test_what_is_wrong_is_named(change, named):
    """A file that was edited by hand says where it cannot be read."""
    with pytest.raises(BadOption, match=named):
        from_data({**to_data(SNAPSHOT), **change})


@pytest.mark.parametrize("data", [None, 3, [], "x"])
def test_what_is_no_document(data):
    """Anything else is refused."""
    with pytest.raises(BadOption):
        from_data(data)


def test_missing_key_is_named():
    """A document that was cut cannot be read."""
    data = to_data(SNAPSHOT)
    del data["workers"]

    with pytest.raises(BadOption, match=r"document\.workers"):
        from_data(data)


def test_summary():
    """Percents go to 100, lost workers do not count, and what is unknown is null."""
    numbers = summary(SNAPSHOT)

    assert (98.0, 38.0, 3, 2) == (
        numbers["cpu_percent"], numbers["memory_percent"], numbers["total_workers"], numbers["busy_workers"]
    )  # fmt: skip
    assert (4 / 6, 3927) == (numbers["worker_utilization"], numbers["queue_length"])


def test_summary_of_nothing():
    """Without a queue, a worker or a machine that can be looked into, nothing is 0 that is not."""
    numbers = summary(replace(SNAPSHOT, queues=(), workers=(), hosts=()))

    unknown = {"cpu_percent", "memory_percent", "memory_available_bytes", "worker_utilization", "success_rate",
               "throughput_per_s"}  # fmt: skip
    assert unknown == {name for name, value in numbers.items() if value is None}


def test_most_urgent_advice_comes_first():
    """Of several, the one that should be read first is the recommendation."""
    urgent = {**ADVICE, "capability": "io", "urgency": "critical"}

    assert urgent == recommendation(replace(SNAPSHOT, scaling=(ADVICE, urgent, {**ADVICE, "urgency": "odd"})))
    assert recommendation(replace(SNAPSHOT, scaling=())) is None


def test_success_rate_counts_lost_ones():
    """What was lost with a worker is no success."""
    queue = replace(QUEUE, completed_total=90, failed_total=7, lost_total=3)

    assert 0.9 == summary(replace(SNAPSHOT, queues=(queue,)))["success_rate"]
