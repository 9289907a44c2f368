"""Spans: what a worker did from when to when, in one pass: the tasks, and the stages inside of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.compare.attribution import blocked_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imgpipe.compare.values import CellReport, Comparison
    from imgpipe.task import Result


@dataclass(frozen=True, slots=True)
class Span:
    """One task of one worker. Seconds count from the first task of the pass.

    `stages` are (name, start, seconds), one after the other; those of an animation, which alternate, are drawn joined.
    """

    worker: str
    name: str
    start: float
    seconds: float
    stages: tuple[tuple[str, float, float], ...]
    run_seconds: float
    core_seconds: float
    blocked_seconds: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """One pass of one cell; `title` names pipeline and cell."""

    pipeline: str
    title: str
    workers: tuple[str, ...]
    spans: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        """When the last task ended."""
        return max((span.start + span.seconds for span in self.spans), default=0.0)


def timelines(comparison: Comparison) -> Iterator[Timeline]:
    """Give the last repetition of every executor at its highest count, pipeline by pipeline."""
    for workload in comparison.workloads:
        for executor in workload.executors:
            report = workload.of(executor)[-1]
            count = "" if executor == "sequential" else f"{report.cell.workers} "
            yield timeline(workload.name, f"{workload.name}, {count}{executor}", report)


def timeline(pipeline: str, title: str, report: CellReport) -> Timeline:
    """Return the last repetition of one cell."""
    results = [result for result in report.passes[-1].results if result.usage is not None]
    first = min((result.usage.started for result in results if result.usage is not None), default=0.0)
    spans = [span for result in results for span in _span(result, first)]
    spans.sort(key=lambda span: (span.worker, span.start))
    return Timeline(pipeline, title, tuple(dict.fromkeys(span.worker for span in spans)), tuple(spans))


def _span(result: Result, first: float) -> Iterator[Span]:
    usage = result.usage
    if usage is None:
        return
    start = usage.started - first
    yield Span(
        worker=result.worker,
        name=os.path.basename(result.source),
        start=start,
        seconds=usage.wall_seconds,
        stages=tuple(_in_a_row(result.seconds, start, start + usage.wall_seconds)),
        run_seconds=usage.cpu_seconds,
        core_seconds=usage.queue_seconds or 0.0,
        blocked_seconds=blocked_seconds(usage),
    )


def _in_a_row(seconds: Mapping[str, float], start: float, end: float) -> Iterator[tuple[str, float, float]]:
    """Place stages one after the other; none reaches beyond its task, or a viewer would not draw it inside."""
    for name, length in seconds.items():
        yield name, start, max(min(length, end - start), 0.0)
        start = min(start + length, end)
