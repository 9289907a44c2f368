"""Document: a comparison as JSON-like data, raw repetitions included; schema imgpipe.compare/1."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imgpipe.compare.explain import about_fit, predicted, why

if TYPE_CHECKING:
    from imgpipe.compare.values import Cell, CellReport, Comparison, WorkloadReport

SCHEMA = "imgpipe.compare/1"


def to_data(comparison: Comparison) -> dict[str, Any]:
    """Return everything that was measured. Times are in seconds, shares from 0 to 1; what is not known is null."""
    settings = comparison.settings
    return {
        "schema": SCHEMA,
        "identical": comparison.identical,
        "warnings": list(comparison.warnings),
        "machine": dict(comparison.machine),
        "settings": {
            "repetitions": settings.repetitions,
            "seed": settings.seed,
            "cores": settings.cores,
            "probe_seconds": settings.probe_seconds,
        },
        "startup": [{**_cell(cell), "seconds": seconds} for cell, seconds in comparison.startup_seconds.items()],
        "pipelines": [_workload(workload) for workload in comparison.workloads],
    }


def _workload(workload: WorkloadReport) -> dict[str, Any]:
    prediction = workload.prediction
    gil = prediction.gil
    return {
        "name": workload.name,
        "pipeline": workload.pipeline,
        "pictures": workload.pictures,
        "tasks": workload.tasks,
        "prediction": {
            "gil_share": None if gil is None else gil.share,
            "gil_share_interval": None if gil is None else list(gil.interval),
            "looks": None if gil is None else gil.looks,
            "core_share": prediction.core_share,
            "text": predicted(workload.name, prediction, max(report.cell.workers for report in workload.cells)),
            "ceilings": [
                {**_cell(report.cell), "speedup": prediction.ceiling(report.cell.executor, report.cell.workers)}
                for report in workload.cells
            ],
        },
        "cells": [_measured(report) for report in workload.cells],
        "fits": {
            executor: {**asdict(fit), "law": fit.law, "text": about_fit(executor, fit)}
            for executor, fit in workload.fits.items()
        },
        "why": why(workload),
        "differences": [
            {**_cell(one.cell), "source": one.source, "expected": one.expected, "actual": one.actual}
            for one in workload.differences
        ],
        "left_out": [{"source": source, "reason": reason} for source, reason in workload.left_out],
    }


def _measured(report: CellReport) -> dict[str, Any]:
    return {
        **_cell(report.cell),
        "seconds": [each.seconds for each in report.passes],
        "speedup": asdict(report.speedup),
        "efficiency": report.efficiency,
        "shares": asdict(report.shares),
        "work": report.work,
        "waited_for_memory": report.waited_for_memory,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {"executor": cell.executor, "workers": cell.workers}
