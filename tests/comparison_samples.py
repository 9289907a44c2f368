"""Comparison samples: measurements made up for tests, so that what is said about them can be foretold."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from imgpipe.compare.attribution import Shares
from imgpipe.compare.model import fit
from imgpipe.compare.prediction import Prediction
from imgpipe.compare.probe import GilProbe
from imgpipe.compare.spread import Spread
from imgpipe.compare.values import Cell, CellReport, Comparison, Difference, Pass, Settings, WorkloadReport
from imgpipe.filters import names, registry
from imgpipe.task import Outcome, Result
from imgpipe.usage import Usage

if TYPE_CHECKING:
    import pytest

SELDOM = GilProbe(10, 200)
BUSY = Shares(run=0.95, core=0.02, gil=0.01, io=0.01, idle=0.01)


def register_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the filters of `chance_filter`, for one test; others do not see them."""
    names()
    monkeypatch.setattr(registry, "_filters", dict(registry._filters))
    monkeypatch.delitem(sys.modules, "chance_filter", raising=False)
    importlib.import_module("chance_filter")


def result(
    number: int,
    worker: str,
    *,
    started: float,
    wall: float = 0.1,
    cpu: float = 0.08,
    queue: float | None = 0.01,
    stages: dict[str, float] | None = None,
    source: str = "in/a.jpg",
) -> Result:
    """Return the result of a task that took 0.1 s, of which it computed for 0.08 s and waited for a core for 0.01 s."""
    seconds = {"decode": 0.04, "filter": 0.03, "encode": 0.02} if stages is None else stages
    return Result(str(number), source, f"out/{number}.jpg", Outcome.DONE, seconds, worker=worker,
                  usage=Usage(started, wall, cpu, queue))  # fmt: skip


def one_pass(workers: int = 1, tasks: int = 4, **given: Any) -> Pass:
    """Return a pass in which the workers took turns, each without a pause."""
    results = (
        result(number, f"worker-{number % workers}", started=100 + number // workers * 0.1, **given)
        for number in range(tasks)
    )
    return Pass(0.1 * tasks / workers, tuple(results))


def cell(
    executor: str, workers: int, median: float, *, half: float | None = 0.05, shares: Shares = BUSY, work: float = 1.0
) -> CellReport:
    """Return the report of a cell with an interval of `half` on both sides of the median."""
    spread = Spread(median) if half is None else Spread(median, median - half, median + half)
    passes = (one_pass(workers), one_pass(workers))
    return CellReport(Cell(executor, workers), passes, spread, shares, work, waited_for_memory=0.0)


def workload(*cells: CellReport, name: str = "sharpen", gil: GilProbe | None = SELDOM, **given: Any) -> WorkloadReport:
    """Return the report of a pipeline that computes and lets the GIL go, on two cores."""
    reports = (cell("sequential", 1, 1.0, half=0.0), *cells)
    points: dict[str, dict[int, float]] = {}
    for report in cells:
        points.setdefault(report.cell.executor, {})[report.cell.workers] = report.speedup.median
    fits = {executor: found for executor, speedups in points.items() if (found := fit(speedups)) is not None}
    values = {"cpu_only": True, "releases_gil": True, "prediction": Prediction(gil, 1.0, 2), **given}
    return WorkloadReport(name=name, pipeline=name, pictures=4, tasks=16, cells=reports, fits=fits, **values)


def comparison(*workloads: WorkloadReport, most: int = 2) -> Comparison:
    """Return a comparison on a machine that exists nowhere."""
    counts = [1, *(2**power for power in range(1, 8) if 2**power <= most)]
    cells = tuple(Cell(executor, count) for executor in ("threads", "processes") for count in counts)
    machine = {"python": "CPython 3.99.0", "gil": True, "quota_cores": None, "opencv_threads": 1, "busy_share": 0.01}
    return Comparison(Settings(cells=cells, cores=2), machine, workloads, dict.fromkeys(cells, 0.25))


def curves(counts: tuple[int, ...] = (1, 2), name: str = "sharpen") -> WorkloadReport:
    """Return a pipeline measured with these worker counts, 0.9 of the ideal with threads and 0.7 with processes."""
    reports = [
        cell(executor, count, 1 + (count - 1) * share)
        for executor, share in (("threads", 0.9), ("processes", 0.7))
        for count in counts
    ]
    return workload(*reports, name=name)


def difference(executor: str = "threads", workers: int = 2) -> Difference:
    """Return a difference."""
    return Difference(Cell(executor, workers), "in/a.jpg", "10 bytes, sha256 00ff", "11 bytes, sha256 aa00")
