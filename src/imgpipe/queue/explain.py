"""Explain: says in words why tasks wait, and whose fault it is when they fail, from what a queue says of itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from imgpipe.errors import BadPayload
from imgpipe.queue.payload import JobPayload
from imgpipe.queue.values import JobState, TaskState, class_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.queue.values import ClassStatus, JobStatus, WorkerStatus

BY_HAND = "by hand"
"""How the reason begins when a person has paused a job; the queue's own breaker says what has failed."""
NO_WORKERS = "No workers available to process task"
BLAME: Mapping[TaskState, str] = {
    TaskState.FAILED: "the picture's fault",
    TaskState.LOST: "its workers died",
}

_LONG_SECONDS = 60.0


def why_waiting(status: JobStatus, classes: Sequence[ClassStatus], workers: Sequence[WorkerStatus]) -> str:
    """Return why a job's tasks wait although it runs: nobody there can run them. "" if somebody can, or none wait."""
    waiting = status.pending + status.retrying
    if not waiting or status.state is not JobState.RUNNING:
        return ""
    live = [worker for worker in workers if worker.is_alive]
    if not live:
        return NO_WORKERS
    able = [worker for worker in live if worker.routing == status.routing and _has_labels(worker, status)]
    ready = [worker for worker in able if worker.state != "draining"]
    if ready and (status.running or status.refused < len(able)):
        return ""
    oldest = next((entry.oldest_seconds for entry in classes if entry.name == status.task_class), None)
    since = f", the oldest for {oldest / 60:.0f} min" if oldest is not None and oldest >= _LONG_SECONDS else ""
    if ready:
        reason = "every worker has given them back: it does not know their filters, or is older; its output says which"
    elif able:
        reason = "all workers that can run them are draining"
    else:
        reason = _missing(status, live)
    return f"{waiting} {'picture waits' if waiting == 1 else 'pictures wait'}{since}: {reason}; live: {_counted(live)}"


def by_hand(why: str) -> str:
    """Return what to note of a job that somebody pauses."""
    return f"{BY_HAND}, {why}" if why else BY_HAND


def was_stopped_by_breaker(status: JobStatus) -> bool:
    """Whether a job is paused because most of its first results were failures."""
    return status.state is JobState.PAUSED and not status.why.startswith(BY_HAND)


def _has_labels(worker: WorkerStatus, status: JobStatus) -> bool:
    return status.routing == "fifo" or status.needs <= worker.labels


def _missing(status: JobStatus, live: Sequence[WorkerStatus]) -> str:
    """Name the filters that nobody there can run, and the labels that a worker would need for them."""
    fit = [worker for worker in live if worker.routing == status.routing]
    if not fit:
        return f"no live worker takes jobs with --routing {status.routing}"
    # Where every label is there, but not in one worker, all of them are what is missing.
    labels = status.needs - frozenset().union(*(worker.labels for worker in fit)) or status.needs
    filters = _filters_that_need(labels, status.spec)
    if not filters:
        return f"no live worker has the label {class_of(labels)}"
    return f"no live worker can run {', '.join(filters)} (needs {class_of(labels)})"


def _filters_that_need(labels: frozenset[str], spec: bytes) -> list[str]:
    try:
        steps = JobPayload.decode(spec).recipe.pipeline.filters
    except BadPayload:  # of a newer imgpipe, or with filters that are not known here
        return []
    return list(dict.fromkeys(step.spec.name for step in steps if step.spec.kind in labels))


def _counted(workers: Sequence[WorkerStatus]) -> str:
    kinds = Counter(class_of(worker.labels) if worker.labels else "no label" for worker in workers)
    return ", ".join(f"{kind} x{count}" for kind, count in sorted(kinds.items()))
