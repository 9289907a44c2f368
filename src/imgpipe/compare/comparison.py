"""Comparison: everything from pictures to measurements: what to compare by default, on what machine, one by one."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from imgpipe.compare.measure import Watcher, measure, started
from imgpipe.compare.probe import has_gil
from imgpipe.compare.values import Cell, Comparison, Settings
from imgpipe.compare.workload import Workload, small_copies
from imgpipe.errors import BadOption
from imgpipe.filters._opencv import opencv
from imgpipe.machine import busy_share, quota_cores, usable_cores
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.samples import make_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.compare.values import WorkloadReport
    from imgpipe.compare.workload import Scratch

BUSY_SHARE = 0.2
"""Of all cores: what others do above this share spoils the numbers."""

_LOOK_AT_LOAD_SECONDS = 0.3
_DISTURBED_SHARE = 0.1
_DEFAULTS = (("resize", "resize:320x240"), ("sharpen", "sharpen"), ("teach.pyblur", "teach.pyblur"))
_PURE_PYTHON_SIDE = 96


def compare(
    workloads: Sequence[Workload], settings: Settings, scratch: Scratch, watcher: Watcher | None = None
) -> Comparison:
    """Send workloads through all cells, one after the other, and return what was measured.

    Pictures are read where they lie and results are written to `scratch`. Raises `UsageError` if no picture of a
    workload can be processed.
    """
    busy = busy_share(_LOOK_AT_LOAD_SECONDS)
    warnings = []
    if busy > BUSY_SHARE:
        warnings.append(
            f"others kept {busy * 100:.0f} % of the cores busy before the start: the numbers will be too low or wide"
        )
    (tiny,) = make_samples(scratch.folder("tiny"), 1, 16, 16)
    folder = scratch.folder("out")
    with started(settings, Workload("start", workloads[0].recipe, (tiny,)), folder) as (executors, startup_seconds):
        reports = tuple(measure(workload, executors, settings, folder, watcher or Watcher()) for workload in workloads)
    warnings += [text for report in reports if (text := disturbed(report))]
    return Comparison(settings, machine(busy), reports, startup_seconds, tuple(warnings))


def disturbed(report: WorkloadReport) -> str:
    """Return a warning if one thread alone had to wait for a core, which only others can have used, or ""."""
    waited = report.of("sequential")[0].shares.core or 0.0
    if waited <= _DISTURBED_SHARE:
        return ""
    return f"{report.name}: others came between: sequential waited {waited * 100:.0f} % of its time for a core"


def default_workloads(sources: Sequence[str], scratch: Scratch) -> tuple[Workload, ...]:
    """Return a pipeline of each kind: Pillow, OpenCV, and pure Python; that on small copies, for it is slow."""
    small = small_copies(sources, scratch.folder("small"), _PURE_PYTHON_SIDE)
    return tuple(
        Workload(name, Recipe(Pipeline.parse(text)), small if name.startswith("teach.") else tuple(sources))
        for name, text in _DEFAULTS
    )


def default_workers(cores: int) -> tuple[int, ...]:
    """Return 1, 2, 4 and so on up to the cores, and the cores themselves; 2 even with one core."""
    counts = {1, 2, cores}
    count = 4
    while count < cores:
        counts.add(count)
        count *= 2
    return tuple(sorted(counts))


def cells_of(executors: Sequence[str], workers: Sequence[int]) -> tuple[Cell, ...]:
    """Return the cells beside sequential. Raises `BadOption` if none is left."""
    cells = tuple(Cell(executor, count) for executor in executors if executor != "sequential" for count in workers)
    if not cells:
        raise BadOption("executors", ",".join(executors), "threads or processes, to be compared with sequential")
    return cells


def machine(busy: float) -> dict[str, object]:
    """Return what the numbers depend on beside the program."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "gil": has_gil(),
        "cores": usable_cores(),
        "cores_of_the_machine": os.cpu_count(),
        "quota_cores": quota_cores(),
        "opencv_threads": opencv().getNumThreads(),
        "busy_share": round(busy, 3),
    }
