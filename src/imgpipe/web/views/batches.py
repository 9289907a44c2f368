"""Batches: the pictures of the server through one executor, once, or again and again to see how even it is."""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

from imgpipe.machine import usable_cores
from imgpipe.web.batches import document, open_executor, run_batch, run_with, stop_after, summary
from imgpipe.web.http import json_response
from imgpipe.web.orders import read_order
from imgpipe.web.strict_json import whole_number

if TYPE_CHECKING:
    from imgpipe.web.app import App
    from imgpipe.web.batches import Batch
    from imgpipe.web.http import Request, Response

DEFAULT_ITERATIONS, MOST_ITERATIONS = 3, 100

_STRESS_MODE = "threading"


def _one_batch(request: Request, app: App, *, mode: str) -> Response:
    order = read_order(request.body, app.settings, cores=usable_cores())
    with app.turn():
        return json_response(document(run_batch(order, mode, app), app.settings))


sequential = partial(_one_batch, mode="sequential")
threading = partial(_one_batch, mode="threading")
multiprocessing = partial(_one_batch, mode="multiprocessing")


def stress(request: Request, app: App) -> Response:
    """Run the same batch `num_iterations` times on the same threads."""
    order = read_order(request.body, app.settings, cores=usable_cores(), more_keys=("num_iterations",))
    wanted = whole_number(order.data, "num_iterations", 1, MOST_ITERATIONS, DEFAULT_ITERATIONS)
    batches: list[Batch] = []
    with app.turn(), open_executor(_STRESS_MODE, order.workers, app.settings) as executor:
        stop = stop_after(app)
        while len(batches) < wanted and not stop():
            batches.append(run_with(executor, order, _STRESS_MODE, app, stop=stop))
        stopped = stop() if len(batches) < wanted else batches[-1].report.stopped
    return json_response({"pipeline": str(order.recipe.pipeline), **_stressed(batches, wanted, stopped)})


def _stressed(batches: list[Batch], wanted: int, stopped: str) -> dict[str, Any]:
    seconds = [batch.report.seconds for batch in batches]
    failed = sum(batch.report.failed for batch in batches)
    done = sum(batch.report.done for batch in batches)
    return {
        "status": "partial" if stopped or (failed and done) else "failed" if failed else "completed",
        "mode": _STRESS_MODE,
        "num_iterations": wanted,
        "finished_iterations": len(batches),
        "succeeded": done,
        "failed": failed,
        "elapsed_s": round(sum(seconds), 4),
        "throughput_per_s": round(done / sum(seconds), 3) if sum(seconds) else 0.0,
        "iteration_s": {
            "min": round(min(seconds, default=0.0), 4),
            "median": round(statistics.median(seconds), 4) if seconds else 0.0,
            "max": round(max(seconds, default=0.0), 4),
        },
        "stopped": stopped,
        "iterations": [{"iteration": number, **summary(batch)} for number, batch in enumerate(batches, 1)],
    }
