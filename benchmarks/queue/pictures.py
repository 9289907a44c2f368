"""Pictures: the same 4K pictures through local processes and through the queue, in turns, as a ratio."""

from __future__ import annotations

import itertools
import shutil
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from benchmarks import corpus
from benchmarks.chaos.fleet import Fleet
from imgpipe import Pipeline, Recipe
from imgpipe.api import run
from imgpipe.executors import create_executor
from imgpipe.executors.queued import QueuedExecutor, QueuedOptions
from imgpipe.machine import usable_cores
from imgpipe.plan.plan import PlanOptions, make_plan
from imgpipe.queue import open_queue
from imgpipe.queue.server import RedisServer

if TYPE_CHECKING:
    from pathlib import Path

    from imgpipe.executors.base import Executor
    from imgpipe.task import Result


class _Pace(NamedTuple):
    per_second: float
    cpu_ms: float


PIPELINES = {"fit": "resize:800x600", "blur": "blur:radius=3"}
_PAINTED = 8


def pictures(work: Path, count: int, rounds: int) -> dict[str, Any]:
    """Measure pictures per second of both ways; a worker with as many children as the local executor waits already."""
    cores = usable_cores()
    source = corpus.sampled(work, _PAINTED, 1).laid_out(work / "in" / "queue", "large", count)
    found: dict[str, Any] = {}
    with RedisServer() as server:
        command = [sys.executable, "-m", "imgpipe", "worker", "--redis", server.url, "-j", str(cores), "--name"]
        with Fleet(1, lambda name: [*command, name], work / "logs"):
            for name, pipeline in PIPELINES.items():
                pairs: list[tuple[_Pace, _Pace]] = []
                for _ in range(rounds + 1):  # the first one warms up
                    with create_executor("processes", workers=cores) as local:
                        there = _pace(local, pipeline, source, work / "out", count, cores)
                    options = QueuedOptions(source_root=str(source), target_root=str(work / "out"))
                    with QueuedExecutor(open_queue(server.url), options, workers=cores, owned=True) as queued:
                        pairs.append((there, _pace(queued, pipeline, source, work / "out", count, cores)))
                found[name] = _found(pairs[1:], count, cores)
    return found


def _found(pairs: list[tuple[_Pace, _Pace]], count: int, cores: int) -> dict[str, Any]:
    return {
        "pictures": count,
        "children": cores,
        "processes per second": [round(local.per_second, 2) for local, _ in pairs],
        "redis per second": [round(queued.per_second, 2) for _, queued in pairs],
        "ratio": round(statistics.median(queued.per_second / local.per_second for local, queued in pairs), 3),
        "processes cpu ms": [round(local.cpu_ms, 1) for local, _ in pairs],
        "redis cpu ms": [round(queued.cpu_ms, 1) for _, queued in pairs],
        "ratio by cpu": round(statistics.median(local.cpu_ms / queued.cpu_ms for local, queued in pairs), 3),
    }


def _pace(executor: Executor, pipeline: str, source: Path, target: Path, count: int, skipped: int) -> _Pace:
    """Measure from the result after the first `skipped` to the last: without the start."""
    shutil.rmtree(target, ignore_errors=True)
    plan = make_plan([str(source)], Recipe(Pipeline.parse(pipeline)), PlanOptions(), output=str(target))
    plan.check()
    moments: list[tuple[float, float]] = []
    seen = itertools.count(1)

    def each(_: Result) -> None:
        if next(seen) in {skipped + 1, count}:
            moments.append((time.monotonic(), _cpu_seconds()))

    report = run(plan, executor, each=each)
    assert report.done == count, report
    (start, start_cpu), (end, end_cpu) = moments
    measured = count - skipped - 1
    return _Pace(measured / (end - start), 1000 * (end_cpu - start_cpu) / measured)


def _cpu_seconds() -> float:
    """Return the processor time of this process, and of all that it has started: children, worker, Redis."""
    process = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))
