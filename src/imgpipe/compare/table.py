"""Table: a comparison as plain lines for a terminal: speed-ups by workers, and where one worker's time went."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from imgpipe.compare.explain import about_fit, why
from imgpipe.display import display_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.compare.attribution import Shares
    from imgpipe.compare.spread import Spread
    from imgpipe.compare.values import Comparison

_SHOWN_DIFFERENCES = 5


def head_lines(comparison: Comparison, sign: str) -> Iterator[str]:
    """Give what the numbers depend on."""
    machine, settings = comparison.machine, comparison.settings
    quota = "" if machine["quota_cores"] is None else f" (quota {machine['quota_cores']:g})"
    gil = "with GIL" if machine["gil"] else "without GIL"
    parts = [
        f"{settings.cores} cores{quota}",
        f"{machine['python']} {gil}",
        f"OpenCV threads {machine['opencv_threads']}",
        f"{settings.repetitions} repetitions in random order",
        f"outputs identical {sign}" if comparison.identical else f"OUTPUTS DIFFER {sign}",
    ]
    yield "compare  " + ", ".join(parts)
    starts: dict[str, float] = {}
    for cell, seconds in comparison.startup_seconds.items():
        starts[cell.executor] = max(starts.get(cell.executor, 0.0), seconds)
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in starts.items() if name != "sequential")
    first = comparison.workloads[0]
    times = first.tasks // first.pictures
    yield f"         {first.pictures} pictures, each {times} times in a pass; files read before, so in memory"
    yield f"         start-up, not in the numbers: {told}"


def table_lines(comparison: Comparison) -> Iterator[str]:
    """Give the table; a row for each pipeline and executor."""
    workloads = comparison.workloads
    counts = sorted({report.cell.workers for workload in workloads for report in workload.cells})
    width = max(len("pipeline"), *(len(display_name(workload.name, width=24)) for workload in workloads))
    columns = "".join(f"{'×' + str(count):<10}" for count in counts)
    yield f" {'pipeline':{width}}  {'executor':10}  {columns}each   run  core   GIL   I/O  idle"
    for workload in workloads:
        for executor in workload.executors:
            reports = {report.cell.workers: report for report in workload.of(executor)}
            cells = "".join(f"{_speedup(reports[n].speedup) if n in reports else '':<10}" for n in counts)
            last = reports[max(reports)]
            name = display_name(workload.name, width=24)
            yield f" {name:{width}}  {executor:10}  {cells}{last.efficiency * 100:4.0f}{_times(last.shares)}"
    yield " ×N: speed-up over sequential with N workers, median ± half of the 95 % interval"
    yield " at the highest N, in %: each: speed-up for each worker; run to idle: what one worker's time went into"


def why_lines(comparison: Comparison, *, explain: bool, width: int) -> Iterator[str]:
    """Give the explanation of each pipeline, no line wider than `width`; with `explain`, also the fits."""
    yield "why"
    for workload in comparison.workloads:
        yield f" {workload.name}"
        texts = why(workload)
        if explain:
            fitted = [executor for executor in workload.executors if executor != "sequential"]
            texts += [about_fit(executor, workload.fits.get(executor)) for executor in fitted]
        for text in texts:
            yield from wrap(text, width, initial_indent="  - ", subsequent_indent="    ")


def difference_lines(comparison: Comparison, sign: str) -> Iterator[str]:
    """Name what came out differently, and from where."""
    for workload in comparison.workloads:
        if not workload.differences:
            continue
        cells = ", ".join(dict.fromkeys(str(difference.cell) for difference in workload.differences))
        yield f"{sign} {workload.name}: {len(workload.differences)} outputs differ from the first run; with {cells}"
        for difference in workload.differences[:_SHOWN_DIFFERENCES]:
            yield f"    {difference.cell}  {difference.source}"
            yield f"      {difference.actual}, not {difference.expected}"
        if any(difference.cell.executor == "sequential" for difference in workload.differences):
            yield "    sequential differs from itself: a filter gives other pixels each time"


def left_out_lines(comparison: Comparison, sign: str) -> Iterator[str]:
    """Name the pictures that could not be compared."""
    for workload in comparison.workloads:
        for source, reason in workload.left_out:
            yield f"{sign} {workload.name}: left out {source}: {reason}"


def explain_lines() -> Iterator[str]:
    """Say what the columns mean."""
    yield "how to read it"
    yield from (f"   {line}" for line in _LEGEND.splitlines())


def _speedup(spread: Spread) -> str:
    half = spread.half_width
    return f"{spread.median:.2f}" + (f"±{half:.2f}" if half else "")


def _times(shares: Shares) -> str:
    parts = (shares.run, shares.core, shares.gil, shares.io, shares.idle)
    return "".join("     –" if part is None else f"{part * 100:6.0f}" for part in parts)


_LEGEND = """\
run    it computed (processor time of the thread)
core   it could have computed, but all cores were taken, perhaps by others (the system's run queue)
GIL    it was blocked longer than one thread alone is: by the GIL, or by another lock of the process
I/O    it was blocked as long as one thread alone is; with processes all blocking counts as this
idle   it had no picture: tasks and results were on their way, or the pass came to its end
The GIL is watched before: a thread sleeps until a random moment; if it must then sleep again, somebody holds it.
Time of workers is the sum over all repetitions. A pass repeats the pictures until every worker has several.
d decodes, f filters, e encodes, · does something else or waits; drawn from the last repetition:"""
