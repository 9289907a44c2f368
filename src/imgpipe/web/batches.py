"""Batches: sends the pictures of an order through one executor, and says what became of each, in the web's words."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgpipe.api import run
from imgpipe.display import display_name
from imgpipe.executors import create_executor, executor_name
from imgpipe.machine import rss_bytes_of, usable_memory_bytes
from imgpipe.plan import PlanOptions, make_plan
from imgpipe.plan.sources import SourceOptions
from imgpipe.task import Outcome
from imgpipe.web.folders import name_of
from imgpipe.web.problems import code_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.executors import Executor
    from imgpipe.plan import Plan
    from imgpipe.report import Report
    from imgpipe.task import Result
    from imgpipe.web.app import App
    from imgpipe.web.orders import Order
    from imgpipe.web.settings import WebSettings

TIME_IS_UP = "the time for one request is up"


@dataclass(slots=True)
class Batch:
    """What became of one run over all pictures: the sums, each result, and the most memory the server had meanwhile."""

    pipeline: str
    mode: str
    workers: int
    report: Report
    results: list[Result] = field(default_factory=list)
    memory_bytes: int = 0

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all pictures, in whatever process."""
        return sum(result.usage.cpu_seconds for result in self.results if result.usage)


def run_batch(order: Order, mode: str, app: App) -> Batch:
    """Run an order on the executor `mode`, as the web calls it. Call it in turn. Raises `UsageError`."""
    with open_executor(mode, order.workers, app.settings) as executor:
        return run_with(executor, order, mode, app, stop=stop_after(app))


def plan_of(order: Order, settings: WebSettings, mark: str) -> Plan:
    """Plan an order. Its results go to a folder that is named after its filters and `mark`.

    What writes different pictures to one name needs marks that differ: two of them may be in work at once.
    """
    names = "-".join(step.spec.name for step in order.recipe.pipeline.filters)[:60]
    output = os.path.join(settings.processed, f"{names}-{mark}")
    options = PlanOptions(output=output, on_exists="overwrite")
    return make_plan(order.sources, order.recipe, options, sources=SourceOptions(base=settings.images))


def open_executor(mode: str, workers: int, settings: WebSettings) -> Executor:
    """Start an executor. Where a picture can be ended, it is when its time is up."""
    name = executor_name(mode)
    timeout = settings.picture_seconds if name == "processes" else None
    return create_executor(name, workers=workers, timeout_seconds=timeout)


def run_with(executor: Executor, order: Order, mode: str, app: App, *, stop: Callable[[], str]) -> Batch:
    """Run an order on an executor that is there. Each recipe has a folder of its own for its results."""
    plan = plan_of(order, app.settings, order.recipe.fingerprint[:8])
    plan.check()
    results: list[Result] = []
    memory = [rss_bytes_of(os.getpid())]

    def note(result: Result) -> None:
        results.append(result)
        memory.append(rss_bytes_of(os.getpid()))

    report = run(plan, executor, each=note, stop=stop)
    return Batch(str(order.recipe.pipeline), mode, executor.workers, report, results, max(memory))


def stop_after(app: App) -> Callable[[], str]:
    """Return what a run asks before each picture: whether its time is up, or the server's."""
    end = time.monotonic() + app.settings.batch_seconds

    def reason() -> str:
        if app.stopping.is_set():
            return "the server is stopping"
        return TIME_IS_UP if time.monotonic() > end else ""

    return reason


def summary(batch: Batch) -> dict[str, Any]:
    """Return the sums of a batch as JSON-like data."""
    report = batch.report
    seconds = report.seconds
    return {
        "status": _status(report),
        "pipeline": batch.pipeline,
        "mode": batch.mode,
        "workers": batch.workers,
        "total": report.total,
        "succeeded": report.done + report.skipped,
        "failed": report.failed,
        "elapsed_s": round(seconds, 4),
        "throughput_per_s": round(report.pictures_per_second, 3),
        "megapixels_per_s": round(report.megapixels_per_second, 3),
        "cpu": {
            "seconds": round(batch.cpu_seconds, 4),
            "percent": round(100 * batch.cpu_seconds / seconds, 1) if seconds else 0.0,
        },
        "memory": {"server_bytes": batch.memory_bytes, "free_bytes": usable_memory_bytes()},
        "errors_by_code": {code_of(code): group.count for code, group in report.failures.items()},
        "stopped": report.stopped,
    }


def document(batch: Batch, settings: WebSettings) -> dict[str, Any]:
    """Return a batch with each of its results as JSON-like data."""
    return {**summary(batch), "results": [result_document(result, settings) for result in batch.results]}


def _status(report: Report) -> str:
    if report.stopped or (report.failed and report.failed < report.total):
        return "partial"
    return "failed" if report.failed else "completed"


def result_document(result: Result, settings: WebSettings) -> dict[str, Any]:
    """Return what became of one picture as JSON-like data."""
    source = name_of(settings, result.source)
    data: dict[str, Any] = {
        "input": source,
        "output": name_of(settings, result.target) if result.ok else None,
        "status": result.outcome.value,
        "elapsed_s": round(result.total_seconds, 4),
        "cpu_s": round(result.usage.cpu_seconds, 4) if result.usage else None,
        "worker": result.worker,
        "width": result.width,
        "height": result.height,
        "bytes_in": result.bytes_in,
        "bytes_out": result.bytes_out,
        "notes": list(result.notes),
    }
    if result.failure is not None:
        message = result.failure.message
        if source:
            message = message.replace(display_name(result.source), source)
        data["error"] = {
            "code": code_of(result.failure.code),
            "detail": message,
            "suggestion": result.failure.remedy,
            "blame": "worker" if result.outcome is Outcome.LOST else "job",
        }
    return data
