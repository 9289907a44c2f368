"""Measure: runs one workload in every cell, interleaved and repeatedly, and compares the outputs."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.compare.attribution import (
    blocked_seconds,
    cpu_seconds,
    memory_share,
    shares_of,
    usages_of,
)
from imgpipe.compare.model import fit
from imgpipe.compare.prediction import Prediction
from imgpipe.compare.probe import has_gil, probe_gil
from imgpipe.compare.spread import spread_of
from imgpipe.compare.values import SEQUENTIAL, Cell, CellReport, Difference, Pass, Settings, WorkloadReport
from imgpipe.compare.workload import collect, differing
from imgpipe.executors import create_executor
from imgpipe.work import run_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from imgpipe.compare.model import Fit
    from imgpipe.compare.workload import Workload
    from imgpipe.executors import Executor
    from imgpipe.task import Result, Task

_START_SECONDS = 60.0
_VAGUE = 0.25  # of the median: a speed-up with a wider interval is no ground for a fit


@dataclass(frozen=True, slots=True)
class Watcher:
    """Is told what is predicted, before it is measured, and how many passes of a workload are done."""

    predicted: Callable[[str, Prediction], None] = lambda _name, _prediction: None
    progress: Callable[[str, int, int], None] = lambda _name, _done, _of: None


@contextlib.contextmanager
def started(
    settings: Settings, tiny: Workload, folder: str
) -> Iterator[tuple[dict[Cell, Executor], dict[Cell, float]]]:
    """Start the executors of all cells, before any clock runs, and end them after the `with` block.

    Gives them, and the seconds that each took until all its workers had answered; `tiny` is what they are asked.
    """
    executors: dict[Cell, Executor] = {}
    seconds: dict[Cell, float] = {}
    with contextlib.ExitStack() as stack:
        for cell in (SEQUENTIAL, *settings.cells):
            start = time.perf_counter()
            executors[cell] = stack.enter_context(create_executor(cell.executor, workers=cell.workers))
            _wake(executors[cell], cell, tiny.tasks(folder, cell.workers))
            seconds[cell] = time.perf_counter() - start
        yield executors, seconds


def measure(
    workload: Workload, executors: Mapping[Cell, Executor], settings: Settings, folder: str, watcher: Watcher
) -> WorkloadReport:
    """Measure one workload.

    First comes a pass in this thread, which says what the outputs have to be, then the probe and the prediction, then
    a pass of every cell to warm it up, then the repetitions.
    """
    workload, expected, left_out = _reference(workload, folder, settings)
    tasks = workload.tasks(folder, settings.most_workers)
    prediction = _predict(tasks, settings)
    watcher.predicted(workload.name, prediction)
    cells = tuple(executors)
    rounds = [list(cells), *_orders(cells, settings)]
    passes: dict[Cell, list[Pass]] = {cell: [] for cell in cells}
    differences: list[Difference] = []
    for number, cell in enumerate(itertools.chain.from_iterable(rounds)):
        watcher.progress(workload.name, number, len(cells) * len(rounds))
        measured = _timed(executors[cell], tasks)
        actual = collect(measured.results)
        differences += [
            Difference(cell, tasks[int(task_id)].source, expected[task_id], actual.get(task_id, "nothing"))
            for task_id in differing(expected, actual)
        ]
        if number >= len(cells):  # what came before has warmed up
            passes[cell].append(measured)
    watcher.progress(workload.name, len(cells) * len(rounds), len(cells) * len(rounds))
    reports = _cell_reports(passes, settings)
    return WorkloadReport(
        name=workload.name,
        pipeline=str(workload.recipe.pipeline),
        pictures=len(workload.sources),
        tasks=len(tasks),
        cpu_only=workload.recipe.pipeline.kinds == {"cpu"},
        releases_gil=all(step.spec.gil == "releases" for step in workload.recipe.pipeline.filters),
        prediction=prediction,
        cells=reports,
        fits=_fits(reports),
        differences=tuple(differences),
        left_out=left_out,
    )


def _wake(executor: Executor, cell: Cell, tasks: Sequence[Task]) -> None:
    """Run tasks until every worker has answered: children take a while to start, and the first gets all the work."""
    deadline = time.monotonic() + _START_SECONDS
    seen: set[str] = set()
    while len(seen) < cell.workers and time.monotonic() < deadline:
        results = list(executor.run(tasks))
        collect(results)
        seen |= {result.worker for result in results}


def _reference(
    workload: Workload, folder: str, settings: Settings
) -> tuple[Workload, dict[str, str], tuple[tuple[str, str], ...]]:
    """Run each picture once in this thread. What fails here fails everywhere, and is left out."""
    first = {task.source: run_task(task) for task in workload.tasks(folder, 1)[: len(workload.sources)]}
    bad = {source: result.failure.message for source, result in first.items() if result.failure is not None}
    outcomes = collect(first.values())
    of_source = {source: outcomes[result.task_id] for source, result in first.items()}
    workload = workload.without(bad)
    tasks = workload.tasks(folder, settings.most_workers)
    return workload, {task.id: of_source[task.source] for task in tasks}, tuple(bad.items())


def _predict(tasks: Sequence[Task], settings: Settings) -> Prediction:
    results: list[Result] = []
    endless = itertools.cycle(tasks)

    def work() -> None:
        results.append(run_task(next(endless)))

    gil = probe_gil(work, settings.probe_seconds, seed=settings.seed)
    usages = list(usages_of(Pass(0.0, tuple(results))))
    cpu = sum(usage.cpu_seconds for usage in usages)
    blocked = sum(blocked_seconds(usage) for usage in usages)
    collect({result.target: result for result in results}.values())
    return Prediction(gil if has_gil() else None, cpu / (cpu + blocked) if cpu else 0.0, settings.cores)


def _orders(cells: Sequence[Cell], settings: Settings) -> Iterator[list[Cell]]:
    """Give for each repetition the cells in another order, so that no cell has always the best or the worst moments."""
    chance = random.Random(settings.seed)  # noqa: S311 - chance, no secret
    for _ in range(settings.repetitions):
        yield chance.sample(cells, len(cells))


def _timed(executor: Executor, tasks: Sequence[Task]) -> Pass:
    start = time.perf_counter()
    results = tuple(executor.run(tasks))
    return Pass(time.perf_counter() - start, results)


def _cell_reports(passes: Mapping[Cell, Sequence[Pass]], settings: Settings) -> tuple[CellReport, ...]:
    alone = passes[SEQUENTIAL]
    outside = sum(blocked_seconds(usage) for each in alone for usage in usages_of(each)) / max(len(alone), 1)
    base_cpu = cpu_seconds(alone) or 1.0
    base_memory = memory_share(alone, 1)
    return tuple(
        CellReport(
            cell=cell,
            passes=tuple(own),
            # Neighbours in time are compared: what slows the machine for a while slows both.
            speedup=spread_of(
                [base.seconds / each.seconds for base, each in zip(alone, own, strict=True)], seed=settings.seed
            ),
            shares=shares_of(own, cell.workers, outside_seconds=outside if _competes(cell) else None),
            work=cpu_seconds(own) / base_cpu,
            waited_for_memory=max(memory_share(own, cell.workers) - base_memory, 0.0),
        )
        for cell, own in sorted(passes.items(), key=lambda item: (item[0] != SEQUENTIAL, list(passes).index(item[0])))
    )


def _competes(cell: Cell) -> bool:
    return cell.executor == "threads" and has_gil()


def _fits(reports: Sequence[CellReport]) -> dict[str, Fit]:
    speedups: dict[str, dict[int, float]] = {}
    vague = set()
    for report in reports:
        speedups.setdefault(report.cell.executor, {})[report.cell.workers] = report.speedup.median
        if (report.speedup.half_width or 0.0) > _VAGUE * report.speedup.median:
            vague.add(report.cell.executor)
    fits = {executor: fit(points) for executor, points in speedups.items() if executor not in {"sequential", *vague}}
    return {executor: found for executor, found in fits.items() if found is not None}
