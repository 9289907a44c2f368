"""Tasks: orders that workers carry out: handed over at once, asked after, cancelled, and their pictures fetched."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from imgpipe.queue.explain import why_waiting
from imgpipe.web.app import Later
from imgpipe.web.files import file_response, is_known
from imgpipe.web.http import Response, json_response
from imgpipe.web.orders import read_order
from imgpipe.web.problems import Refused
from imgpipe.web.results import first_error, item_document, picture_of, results_of
from imgpipe.web.task_words import can_run, language_of, paths_of, tag_of, task_document, word_of
from imgpipe.web.tasks import MORE_KEYS, hand_over

if TYPE_CHECKING:
    from imgpipe.queue.values import JobStatus
    from imgpipe.web.app import App
    from imgpipe.web.http import Headers, Request

_LOOK_SECONDS = 0.25
_NUMBER = re.compile(r"[0-9]{1,9}")


def distributed(request: Request, app: App) -> Response:
    """Hand an order over, and answer at once."""
    order = read_order(request.body, app.settings, more_keys=MORE_KEYS)
    job, is_replayed = hand_over(order, request.headers.get("idempotency-key"), app)
    workers = [worker for worker in app.broker.ask(lambda queue: queue.workers()) if worker.is_alive]
    document = {
        "task_id": job.id,
        "status": "pending",
        "total": job.submitted,
        "pipeline": str(order.recipe.pipeline),
        "needs": sorted(job.needs),
        "routing": job.routing,
        "queue": app.broker.kind,
        "workers_able": sum(can_run(worker, job) for worker in workers),
        "explanation": why_waiting(job, (), workers),
        **paths_of(job.id),
    }
    replayed = (("Idempotency-Replayed", "true"),) if is_replayed else ()
    headers = (("Location", document["status_url"]), ("Retry-After", "1"), *replayed)
    return json_response(document, status=202, headers=headers)


def status(request: Request, app: App) -> Response | Later:
    """Say how a task is: now, or with `wait` as soon as it is over, or has changed since `If-None-Match`."""
    return _look(request, app, until=time.monotonic() + request.query["wait"])


def _look(request: Request, app: App, *, until: float) -> Response | Later:
    found = job_of(request, app)
    tag, known = tag_of(found), request.headers.get("if-none-match")
    is_news = found.is_over or (known is not None and not is_known(known, tag))
    left_seconds = until - time.monotonic()
    if not is_news and left_seconds > 0 and not app.draining.is_set():
        return Later(min(_LOOK_SECONDS, left_seconds), partial(_look, until=until))
    headers: Headers = (("ETag", tag), ("Vary", "Accept-Language"), ("Cache-Control", "no-cache"))
    if known is not None and is_known(known, tag):
        return Response(status=304, headers=headers)
    if not found.is_over:
        headers += (("Retry-After", "1"),)
    return json_response(described(found, request, app), headers=headers)


def described(found: JobStatus, request: Request, app: App) -> dict[str, Any]:
    """Return all that is known of a job, in the language that the request asks for."""
    workers = [] if found.is_over else app.broker.ask(lambda queue: queue.workers())
    language = language_of(request.headers.get("accept-language", ""))
    return task_document(found, workers, first_error(found, app), language, datetime.now(UTC))


def results(request: Request, app: App) -> Response:
    """List results from `cursor` on, in the order in which they came; the rest is behind `next_cursor`."""
    found = job_of(request, app)
    start, limit = request.query["cursor"], request.query["limit"]
    items, after = results_of(found, start, limit, app)
    is_all = found.is_over and len(items) < limit
    document = {
        "task_id": found.id,
        "status": word_of(found),
        "items": [item_document(item, found.id, app.settings) for item in items],
        "next_cursor": None if is_all else str(after),
    }
    link = f'<{paths_of(found.id)["results_url"]}?cursor={after}&limit={limit}>; rel="next"'
    return json_response(document, headers=() if is_all else (("Link", link),))


def image(request: Request, app: App) -> Response:
    """Send the picture of a result, or a part of it."""
    found = job_of(request, app)
    text = request.variables["n"]
    if not _NUMBER.fullmatch(text):
        raise Refused(404, "not-found", "results have numbers; the list of results has them")
    path, media = picture_of(int(text), found, app)
    return file_response(request, path, media, app.digests)


def cancel(request: Request, app: App) -> Response:
    """Cancel a task: what has not begun is dropped. Nothing happens to one that is over."""
    found = job_of(request, app)
    if found.is_over:
        return Response(status=204)
    after = app.broker.ask(lambda queue: queue.control(found.id, "cancel", "over HTTP")) or found
    return json_response(described(after, request, app), status=202)


def job_of(request: Request, app: App) -> JobStatus:
    """Return the job that the path names. Raises `Refused` if there is none, or none any more."""
    task_id = request.variables["id"]
    found = app.broker.ask(lambda queue: queue.status(task_id))
    if found is not None:
        app.remember(task_id)
        return found
    if app.remembers(task_id):
        raise Refused(410, "gone", "the queue has forgotten this task; its pictures are still there")
    raise Refused(404, "not-found", "there is no task of this id")
