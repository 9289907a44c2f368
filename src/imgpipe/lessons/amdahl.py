"""amdahl: how much faster many workers can become if a part of each picture has to be done one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.compare import Cell, Scratch, Settings, Watcher, Workload, compare
from imgpipe.compare.model import fit
from imgpipe.lessons.values import DISTURBED, Finding, Lesson
from imgpipe.machine import usable_cores
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.samples import make_samples
from imgpipe.stress.words import percent

if TYPE_CHECKING:
    from imgpipe.compare import Comparison
    from imgpipe.lessons.values import Say

_WAIT_MS = 24
_SIDES = (80, 75)  # pixels, of which pure Python blurs some thousand in a millisecond
_COUNTS = (1, 2, 4, 8)
_PIPELINE = f"teach.iowait:milliseconds={_WAIT_MS} | teach.pyblur"


def run(quick: bool, say: Say) -> Finding:
    """Measure more and more threads: waiting goes on side by side, Python does not."""
    counts = _COUNTS[:2] if quick else _COUNTS
    settings = Settings(
        cells=tuple(Cell("threads", count) for count in counts),
        repetitions=1 if quick else 3,
        cores=usable_cores(),
        probe_seconds=0.3 if quick else 1.5,
    )
    with Scratch() as scratch:
        sources = tuple(make_samples(scratch.folder("samples"), 2, *_SIDES))
        workload = Workload("wait and blur", Recipe(Pipeline.parse(_PIPELINE)), sources)
        watcher = Watcher(progress=lambda _name, done, of: say(f"measuring: {done} of {of} passes"))
        return found(compare((workload,), settings, scratch, watcher))


def found(comparison: Comparison) -> Finding:
    """Say what a comparison shows."""
    (report,) = comparison.workloads
    speedups = {each.cell.workers: each.speedup.median for each in report.of("threads")}
    law = fit(speedups)
    assert law is not None  # there are two counts at least, and one of them is 1
    alone = report.of("sequential")[0]
    ceiling = 1 / law.sigma if law.sigma > 0 else float("inf")
    gil = report.prediction.gil
    most = max(speedups)
    rows = [(f"{count} threads" if count > 1 else "1 thread", f"{speedup:.2f} times")
            for count, speedup in speedups.items()]  # fmt: skip
    rows += [
        ("fitted serial share", f"{percent(law.sigma)}"),
        ("held the GIL, as watched before", "–" if gil is None else f"{percent(gil.share)} of its time"),
        ("ceiling, 1 / serial share", f"{ceiling:.1f} times"),
    ]
    efficiency = speedups[most] / most
    explanation = (
        (
            f"Each picture waits {_WAIT_MS} ms, and pictures can wait side by side. Then it is blurred in pure Python, "
            "for which a thread needs the GIL, so that these parts queue up one after the other. Amdahl's law: with N "
            "workers and a serial share s, the speed-up is N / (1 + s (N - 1)), and never more than 1 / s."
        ),
        (
            f"Fitted to what was measured, s is {percent(law.sigma)}: the ceiling is {ceiling:.1f} times, however many "
            f"threads there are. {most} threads reached {speedups[most]:.2f} times; each of them was worth "
            f"{percent(efficiency)} of one."
        ),
        (
            "So it pays to look for the serial part before adding workers. Here, processes would remove it: each has a "
            "GIL of its own, and the cores become the limit."
        ),
        *((DISTURBED,) if comparison.warnings else ()),
    )
    data = {
        "speedups": [{"threads": count, "speedup": speedup} for count, speedup in speedups.items()],
        "serial_share": law.sigma,
        "ceiling": None if law.sigma == 0 else ceiling,
        "gil_share": None if gil is None else gil.share,
        "pictures_per_second_alone": report.tasks / min(each.seconds for each in alone.passes),
    }
    return Finding(
        answer=min(ceiling, 1000.0), rows=tuple(rows), explanation=explanation, data=data, notes=comparison.warnings
    )


LESSON = Lesson(
    name="amdahl",
    title="Why more workers help less and less",
    setting=f"Each picture first waits {_WAIT_MS} ms, as for a disk, then is blurred in pure Python for some 6 ms, "
    "during which no other thread can run Python. 1, 2, 4 and 8 threads are measured.",
    question="How many times as fast can it become, with as many threads as you like?",
    unit="times",
    seconds=40,
    run=run,
    code=("imgpipe/compare/model.py", "imgpipe/filters/teach.py", "imgpipe/executors/threads.py"),
)
