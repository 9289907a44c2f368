"""Outcome: turns what a queue says of a task into its result, even where the worker's own word was not kept."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe.errors import BadPayload, ExecutorError, FailureCode
from imgpipe.queue.payload import decode_result
from imgpipe.queue.values import TaskState
from imgpipe.task import Failure, Outcome, Result

if TYPE_CHECKING:
    from imgpipe.queue.payload import JobPayload
    from imgpipe.queue.values import TaskStatus
    from imgpipe.task import Task

NOT_KEPT = "result-not-kept"
"""The note of a picture that is done, of which nothing else is known any more."""


def result_of_record(task: Task, record: bytes, payload: JobPayload) -> Result | None:
    """Return the result that a worker has written down, None if there is none that can be read.

    Raises `ExecutorError` if it is about another picture.
    """
    try:
        result = decode_result(record, payload)
    except BadPayload:
        return None
    # Paths are "" where they were too long to be written down.
    if result.source and (result.source, result.target) != (os.path.abspath(task.source), os.path.abspath(task.target)):
        found = f"{display_name(result.source)}, not {display_name(task.source)}"
        raise ExecutorError(f"the job has other pictures than this run ({found}): cancel it, then run this again")
    return replace(result, task_id=task.id, source=task.source, target=task.target)


def result_of_status(task: Task, status: TaskStatus, payload: JobPayload) -> Result:
    """Return the result of a task that is at its end, from all that the queue knows of it."""
    if status.result and (result := result_of_record(task, status.result, payload)) is not None:
        return result
    if status.state is TaskState.DONE:
        return result_not_kept(task)
    outcome, failure = Outcome.FAILED, Failure(_code(status.code), "it failed; the reason was not kept")
    if status.state is TaskState.LOST:
        outcome, failure = Outcome.LOST, _workers_died(status)
    return Result(
        task.id, task.source, task.target, outcome, failure=failure, worker=status.worker, attempt=status.attempts + 1
    )


def result_not_kept(task: Task) -> Result:
    """Return the result of a task that is done, as far as its files tell."""
    done = Result(task.id, task.source, task.target, Outcome.DONE, notes=(NOT_KEPT,))
    return replace(done, bytes_in=_size(task.source), bytes_out=_size(task.target))


def _workers_died(status: TaskStatus) -> Failure:
    last = f", the last was {display_name(status.worker)}" if status.worker else ""
    what = f"{status.losses} workers died while they had it" if status.losses else "no worker has survived it"
    if not status.losses and status.deliveries:
        what = f"{status.deliveries} workers took it and were never heard again"
    return Failure(FailureCode.CRASHED, what + last, "look at the picture by itself, with --executor processes")


def _code(text: str) -> FailureCode:
    return FailureCode(text) if text in set(FailureCode) else FailureCode.INTERNAL


def _size(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return 0
