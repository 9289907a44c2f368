"""Prometheus: the text is what the official parser reads, with the names and values that were promised."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from fleet_samples import SNAPSHOT, WORKERS, SampleFleet, sample_worker
from imgpipe.monitor.prometheus import to_text
from imgpipe.monitor.values import Host
from imgpipe.queue.values import DURATION_BOUNDS_SECONDS

MONITORING = Path(__file__).parent.parent.parent / "monitoring"
SUFFIXES = ("_bucket", "_sum", "_count")


def read(text: str) -> dict[str, Any]:
    """Return all metrics by name, as the official parser reads them."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(text: str, name: str, **labels: str) -> float:
    """Return the value of one sample."""
    found = [sample.value for family in text_string_to_metric_families(text) for sample in family.samples
             if sample.name == name and labels.items() <= sample.labels.items()]  # fmt: skip
    assert 1 == len(found)
    number: float = found[0]
    return number


def names_in(text: str) -> set[str]:
    """Return the names of metrics that a rule or a panel asks for."""
    found = set(re.findall(r"\bimgpipe_\w+", text))
    return {name.removesuffix(next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")) for name in found}


def offered() -> set[str]:
    """Return the names of all metrics, described or not."""
    return set(re.findall(r"^# TYPE (\w+)", to_text(SNAPSHOT), re.MULTILINE))


def test_every_metric_is_described_and_typed():
    """The parser knows a type and a help text of each, and no name twice."""
    text = to_text(SNAPSHOT)
    families = list(text_string_to_metric_families(text))

    assert [] == [family.name for family in families if not family.documentation or family.type == "unknown"]
    assert len(families) == len({family.name for family in families})
    assert 28 < len(families)


def test_only_counters_are_totals():
    """A name that ends in _total counts, and all counters do."""
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)", to_text(SNAPSHOT), re.MULTILINE))

    assert {name for name in kinds if name.endswith("_total")} == {n for n, kind in kinds.items() if kind == "counter"}


def test_values():
    """Counters are the queue's own, so that everybody who asks gets the same."""
    text = to_text(SNAPSHOT)

    assert 6_839_880 == value(text, "imgpipe_jobs_completed_total", capability="cpu")
    assert 3912 == value(text, "imgpipe_jobs_ready", capability="cpu")
    assert 2 == value(text, "imgpipe_workers", capability="cpu", state="busy")
    assert 1 == value(text, "imgpipe_workers", capability="cpu", state="lost")
    assert 17 == value(text, "imgpipe_recommended_workers", capability="cpu")
    assert 1 == value(text, "imgpipe_recommendation_info", action="SCALE_UP", urgency="low", code="SPARE_CORES")
    assert pytest.approx(1_772_373_791.2) == value(
        text, "imgpipe_queue_oldest_enqueued_timestamp_seconds", capability="cpu"
    )


def test_known_series_are_there_with_0():
    """A state that nobody is in is 0, not missing."""
    assert 0 == value(to_text(SNAPSHOT), "imgpipe_workers", capability="io", state="draining")


def test_unknown_values_are_left_out():
    """What only another machine knows has no sample."""
    hosts = read(to_text(SNAPSHOT))["imgpipe_host_cpu_usage_ratio"].samples

    assert [("node-a", 0.98)] == [(sample.labels["host"], sample.value) for sample in hosts]


def test_histogram_adds_up():
    """Buckets are cumulative, the last one is the count."""
    samples = read(to_text(SNAPSHOT))["imgpipe_job_duration_seconds"].samples
    buckets = [sample for sample in samples if sample.name.endswith("_bucket") and sample.labels["capability"] == "cpu"]
    (count,) = [s.value for s in samples if s.name.endswith("_count") and s.labels["capability"] == "cpu"]

    assert [*map(float, DURATION_BOUNDS_SECONDS), float("inf")] == [float(sample.labels["le"]) for sample in buckets]
    assert sorted(sample.value for sample in buckets) == [sample.value for sample in buckets]
    assert count == buckets[-1].value == 24_116


def test_hostile_names_stay_inside_their_quotes():
    """A host that calls itself like a metric is still a label."""
    name = 'a"} 1\nimgpipe_evil 7\\'
    text = to_text(replace(SNAPSHOT, hosts=(Host(name=name, workers=1, slots=1, cpu_cores=1, cpu_of_quota=0.5),)))

    assert "imgpipe_evil" not in read(text)
    assert 0.5 == value(text, "imgpipe_host_cpu_usage_ratio", host=name)


def test_number_of_series_does_not_grow_with_workers():
    """A thousand workers of the same kind have as many series as one."""
    many = tuple(sample_worker(f"node-{number}") for number in range(1000))

    assert len(to_text(replace(SNAPSHOT, workers=WORKERS[:1])).splitlines()) == (
        len(to_text(replace(SNAPSHOT, workers=many)).splitlines())
    )


def test_queue_that_is_away():
    """What needs no queue is still there, and it says that it is away."""
    families = read(to_text(None))

    assert {"imgpipe_build_info", "imgpipe_queue_up"} == families.keys()
    assert 0 == value(to_text(None), "imgpipe_queue_up")


def test_text_of_a_live_queue():
    """An empty queue and a busy one are read as well."""
    fleet = SampleFleet()
    assert 1 == value(to_text(fleet.watch.take()), "imgpipe_queue_up")
    fleet.worker("w")
    fleet.submit(10)
    fleet.work("w", 4)

    assert 4 == value(to_text(fleet.watch.take()), "imgpipe_jobs_completed_total", capability="cpu")


def test_alerts_ask_for_what_there_is():
    """The rules can be read, are complete, and name only metrics that are offered."""
    document = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))
    rules = [rule for group in document["groups"] for rule in group["rules"]]

    assert 5 <= len(rules)
    assert [] == [rule["alert"] for rule in rules if not {"expr", "for", "labels", "annotations"} <= rule.keys()]
    assert [] == [rule["alert"] for rule in rules if not names_in(rule["expr"])]
    assert set() == {name for rule in rules for name in names_in(json.dumps(rule))} - offered()


def test_dashboard_asks_for_what_there_is():
    """The dashboard for Grafana can be read, and every panel names only metrics that are offered."""
    document = json.loads((MONITORING / "grafana.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in document["panels"] for target in panel.get("targets", [])]

    assert 8 <= len(queries)
    assert [] == [query for query in queries if not names_in(query)]
    assert set() == {name for query in queries for name in names_in(query)} - offered()
    assert len(document["panels"]) == len({panel["id"] for panel in document["panels"]})


def test_every_metric_is_in_the_documentation():
    """The table names what is offered, and nothing else."""
    text = (MONITORING.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
    cells = re.findall(r"`(imgpipe_[\w{},]+)`", text.split("| metric |")[1].split("\n\n")[0])

    assert offered() == {name for cell in cells for name in spelled_out(cell)}


def spelled_out(cell: str) -> list[str]:
    """Return the names that a cell with braces stands for."""
    before, brace, rest = cell.partition("{")
    if not brace:
        return [cell]
    middle, _, after = rest.partition("}")
    return [before + part + after for part in middle.split(",")]
