"""Slots: runs the tasks of a queue in supervised children: a claim becomes a task, and its result a word."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgpipe.children import ChildPool
from imgpipe.children.process import Job
from imgpipe.errors import BadPayload, FailureCode, PictureError, UnknownHere
from imgpipe.machine import default_memory_bytes
from imgpipe.pictures.staging import sweep
from imgpipe.pipeline import Pipeline
from imgpipe.queue.payload import JobPayload, decode_task
from imgpipe.queue.values import Settled, Verdict
from imgpipe.task import Failure, Outcome, Result
from imgpipe.worker.parcels import Parcels
from imgpipe.worker.settings import Event
from imgpipe.worker.verdicts import word_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket

    from imgpipe.children.fence import Fence
    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import Claim
    from imgpipe.recipe import Recipe
    from imgpipe.task import Task
    from imgpipe.worker.settings import WorkerSettings
    from imgpipe.worker.totals import Totals

_MOST_TOLD = 1000  # jobs of which is remembered that somebody was told of them


@dataclass(frozen=True, slots=True)
class _InWork:
    claim: Claim
    payload: JobPayload
    job: Job
    since: float
    task: Task  # as its submitter names it


class Slots:
    """A `Runner` over a `ChildPool`. Nothing is decoded in this process."""

    def __init__(self, settings: WorkerSettings, fence: Fence, tell: Callable[[Event], None], totals: Totals) -> None:
        self._settings, self._tell, self._totals = settings, tell, totals
        self._parcels = Parcels()
        folder, sandbox = self._parcels.folder, settings.sandbox
        if sandbox is not None:
            sandbox = replace(sandbox, read=(*sandbox.read, folder), write=(*sandbox.write, folder))
        self._pool = ChildPool(
            settings.slots,
            settings.max_memory_bytes or default_memory_bytes(),
            Pipeline(),
            timeout_seconds=settings.timeout_seconds,
            sandbox=sandbox,
            fence=fence,
        )
        self._jobs: dict[str, JobPayload | BadPayload] = {}
        self._in_work: dict[str, _InWork] = {}
        self._words: list[Settled] = []  # on tasks that needed no child
        self._told: dict[tuple[str, str], None] = {}
        self._swept: tuple[int, str] | None = None

    @property
    def room(self) -> int:
        """How many tasks can be begun now."""
        return self._pool.room

    @property
    def pids(self) -> list[int]:
        """The numbers of the children."""
        return self._pool.pids

    def learn(self, queue: TaskQueue, held: frozenset[str], coming: frozenset[str]) -> frozenset[str]:
        """Fetch what is the same for all tasks of a job."""
        known = {job: payload for job, payload in self._jobs.items() if job in held}
        unfit = set()
        for job in coming - known.keys():
            status = queue.status(job)
            if status is None:  # it was purged in this very moment
                unfit.add(job)
                continue
            try:
                known[job] = payload = JobPayload.decode(status.spec)
                _check(payload)
                self._tell_once("job", job, f"job {job}: {str(payload.recipe.pipeline) or 'no filters'}")
            except UnknownHere as error:
                known.pop(job, None)
                unfit.add(job)
                self._tell_once("unfit", job, f"job {job} is left to other workers: {error}")
            except BadPayload as error:
                known[job] = error
        self._jobs = known
        return frozenset(unfit)

    def fetch(self, queue: TaskQueue, claims: Sequence[Claim]) -> None:
        """Fetch the pictures that come through the queue."""
        self._parcels.fetch(queue, [claim for claim in claims if self._is_inline(claim)])

    def deliver(self, queue: TaskQueue, words: Sequence[Settled]) -> None:
        """Send the results that go back through the queue."""
        for word in words:
            if self._is_inline(word.claim):
                if word.verdict is Verdict.DONE:
                    self._parcels.send(queue, word.claim)
                self._parcels.drop(word.claim)

    def submit(self, claim: Claim) -> None:
        """Give a task to a child, unless it is clear without one what becomes of it."""
        payload = self._jobs.get(claim.job)
        if payload is None:  # the queue has taken it from us
            self._words.append(Settled(claim, Verdict.RELEASE))
            return
        if isinstance(payload, BadPayload):
            self._refuse(claim, None, FailureCode.BAD_PAYLOAD, str(payload))
            return
        try:
            task, before = decode_task(claim.payload, payload, claim.task_id)
        except BadPayload as error:
            self._refuse(claim, payload, FailureCode.BAD_PAYLOAD, str(error))
            return
        named = task
        try:
            self._check_labels(payload.recipe)
            if payload.transport == "inline":
                task, before = self._parcels.here(claim, task), None
            else:
                self._check_roots(task)
            job = Job(task, before, self._limit_seconds(payload))
            if job.was_published and not claim.deliveries:
                raise PictureError(FailureCode.CHANGED, "it has changed since it was handed over", "hand it over again")
        except PictureError as error:
            self._refuse(claim, payload, error.code, error.message, error.remedy, named)
            return
        if job.was_published:  # by a worker that died before it could say so
            self._words.append(word_on(claim, _done(job), payload))
            return
        if claim.deliveries and payload.transport == "files":
            self._sweep(claim, os.path.dirname(task.target))
        self._in_work[task.id] = _InWork(claim, payload, job, time.monotonic(), named)
        self._pool.submit_job(job)

    def wait(self, wake: socket) -> list[Settled]:
        """Wait for children. Raises `ExecutorError` if they cannot be started."""
        if not self._words:
            for result in self._pool.wait(wake):
                self._take(result)
        words, self._words = self._words, []
        return words

    def close(self) -> list[Settled]:
        """End the children."""
        self._pool.close(drop=bool(self._in_work))
        words, self._words = self._words, []
        for work in self._in_work.values():
            if work.job.was_published:
                words.append(word_on(work.claim, _done(work.job), work.payload))
            else:
                words.append(Settled(work.claim, Verdict.RELEASE))
        self._in_work.clear()
        return words

    def end(self) -> None:
        """Remove what is left, when all is delivered."""
        self._parcels.close()

    def _is_inline(self, claim: Claim) -> bool:
        payload = self._jobs.get(claim.job)
        return isinstance(payload, JobPayload) and payload.transport == "inline"

    def _take(self, result: Result) -> None:
        work = self._in_work.pop(result.task_id)
        claim, job = work.claim, work.job
        if result.failure and result.failure.code is FailureCode.OUT_OF_MEMORY and not job.is_suspect:
            # It may have been its neighbours' memory: once more, without any.
            alone = replace(work, job=Job(job.task, job.before, job.timeout_seconds, alone=True))
            self._in_work[result.task_id] = alone
            self._pool.submit_job(alone.job)
            return
        self._totals.add(result)
        named = replace(
            result,
            source=work.task.source,
            target=work.task.target,
            worker=f"{self._settings.name}/{result.worker}",
            attempt=result.attempt + claim.attempts + claim.losses,
        )
        self._words.append(word_on(claim, named, work.payload, busy_seconds=time.monotonic() - work.since))

    def _refuse(
        self,
        claim: Claim,
        payload: JobPayload | None,
        code: FailureCode,
        message: str,
        remedy: str = "",
        task: Task | None = None,
    ) -> None:
        source, target = (task.source, task.target) if task else ("", "")
        failure = Failure(code, message, remedy)
        result = Result(claim.task_id, source, target, Outcome.FAILED, failure=failure, worker=self._settings.name)
        self._words.append(word_on(claim, result, payload))

    def _check_labels(self, recipe: Recipe) -> None:
        """Refuse filters that this worker cannot run; with `labels` routing the queue has seen to that."""
        missing = [step.spec.name for step in recipe.pipeline.filters if step.spec.kind not in self._settings.labels]
        if missing and self._settings.routing == "fifo":
            message = f"Worker {self._settings.name} cannot handle filters: {missing}"
            raise PictureError(FailureCode.WORKER_CAPABILITY_MISMATCH, message, "use --routing labels")

    def _check_roots(self, task: Task) -> None:
        """Refuse files outside of the roots, wherever symbolic links lead."""
        roots = self._settings.roots
        target_folder = os.path.dirname(task.target)
        for path in (task.source, target_folder) if roots else ():
            real = os.path.realpath(path)
            if not any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in roots):
                message = f"{path} is outside of what this worker may touch: {', '.join(roots)}"
                raise PictureError(FailureCode.PERMISSION_DENIED, message, "start the worker with another --root")

    def _sweep(self, claim: Claim, folder: str) -> None:
        """Remove what a worker left half-written when it died; its tasks have come back together, in one claim."""
        if (claim.epoch, folder) != self._swept:
            self._swept = claim.epoch, folder
            sweep(folder)

    def _limit_seconds(self, payload: JobPayload) -> float | None:
        limits = [limit for limit in (payload.timeout_seconds, self._settings.timeout_seconds) if limit is not None]
        return min(limits, default=None)

    def _tell_once(self, kind: str, job: str, text: str) -> None:
        if (kind, job) not in self._told:
            self._told[kind, job] = None
            if len(self._told) > _MOST_TOLD:
                del self._told[next(iter(self._told))]
            self._tell(Event(kind, text, {"job": job}))


def _check(payload: JobPayload) -> None:
    for name in payload.recipe.pipeline.homebound:
        raise UnknownHere(f"children cannot import {name} from the program itself; put it into a module")


def _done(job: Job) -> Result:
    return Result(job.task.id, job.task.source, job.task.target, Outcome.DONE)
