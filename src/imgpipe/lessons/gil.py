"""gil: whether two threads are faster than one: with OpenCV, and in pure Python, beside two processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.compare import Cell, Scratch, Settings, Watcher, Workload, compare
from imgpipe.compare.workload import small_copies
from imgpipe.lessons.values import DISTURBED, Finding, Lesson
from imgpipe.machine import usable_cores
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.samples import make_samples
from imgpipe.stress.words import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.compare import Comparison
    from imgpipe.compare.values import WorkloadReport
    from imgpipe.lessons.values import Say

_WORKERS = 2
_PLAIN = 1.3  # a speed-up that anybody can see
_TOO_GOOD = 1.15  # times the ceiling
_EASY, _HARD = "sharpen", "teach.pyblur"


@dataclass(frozen=True, slots=True)
class _Size:
    pictures: int
    width: int
    height: int
    small_side: int
    repetitions: int
    probe_seconds: float


_USUAL, _QUICK = _Size(4, 1600, 1200, 192, 3, 1.0), _Size(2, 320, 240, 64, 1, 0.2)


def run(quick: bool, say: Say) -> Finding:
    """Measure both filters with one thread, two threads and two processes."""
    size = _QUICK if quick else _USUAL
    cells = (Cell("threads", _WORKERS), Cell("processes", _WORKERS))
    settings = Settings(
        cells=cells, repetitions=size.repetitions, cores=usable_cores(), probe_seconds=size.probe_seconds
    )
    with Scratch() as scratch:
        say("painting pictures")
        sources = tuple(make_samples(scratch.folder("samples"), size.pictures, size.width, size.height))
        small = small_copies(sources, scratch.folder("small"), size.small_side)
        workloads = (
            Workload(_EASY, Recipe(Pipeline.parse(_EASY)), sources),
            Workload(_HARD, Recipe(Pipeline.parse(_HARD)), small),
        )
        watcher = Watcher(progress=lambda name, done, of: say(f"measuring {name}: {done} of {of} passes"))
        return found(compare(workloads, settings, scratch, watcher))


def found(comparison: Comparison) -> Finding:
    """Say what a comparison shows."""
    easy, hard = comparison.workloads
    speedups = {
        (report.name, executor): report.of(executor)[0].speedup.median
        for report in (easy, hard)
        for executor in ("threads", "processes")
    }
    shares = {report.name: _gil_share(report) for report in (easy, hard)}
    rows = [(f"{name}, {_WORKERS} {executor}", f"{value:.2f} times") for (name, executor), value in speedups.items()]
    rows += [
        (f"{name} holds the GIL", "there is none here" if share is None else f"{percent(share)} of its time")
        for name, share in shares.items()
    ]
    threads, processes = speedups[_HARD, "threads"], speedups[_HARD, "processes"]
    explanation = (
        (
            "Python lets one thread at a time run Python: whoever does, holds the global interpreter lock (GIL). "
            f"{_HARD} is nothing but Python, so two threads take turns, and were {threads:.2f} times as fast as one. "
            f"Two processes have a GIL each: {_with_reserve(processes)}."
        ),
        (
            f"{_EASY} calls OpenCV, which lets the lock go while it computes, as Pillow does. Two threads: "
            f"{_with_reserve(speedups[_EASY, 'threads'])}. So 'threads do not help with CPU-bound work' is true of "
            "pure Python, and not of pictures."
        ),
        *_doubts(hard, threads, comparison),
    )
    data = {
        "workers": _WORKERS,
        "speedups": [
            {"pipeline": name, "executor": executor, "speedup": value} for (name, executor), value in speedups.items()
        ],
        "gil_shares": shares,
    }
    return Finding(answer=threads, rows=tuple(rows), explanation=explanation, data=data, notes=comparison.warnings)


def _with_reserve(speedup: float) -> str:
    """Return a speed-up that only free cores can give, and say so where it is not there."""
    text = f"{speedup:.2f} times as fast"
    return text if speedup >= _PLAIN else f"{text} here, and nearly twice where two cores are free for it"


def _doubts(hard: WorkloadReport, threads: float, comparison: Comparison) -> Iterator[str]:
    """Say it where the numbers are not fit to show what they should."""
    ceiling = hard.prediction.ceiling("threads", _WORKERS)
    if threads > _TOO_GOOD * ceiling:
        yield (
            f"By the GIL, two threads cannot be more than {ceiling:.2f} times as fast. What was measured is about "
            "something else."
        )
    if comparison.warnings:
        yield DISTURBED


def _gil_share(report: WorkloadReport) -> float | None:
    return None if report.prediction.gil is None else report.prediction.gil.share


LESSON = Lesson(
    name="gil",
    title="What the GIL does to threads",
    setting="The same pictures are blurred by one thread and by two, in pure Python (the filter teach.pyblur); then "
    "sharpened by OpenCV, for comparison.",
    question="How many times as fast as one thread will two threads blur?",
    unit="times",
    seconds=40,
    run=run,
    code=("imgpipe/filters/teach.py", "imgpipe/filters/sharpen.py", "imgpipe/executors/threads.py",
          "imgpipe/executors/processes.py", "imgpipe/compare/probe.py"),
)  # fmt: skip
