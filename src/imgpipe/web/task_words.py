"""Task words: says of a job how it is, whose fault it is, and why nothing happens; pure, from what the queue says."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from imgpipe.queue.explain import why_waiting
from imgpipe.queue.values import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.queue.values import JobStatus, WorkerStatus

Word = Literal["pending", "processing", "completed", "partial", "failed", "lost", "cancelled"]

_FAULTS = {"partial", "failed", "lost"}
_MISMATCH = "worker_capability_mismatch"
_MISMATCH_WORDS = {
    "en": "Worker took the task but cannot run the filter it needs",
    "es": "Worker tomó task pero no puede manejar el filtro requerido",
}
_LANGUAGE = re.compile(r"([a-zA-Z]{1,8}|\*)(?:-[a-zA-Z0-9-]*)?(?:\s*;\s*q=([01](?:\.[0-9]{0,3})?))?")


def paths_of(task_id: str) -> dict[str, str]:
    """Return where more about a task can be had."""
    base = f"/api/task/{task_id}"
    return {"status_url": f"{base}/status/", "results_url": f"{base}/results/", "events_url": f"{base}/events/"}


def word_of(status: JobStatus) -> Word:
    """Return how a job is, in one word: the first two are of jobs that go on, the others of those that are over."""
    if status.state is JobState.CANCELLED:
        return "cancelled"
    if status.state is not JobState.FINISHED:
        return "processing" if status.running or status.settled or status.retrying else "pending"
    if not status.failed and not status.lost:
        return "completed"
    if status.done:
        return "partial"
    return "failed" if status.failed else "lost"


def tag_of(status: JobStatus) -> str:
    """Return a weak ETag: it changes when anything has happened to the job, and not because time has passed."""
    counts = (status.submitted, status.pending, status.running, status.retrying, status.done, status.failed,
              status.lost, status.attempts, status.losses)  # fmt: skip
    return f'W/"{hashlib.sha256(repr((status.state.value, counts)).encode()).hexdigest()[:16]}"'


def task_document(
    status: JobStatus, workers: Sequence[WorkerStatus], error: str, language: str, now: datetime
) -> dict[str, Any]:
    """Return all that is known of a job as JSON-like data; `error` is what its first failure says."""
    word = word_of(status)
    reason = max(status.codes, key=lambda code: status.codes[code], default="").lower()
    return {
        "task_id": status.id,
        "status": word,
        # where both are to blame, a picture that fails is what somebody can mend
        "failure_type": ("job_failure" if status.failed else "worker_failure") if word in _FAULTS else None,
        "failure_reason": reason if word in _FAULTS else None,
        "explanation": _explanation(status, word, reason, workers, language),
        "error": error if word in _FAULTS and error else None,
        "progress": {
            "total": status.total,
            "done": status.settled,
            "ok": status.done,
            "failed": status.failed,
            "lost": status.lost,
            "cancelled": status.cancelled,
            "pending": status.pending + status.retrying,
            "running": status.running,
        },
        "errors_by_code": {code.lower(): count for code, count in status.codes.items()},
        "attempts": status.attempts,
        "losses": status.losses,
        "needs": sorted(status.needs),
        "routing": status.routing,
        "created_at": _moment(now, status.age_seconds),
        "finished_at": None if status.finished_seconds is None else _moment(now, status.finished_seconds),
        **paths_of(status.id),
    }


def can_run(worker: WorkerStatus, status: JobStatus) -> bool:
    """Whether a worker is there for a job: in the teaching mode it takes whatever comes."""
    is_fit = status.routing == "fifo" or status.needs <= worker.labels
    return worker.state == "ready" and worker.routing == status.routing and is_fit


def language_of(header: str) -> str:
    """Return the language to answer in, es or en, from Accept-Language; English where both are as welcome."""
    wishes = {"en": 0.0, "es": 0.0}
    for part in header.split(",")[:20]:
        match = _LANGUAGE.fullmatch(part.strip())
        if match is not None:
            weight = float(match[2] or 1)
            for name in wishes if match[1] == "*" else {match[1].lower()} & wishes.keys():
                wishes[name] = max(wishes[name], weight)
    return "es" if wishes["es"] > wishes["en"] else "en"


def _explanation(status: JobStatus, word: Word, reason: str, workers: Sequence[WorkerStatus], language: str) -> str:
    if status.state is JobState.PAUSED:
        return f"Paused {status.why}".rstrip()
    if status.state is JobState.CANCELLING:
        return "It is being cancelled; pictures in work come to their end"
    if word in {"pending", "processing"}:
        usual = "Waiting for a worker that is free" if word == "pending" else "Workers are at it"
        return why_waiting(status, (), workers) or usual
    if reason == _MISMATCH:
        return _MISMATCH_WORDS[language]
    if word in {"partial", "failed"} and status.failed:
        return f"{status.failed} of {status.submitted} pictures failed for good: another try would give the same"
    if word in {"partial", "lost"}:
        return f"Workers died while they had {status.lost} of {status.submitted} pictures"
    return f"Cancelled {status.why}".rstrip() if word == "cancelled" else "All pictures are done"


def _moment(now: datetime, seconds_ago: float) -> str:
    return (now - timedelta(seconds=seconds_ago)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
