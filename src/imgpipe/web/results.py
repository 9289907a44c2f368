"""Results: reads what became of the pictures of a task, one after the other, as the workers have written it down.

The queue numbers results in the order in which they came, and keeps up to 100,000 of a job until the job is forgotten.
The server reads and never lets it forget any: so every reader gets all of them, and another server, or this one after a
restart, goes on where the first has stopped. A job that somebody else hands over and reads, as `imgpipe process` does,
has here only what that has left.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadPayload, FailureCode
from imgpipe.pictures.formats import BY_NAME
from imgpipe.queue.payload import JobPayload, decode_result, decode_task
from imgpipe.queue.values import Verdict
from imgpipe.task import Failure, Outcome, Result
from imgpipe.web.batches import result_document
from imgpipe.web.folders import is_offered
from imgpipe.web.problems import Refused

if TYPE_CHECKING:
    from imgpipe.queue.values import JobStatus, TaskStatus
    from imgpipe.web.app import App
    from imgpipe.web.settings import WebSettings

_OUTCOMES = {Verdict.DONE: Outcome.DONE, Verdict.LOST: Outcome.LOST}
_UNREADABLE = "the worker's word on it cannot be read here"

Numbered = tuple[int, int, Result]
"""A result, its number, and the index of its picture in the task."""


def results_of(status: JobStatus, start: int, most: int, app: App) -> tuple[list[Numbered], int]:
    """Return at most so many results from number `start` on, and the number to go on with."""
    found = app.broker.ask(lambda queue: queue.results(status.id, most, start=start))
    payload = _payload_of(status.spec)
    results = []
    for number, (index, verdict, record) in enumerate(found.records, found.first):
        result = _decoded(record, payload)
        if result is None:
            result = _guessed(_task(status.id, index, app), verdict, payload)
        results.append((number, index, result))
    return results, found.first + len(found.records)


def first_error(status: JobStatus, app: App) -> str:
    """Return what the first picture that failed says, "" if there is none."""
    if not status.failed and not status.lost:
        return ""
    payload = _payload_of(status.spec)
    for task in app.broker.ask(lambda queue: queue.failures(status.id, 1)):
        result = _decoded(task.result, payload) or _guessed(task, Verdict(task.state.value), payload)
        document = result_document(result, app.settings)
        return str(document["error"]["detail"])
    return ""


def item_document(item: Numbered, task_id: str, settings: WebSettings) -> dict[str, Any]:
    """Return a result as JSON-like data, with the path that its picture can be had from."""
    number, index, result = item
    has_picture = result.ok and is_offered(settings, result.target)
    url = f"/api/task/{task_id}/images/{number}/" if has_picture else None
    return {"number": number, "index": index, "image_url": url, **result_document(result, settings)}


def picture_of(number: int, status: JobStatus, app: App) -> tuple[str, str]:
    """Return the path and the media type of the picture that result `number` is about. Raises `Refused`."""
    items, _ = results_of(status, number, 1, app)
    if not items or items[0][0] != number:
        raise Refused(404, "not-found", f"task {status.id} has no result {number} yet, or not any more")
    result = items[0][2]
    if not result.ok or not is_offered(app.settings, result.target):
        raise Refused(404, "not-found", f"result {number} has no picture; the list of results says why")
    format_ = BY_NAME.get(result.format)
    return os.path.realpath(result.target), format_.mime if format_ else "application/octet-stream"


def _task(job: str, index: int, app: App) -> TaskStatus:
    return app.broker.ask(lambda queue: queue.task(job, index))


@lru_cache(maxsize=32)  # of a task that many ask after; reading it takes longer than all the rest
def _payload_of(spec: bytes) -> JobPayload | None:
    try:
        return JobPayload.decode(spec)
    except BadPayload:  # of a newer imgpipe, or with filters that are not known here
        return None


def _decoded(record: bytes, payload: JobPayload | None) -> Result | None:
    if payload is None or not record:
        return None
    try:
        return decode_result(record, payload)
    except BadPayload:
        return None


def _guessed(task: TaskStatus, verdict: Verdict, payload: JobPayload | None) -> Result:
    """Return what the queue knows of a picture where no word of a worker is there, or none that can be read."""
    source = target = ""
    if payload is not None and task.payload:
        try:
            known, _ = decode_task(task.payload, payload, "")
            source, target = known.source, known.target
        except BadPayload:
            pass
    outcome = _OUTCOMES.get(verdict, Outcome.FAILED)
    failure = None
    if outcome is Outcome.LOST:
        last = f", the last was {task.worker}" if task.worker else ""
        failure = Failure(FailureCode.CRASHED, f"{task.losses or task.deliveries} workers died while they had it{last}")
    elif outcome is Outcome.FAILED:
        known_code = task.code in set(FailureCode)
        failure = Failure(FailureCode(task.code) if known_code else FailureCode.INTERNAL, _UNREADABLE)
    return Result(f"{task.job}:{task.index}", source, target, outcome, failure=failure, worker=task.worker)
