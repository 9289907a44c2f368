"""Batches: sends the pictures of an order through one executor, and says what became of each, in the web's words."""

from __future__ import annotations

import os
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from imgpipe.api import run
from imgpipe.display import display_name
from imgpipe.executors import create_executor, executor_name
from imgpipe.machine import rss_bytes_of, usable_cores, usable_memory_bytes
from imgpipe.plan import PlanOptions, make_plan
from imgpipe.plan.sources import SourceOptions
from imgpipe.task import Outcome
from imgpipe.web.folders import name_of
from imgpipe.web.http import json_response
from imgpipe.web.orders import read_order
from imgpipe.web.problems import code_of
from imgpipe.web.strict_json import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.executors import Executor
    from imgpipe.plan import Plan
    from imgpipe.task import Result
    from imgpipe.web.app import App
    from imgpipe.web.http import Request, Response
    from imgpipe.web.orders import Order
    from imgpipe.web.settings import WebSettings

DEFAULT_ITERATIONS, MOST_ITERATIONS = 3, 100
TIME_IS_UP = "the time for one request is up"

_STRESS_MODE = "threading"


def _one_batch(request: Request, app: App, *, mode: str) -> Response:
    order = read_order(request.body, app.settings, cores=usable_cores())
    with app.turn(), _executor(mode, order.workers, app.settings) as executor:
        return json_response(_run(executor, order, mode, app, stop_after(app)))


sequential = partial(_one_batch, mode="sequential")
threading = partial(_one_batch, mode="threading")
multiprocessing = partial(_one_batch, mode="multiprocessing")


def stress(request: Request, app: App) -> Response:
    """Run the same batch `num_iterations` times on the same threads: how even it is."""
    order = read_order(request.body, app.settings, cores=usable_cores(), more_keys=("num_iterations",))
    wanted = whole_number(order.data, "num_iterations", 1, MOST_ITERATIONS, DEFAULT_ITERATIONS)
    batches: list[dict[str, Any]] = []
    with app.turn(), _executor(_STRESS_MODE, order.workers, app.settings) as executor:
        stop = stop_after(app)
        while len(batches) < wanted and not stop():
            batches.append(_run(executor, order, _STRESS_MODE, app, stop))
            del batches[-1]["results"]
        stopped = stop() if len(batches) < wanted else batches[-1]["stopped"]
    seconds = [batch["elapsed_s"] for batch in batches]
    done, failed = (sum(batch[key] for batch in batches) for key in ("succeeded", "failed"))
    document = {
        "status": _status(stopped, done, failed),
        "pipeline": str(order.recipe.pipeline),
        "mode": _STRESS_MODE,
        "num_iterations": wanted,
        "finished_iterations": len(batches),
        "succeeded": done,
        "failed": failed,
        "elapsed_s": round(sum(seconds), 4),
        "throughput_per_s": round(done / sum(seconds), 3) if sum(seconds) else 0.0,
        "iteration_s": {
            "min": min(seconds, default=0.0),
            "median": round(statistics.median(seconds), 4) if seconds else 0.0,
            "max": max(seconds, default=0.0),
        },
        "stopped": stopped,
        "iterations": [{"iteration": number, **batch} for number, batch in enumerate(batches, 1)],
    }
    return json_response(document)


def plan_of(order: Order, settings: WebSettings, mark: str) -> Plan:
    """Plan an order. Its results go to a folder that is named after its filters and `mark`.

    What writes different pictures to one name needs marks that differ: two of them may be in work at once.
    """
    names = "-".join(step.spec.name for step in order.recipe.pipeline.filters)[:60]
    output = os.path.join(settings.processed, f"{names}-{mark}")
    options = PlanOptions(output=output, on_exists="overwrite")
    return make_plan(order.sources, order.recipe, options, sources=SourceOptions(base=settings.images))


def stop_after(app: App) -> Callable[[], str]:
    """Return what a run asks before each picture: whether its time is up, or the server's."""
    end = time.monotonic() + app.settings.batch_seconds

    def reason() -> str:
        if app.stopping.is_set():
            return "the server is stopping"
        return TIME_IS_UP if time.monotonic() > end else ""

    return reason


def _executor(mode: str, workers: int, settings: WebSettings) -> Executor:
    """Start an executor. Where a picture can be ended, it is when its time is up."""
    name = executor_name(mode)
    timeout = settings.picture_seconds if name == "processes" else None
    return create_executor(name, workers=workers, timeout_seconds=timeout)


def _run(executor: Executor, order: Order, mode: str, app: App, stop: Callable[[], str]) -> dict[str, Any]:
    """Run an order, and return what became of it. Each recipe has a folder of its own for its results."""
    plan = plan_of(order, app.settings, order.recipe.fingerprint[:8])
    plan.check()
    results: list[Result] = []
    memory = [rss_bytes_of(os.getpid())]

    def note(result: Result) -> None:
        results.append(result)
        memory.append(rss_bytes_of(os.getpid()))

    report = run(plan, executor, each=note, stop=stop)
    seconds = report.seconds
    cpu_seconds = sum(result.usage.cpu_seconds for result in results if result.usage)  # in whatever process
    return {
        "status": _status(report.stopped, report.total - report.failed, report.failed),
        "pipeline": str(order.recipe.pipeline),
        "mode": mode,
        "workers": executor.workers,
        "total": report.total,
        "succeeded": report.done + report.skipped,
        "failed": report.failed,
        "elapsed_s": round(seconds, 4),
        "throughput_per_s": round(report.pictures_per_second, 3),
        "megapixels_per_s": round(report.megapixels_per_second, 3),
        "cpu": {
            "seconds": round(cpu_seconds, 4),
            "percent": round(100 * cpu_seconds / seconds, 1) if seconds else 0.0,
        },
        "memory": {"server_bytes": max(memory), "free_bytes": usable_memory_bytes()},
        "errors_by_code": {code_of(code): group.count for code, group in report.failures.items()},
        "stopped": report.stopped,
        "results": [result_document(result, app.settings) for result in results],
    }


def _status(stopped: str, done: int, failed: int) -> str:
    if stopped or (failed and done):
        return "partial"
    return "failed" if failed else "completed"


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
