"""Document: a report as JSON-like data, schema imgpipe.stress/1; units in names, unknown is null."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imgpipe.stress.histogram import PERCENTILES, Histogram, is_known, name_of
from imgpipe.stress.verdict import late_start

if TYPE_CHECKING:
    from imgpipe.stress.slo import Reached
    from imgpipe.stress.values import Recovery, Report

SCHEMA = "imgpipe.stress/1"


def to_data(report: Report, reached: Reached | None = None) -> dict[str, Any]:
    """Return all that is known. Percentiles that too few tasks stand behind are null."""
    run, plan = report.run, report.run.plan
    late_name, late = late_start(run.sending)
    return {
        "schema": SCHEMA,
        "kind": plan.kind,
        "loop": "open" if plan.is_open else "closed",
        "arrivals": plan.arrivals,
        "seed": plan.seed,
        "where": run.where,
        "what": run.what,
        "result": report.verdict.word,
        "reasons": list(report.verdict.reasons),
        "interrupted": run.interrupted,
        "notes": list(run.notes),
        "seconds": run.seconds,
        "rates_per_second": {
            "offered": report.offered_rate,
            "achieved": report.achieved_rate,
            "done": report.throughput,
            "most_sustained": report.most_sustained,
        },
        "generator": {
            "cpu_share": run.sending.cpu_share,
            "late_start_percentile": late_name,
            "late_start_seconds": late,
            "blocked_seconds": run.sending.blocked_seconds,
        },
        "tasks": {"total": sum(report.ends.values()), **{end.value: count for end, count in report.ends.items()}},
        "codes": {end.value: dict(codes) for end, codes in report.codes.items()},
        "latency": {
            "from_intended_start": _times(report.total),
            "from_real_start": _times(report.uncorrected),
            "service": _times(report.service),
            "wait_and_overhead": _times(report.rest),
        },
        "mean_overhead_seconds": report.overhead_seconds,
        "resolution_seconds": run.resolution_seconds,
        "utilization": report.utilization,
        "queue": None if run.account is None else asdict(run.account),
        "theory": _finite(None if report.theory is None else asdict(report.theory)),
        "little": None if report.little is None else {"looked": report.little[0], "rate_times_stay": report.little[1]},
        "buckets": [asdict(bucket) for bucket in report.buckets],
        "drift_per_10_minutes": None if report.drift is None else asdict(report.drift),
        "drained_bursts": list(report.drained),
        "lost": report.lost,
        "duplicates": run.twice,
        "faults": [_fault(recovery) for recovery in report.recoveries],
        "slo": None
        if reached is None
        else {"objective": str(reached.objective), "reached": reached.is_reached, "why": reached.why},
    }


def _times(histogram: Histogram) -> dict[str, Any]:
    known = {
        name_of(share): histogram.quantile(share) if is_known(share, histogram.count) else None for share in PERCENTILES
    }
    return {"percentiles_seconds": known, **histogram.to_data()}


def _fault(recovery: Recovery) -> dict[str, Any]:
    fault = recovery.fault
    return {
        "kind": fault.kind,
        "what": fault.what,
        "at_seconds": fault.at,
        "lasted_seconds": fault.over - fault.at,
        "affected_tasks": recovery.affected,
        "recovery_seconds": recovery.seconds,
    }


def _finite(data: dict[str, Any] | None) -> dict[str, Any] | None:
    """JSON has no infinity: a wait without an end is null."""
    return data and {
        name: None if isinstance(value, float) and math.isinf(value) else value for name, value in data.items()
    }
