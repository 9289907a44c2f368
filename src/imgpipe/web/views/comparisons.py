"""Comparisons: the same pictures through every executor: how much faster each is, and why."""

from __future__ import annotations

import os
import statistics
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from imgpipe.compare import Scratch, Settings, Watcher, Workload, cells_of, compare, spread_over
from imgpipe.compare.attribution import cpu_seconds
from imgpipe.compare.explain import predicted, why
from imgpipe.errors import UsageError
from imgpipe.machine import rss_bytes_of, usable_cores
from imgpipe.web.batches import TIME_IS_UP, stop_after
from imgpipe.web.folders import name_of
from imgpipe.web.http import json_response
from imgpipe.web.orders import read_order
from imgpipe.web.problems import Refused
from imgpipe.web.strict_json import whole_number

if TYPE_CHECKING:
    from imgpipe.compare.values import CellReport, Comparison, WorkloadReport
    from imgpipe.web.app import App
    from imgpipe.web.http import Request, Response
    from imgpipe.web.orders import Order
    from imgpipe.web.settings import WebSettings

DEFAULT_REPETITIONS, MOST_REPETITIONS = 3, 10
MOST_PICTURES = 8
"""More would not make the comparison better, only longer; they are taken evenly from first to last."""

_PROBE_SECONDS = 0.4
_MODES = {"sequential": "sequential", "threads": "threading", "processes": "multiprocessing"}


def _comparison(request: Request, app: App, *, modes: tuple[str, ...]) -> Response:
    order = read_order(request.body, app.settings, cores=max(usable_cores(), 2), more_keys=("repetitions",))
    repetitions = whole_number(order.data, "repetitions", 1, MOST_REPETITIONS, DEFAULT_REPETITIONS)
    with app.comparison():
        comparison = _compare(order, repetitions, app)
    return json_response(_document(comparison, modes, app.settings))


two = partial(_comparison, modes=("threading", "multiprocessing"))
all_modes = partial(_comparison, modes=tuple(_MODES.values()))


def _compare(order: Order, repetitions: int, app: App) -> Comparison:
    """Measure; the results are written to a temporary folder, since what is timed must not meet anything else."""
    stop = stop_after(app)

    def go_on(_name: str, done: int, of: int) -> None:
        reason = stop()
        if reason and done < of:
            code = "too-slow" if reason == TIME_IS_UP else "stopping"
            hint = "name fewer or smaller pictures, or ask for fewer repetitions"
            raise Refused(503, code, f"{reason} after {done} of {of} passes; {hint}")

    settings = Settings(
        cells=cells_of(("threads", "processes"), (order.workers,)),
        repetitions=repetitions,
        cores=usable_cores(),
        probe_seconds=_PROBE_SECONDS,
    )
    workload = Workload(str(order.recipe.pipeline), order.recipe, spread_over(order.sources, MOST_PICTURES))
    with Scratch() as scratch:
        try:
            return compare((workload,), settings, scratch, Watcher(progress=go_on))
        except Refused:
            raise
        except UsageError as error:
            detail = "none of the pictures can be processed; process-batch/sequential says why"
            raise Refused(422, "nothing-to-do", detail) from error


def _document(comparison: Comparison, modes: tuple[str, ...], settings: WebSettings) -> dict[str, Any]:
    (workload,) = comparison.workloads
    cells = {_MODES[report.cell.executor]: report for report in workload.cells}
    shown = {mode: cells[mode] for mode in modes}
    most = max(report.cell.workers for report in workload.cells)
    return {
        "status": "completed",
        "pipeline": workload.pipeline,
        "results": {mode: _measured(report, workload) for mode, report in shown.items()},
        "speedup": {mode: round(report.speedup.median, 3) for mode, report in shown.items()},
        "best": max(shown, key=lambda mode: shown[mode].speedup.median),
        "explanation": [predicted(workload.name, workload.prediction, most), *why(workload)],
        "identical_outputs": comparison.identical,
        "pictures": workload.pictures,
        "repetitions": comparison.settings.repetitions,
        "memory": {"server_bytes": rss_bytes_of(os.getpid())},
        "host": dict(comparison.machine),
        "warnings": list(comparison.warnings),
        "left_out": [{"input": name_of(settings, path), "reason": reason} for path, reason in workload.left_out],
    }


def _measured(report: CellReport, workload: WorkloadReport) -> dict[str, Any]:
    """Times are those of a pass, in which pictures are repeated until every worker has several."""
    seconds = statistics.median(each.seconds for each in report.passes)
    cpu = cpu_seconds(report.passes)
    return {
        "workers": report.cell.workers,
        "total": workload.tasks,
        "elapsed_s": round(seconds, 4),
        "throughput_per_s": round(workload.tasks / seconds, 3) if seconds else 0.0,
        "cpu": {"seconds": round(cpu, 4), "percent": round(100 * cpu / seconds, 1) if seconds else 0.0},
        "speedup": asdict(report.speedup),
        "efficiency": round(report.efficiency, 3),
        "shares": asdict(report.shares),
    }
