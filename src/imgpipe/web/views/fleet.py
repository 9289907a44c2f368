"""Fleet: the workers, the metrics of everything, and whether more workers would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgpipe.monitor.document import recommendation, to_data
from imgpipe.monitor.prometheus import CONTENT_TYPE, to_text
from imgpipe.queue.values import class_of
from imgpipe.web.app import Later
from imgpipe.web.http import Response, json_response
from imgpipe.web.problems import Refused

if TYPE_CHECKING:
    from imgpipe.queue.values import WorkerStatus
    from imgpipe.web.app import App
    from imgpipe.web.http import Request

_APART_SECONDS = 0.5


def workers(_request: Request, app: App) -> Response:
    """List the workers that live, and those that were lost in the last ten minutes."""
    found = [_worker(worker) for worker in app.broker.ask(lambda queue: queue.workers())]
    states = [worker["state"] for worker in found]
    lost, idle = states.count("lost"), states.count("idle")
    document = {
        "total": len(found) - lost,
        "busy": sum(worker["busy"] > 0 for worker in found if worker["state"] != "lost"),
        "idle": idle,
        "lost": lost,
        "workers": found,
    }
    return json_response(document)


def metrics(request: Request, app: App) -> Response | Later:
    """Return the document of everything, or the text that Prometheus reads."""
    if request.query["format"] == "prometheus":
        return prometheus(request, app)
    is_first = not app.broker.has_snapshot
    snapshot, age_seconds = app.broker.snapshot()
    if is_first:
        return Later(_APART_SECONDS, metrics)
    return json_response(to_data(snapshot, age_seconds=round(age_seconds, 3)))


def prometheus(_request: Request, app: App) -> Response:
    """Return the text that Prometheus reads; where the queue is away, it says that, and it is no error."""
    try:
        snapshot, _ = app.broker.snapshot()
    except Refused:
        text = to_text(None)
    else:
        text = to_text(snapshot)
    return Response(headers=(("Content-Type", CONTENT_TYPE),), body=text.encode())


def scaling(_request: Request, app: App) -> Response | Later:
    """Return what is advised for each class of tasks, and the most urgent of it."""
    is_first = not app.broker.has_snapshot
    snapshot, _ = app.broker.snapshot()
    if is_first:
        return Later(_APART_SECONDS, scaling)
    document = {"scaling": list(snapshot.scaling), "scaling_recommendation": recommendation(snapshot)}
    return json_response(document)


def _worker(worker: WorkerStatus) -> dict[str, Any]:
    load = worker.load
    usual = "busy" if load.busy else "idle"
    return {
        "id": worker.id,
        "name": worker.name,
        "capability": "all" if {"io", "cpu"} <= worker.labels else class_of(worker.labels),
        "labels": sorted(worker.labels),
        "routing": worker.routing,
        "state": usual if worker.state == "ready" else worker.state,
        "concurrency": worker.slots,
        "busy": load.busy,
        "held": worker.held,
        "current_task": load.now or None,
        "done_total": load.done,
        "failed_total": load.failed,
        "cpu_percent": load.cpu_percent,
        "rss_bytes": load.memory_bytes,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "age_s": round(worker.age_seconds, 3),
        "heartbeat_age_s": round(worker.beat_seconds, 3),
    }
