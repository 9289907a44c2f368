"""Batch: tasks that travel together to somebody else's engine, and what that engine calls to run them."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgpipe.children.process import Job
from imgpipe.errors import FailureCode
from imgpipe.task import Failure, Outcome, Result
from imgpipe.work import run_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.task import Task


@dataclass(frozen=True, slots=True)
class Batch:
    """One task or more, handed out for the `tries`-th time.

    `folder` is where relative names begin: a worker may stand elsewhere. It is opaque on purpose: some engines look
    into tuples and lists for work of their own.
    """

    jobs: tuple[Job, ...]
    folder: str
    tries: int = 1

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Batch:
        """Make a batch of tasks that nobody has had yet."""
        relative = any(not os.path.isabs(path) for task in tasks for path in (task.source, task.target))
        return cls(tuple(Job.of(task) for task in tasks), os.getcwd() if relative else "")

    def __len__(self) -> int:
        return len(self.jobs)

    def again(self) -> list[Batch]:
        """Return what to hand out after a loss: two halves, so that one picture costs no other anything for long."""
        middle = len(self.jobs) // 2
        parts = (self.jobs[:middle], self.jobs[middle:])
        return [replace(self, jobs=part, tries=self.tries + 1) for part in parts if part]

    def lost(self, reason: str, remedy: str) -> list[Result]:
        """Return the results of a batch that is given up."""
        failure = Failure(FailureCode.CRASHED, reason, remedy)
        return [
            _done_before(job, self.tries) if job.was_published else _lost(job, failure, self.tries) for job in self.jobs
        ]


def run_batch(batch: Batch) -> list[Result]:
    """Run the tasks of a batch, one after the other. Called by the engine, in a process and on a machine of its own."""
    worker = f"{socket.gethostname()}-{os.getpid()}"
    return [_run(job, batch, worker) for job in batch.jobs]


def _run(job: Job, batch: Batch, worker: str) -> Result:
    # Engines run a batch again on their own account when a worker dies; what it has replaced must not be done twice.
    if job.was_published:
        return _done_before(job, batch.tries)
    task = job.task
    source, target = os.path.join(batch.folder, task.source), os.path.join(batch.folder, task.target)
    result = run_task(replace(task, source=source, target=target), worker=worker)
    return replace(result, source=task.source, target=task.target, attempt=batch.tries)


def _done_before(job: Job, tries: int) -> Result:
    task = job.task
    return Result(task.id, task.source, task.target, Outcome.DONE, notes=("done-before",), attempt=tries)


def _lost(job: Job, failure: Failure, tries: int) -> Result:
    task = job.task
    return Result(task.id, task.source, task.target, Outcome.LOST, failure=failure, attempt=tries)
