"""QueueTarget: sends tasks straight into a queue, and receives their results from it, with their times."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.errors import BadPayload, ExecutorError, ImgpipeError, QueueUnavailable, UsageError
from imgpipe.pictures.formats import extension_of
from imgpipe.queue.payload import JobPayload, decode_result, encode_task, needs_of_recipe
from imgpipe.queue.values import Item, JobSpec, SubmitKind, Verdict, class_of
from imgpipe.stress.schedule import MOST_TASKS
from imgpipe.stress.values import Account, End, Look
from imgpipe.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import Counters, JobStatus, WorkerStatus
    from imgpipe.recipe import Recipe
    from imgpipe.stress.book import Book

_WAIT_SECONDS = 0.5
_RETRY_SECONDS = 0.05
_BREATH_SECONDS = 0.002
_PATIENCE_SECONDS = 30.0
_MOST_READ = 1000
_FORGOTTEN_AT_ONCE = 200
_KEEP_SECONDS = 600
_ENDS = {Verdict.DONE: End.DONE, Verdict.LOST: End.LOST}


@dataclass(slots=True)
class _Job:
    """One recipe. Task `number` of the run is its item `number // jobs`."""

    id: str
    payload: JobPayload
    recipe: Recipe
    needs: frozenset[str]
    thread: threading.Thread | None = None
    known: int = 0
    able: frozenset[str] = frozenset()


class QueueTarget:
    """A job for each recipe; tasks go to them in turn, and have the pictures in turn. Results go below `folder`.

    Sources are absolute paths. Results are removed as soon as they are there.
    """

    def __init__(
        self,
        queue: TaskQueue,
        where: str,
        recipes: Sequence[Recipe],
        sources: Sequence[str],
        folder: str,
        book: Book,
    ) -> None:
        self.where, self.notes = where, list[str]()
        self._queue, self._sources, self._folder, self._book = queue, sources, folder, book
        mark = secrets.token_hex(4)
        self._jobs = [
            _Job(
                f"stress-{mark}-{number}",
                JobPayload(recipe=recipe, source_root=os.path.abspath(os.sep), target_root=folder),
                recipe,
                needs_of_recipe(recipe),
            )
            for number, recipe in enumerate(recipes, start=1)
        ]
        self._ended = threading.Event()
        self._before: Counters | None = None

    def start(self) -> None:
        """Open the jobs. Raises `UsageError` if no worker that is there could do one of them."""
        try:
            self._open([worker for worker in self._queue.workers() if worker.is_alive])
        except BaseException:
            self.close()
            raise

    def send(self, numbers: Sequence[int]) -> None:
        """Hand tasks over. A queue that is away is asked again; raises `QueueUnavailable` if it stays away."""
        count = len(self._jobs)
        for place, job in enumerate(self._jobs):
            mine = [number for number in numbers if number % count == place]
            if mine:
                self._submit(job, mine, [Item(number // count, self._encoded(number)) for number in mine])

    def look(self) -> Look | None:
        """Ask for what waits and what is in work."""
        at = self._book.now
        try:
            statuses = self._statuses()
        except QueueUnavailable:
            return None
        return Look(
            at,
            sum(status.pending + status.retrying for status in statuses),
            sum(status.running for status in statuses),
        )

    def account(self) -> Account | None:
        """Add up what the queue has counted of the jobs."""
        try:
            statuses = self._statuses()
            slots = {worker.id: worker.slots for worker in self._queue.workers()}
            after = self._queue.counters()
        except QueueUnavailable:
            return None
        sums = {
            name: sum(getattr(status, name) for status in statuses)
            for name in ("submitted", "done", "failed", "lost", "losses", "late", "duplicates", "busy_seconds")
        }
        return Account(
            **sums,
            retried=sum(status.attempts for status in statuses),
            slots=sum(slots.get(worker, 0) for worker in frozenset().union(*(job.able for job in self._jobs))),
            alike=len({job.able for job in self._jobs}) == 1,
            waited_seconds=self._mean_wait(after, sums["submitted"]),
        )

    def close(self) -> None:
        """Drop what has not come to its end. The jobs stay for a while, for whoever wants to see what failed."""
        self._ended.set()
        with contextlib.suppress(ImgpipeError):
            for job in self._jobs:
                status = self._queue.status(job.id)
                if status is not None and status.settled < status.submitted:
                    self._queue.control(job.id, "cancel", "the stress run is over")
                elif status is not None:
                    self._queue.submit(job.id, [], after=job.known, last=True)
        for job in self._jobs:
            if job.thread is not None:
                job.thread.join()

    def held_by(self, worker: str) -> tuple[int, ...]:
        """Return the tasks in the hands of a worker, by its id."""
        places = {job.id: place for place, job in enumerate(self._jobs)}
        return tuple(
            claim.index * len(self._jobs) + places[claim.job]
            for claim in self._queue.resync(worker)
            if claim.job in places
        )

    def _open(self, workers: Sequence[WorkerStatus]) -> None:
        self._before = self._queue.counters()
        for job in self._jobs:
            spec = JobSpec(
                id=job.id, needs=job.needs, spec=job.payload.encode(), window=MOST_TASKS, breaker=0,
                keep_seconds=_KEEP_SECONDS, keep_failed_seconds=_KEEP_SECONDS,
            )  # fmt: skip
            status = self._queue.create(spec)
            job.able = frozenset(worker.id for worker in workers if _is_able(worker, job))
            if not job.able:
                raise UsageError(f"nobody could work on {job.recipe.pipeline}: {_reason(status, workers)}")
            job.thread = threading.Thread(target=self._receive, args=(job,), name=f"imgpipe-{job.id}", daemon=True)
            job.thread.start()

    def _submit(self, job: _Job, numbers: Sequence[int], items: Sequence[Item]) -> None:
        deadline = self._book.now + _PATIENCE_SECONDS
        while True:
            try:
                answer = self._queue.submit(job.id, items, after=job.known)
            except QueueUnavailable:  # it may have been taken all the same: the same items go in once
                if self._book.now > deadline:
                    raise
                self._ended.wait(_RETRY_SECONDS)
                continue
            if answer.kind is SubmitKind.ACCEPTED:
                job.known = answer.next
                self._book.take(numbers)
            elif answer.kind is SubmitKind.FULL:
                for number in numbers:
                    self._book.end(number, End.REFUSED, code="queue-full")
            else:
                raise ExecutorError(f"job {job.id} is {answer.kind}: somebody has cancelled it, or Redis forgot it")
            return

    def _receive(self, job: _Job) -> None:
        cursor = forgotten = 0
        place = self._jobs.index(job)
        while not self._ended.is_set():
            try:
                self._queue.wait_for_results(job.id, cursor, _WAIT_SECONDS)
                answer = self._queue.results(job.id, _MOST_READ, start=cursor)
                if cursor - forgotten >= _FORGOTTEN_AT_ONCE:
                    self._queue.forget(job.id, cursor)
                    forgotten = cursor
            except QueueUnavailable:
                self._ended.wait(_RETRY_SECONDS)
                continue
            except ImgpipeError as error:
                self._book.fail(error)
                return
            for index, verdict, record in answer.records:
                self._note(index * len(self._jobs) + place, verdict, record, job)
            if not answer.records:  # nobody waits for a job that is over, and a bell may ring for what was read before
                self._ended.wait(_BREATH_SECONDS)
            cursor = answer.first + len(answer.records)

    def _note(self, number: int, verdict: Verdict, record: bytes, job: _Job) -> None:
        end, code, service = _ENDS.get(verdict, End.FAILED), "", None
        with contextlib.suppress(BadPayload):
            result = decode_result(record, job.payload)
            code = result.failure.code.value if result.failure else ""
            service = result.total_seconds if result.seconds else None
        self._book.end(number, end, code=code, service_seconds=service)
        with contextlib.suppress(OSError):
            os.unlink(self._task(number).target)

    def _encoded(self, number: int) -> bytes:
        return encode_task(self._task(number), self._jobs[number % len(self._jobs)].payload)

    def _task(self, number: int) -> Task:
        job = self._jobs[number % len(self._jobs)]
        # By the job's own count: with two recipes and two pictures, each has to get both.
        source = self._sources[number // len(self._jobs) % len(self._sources)]
        kept, format_ = os.path.splitext(source)[1], job.recipe.write.format
        name = f"{number}{kept if format_ == 'keep' else extension_of(format_)}"
        return Task(str(number), source, os.path.join(self._folder, name), job.recipe)

    def _statuses(self) -> list[JobStatus]:
        found = [self._queue.status(job.id) for job in self._jobs]
        return [status for status in found if status is not None]

    def _mean_wait(self, after: Counters, submitted: int) -> float | None:
        """Return the mean wait until a worker took a task, None if tasks of others are in it."""
        enqueued, claimed, waited = 0, 0, 0.0
        for name in {class_of(job.needs) for job in self._jobs}:
            for sign, counters in ((1, after), (-1, self._before)):
                seen = counters.classes.get(name) if counters else None
                if seen is not None:
                    enqueued += sign * seen.enqueued
                    claimed += sign * seen.claimed
                    waited += sign * seen.waited_seconds
        return waited / claimed if claimed > 0 and enqueued == submitted else None


def _is_able(worker: WorkerStatus, job: _Job) -> bool:
    return worker.routing == "labels" and worker.state != "draining" and job.needs <= worker.labels


def _reason(status: JobStatus, workers: Sequence[WorkerStatus]) -> str:
    live = ", ".join(f"{worker.name} ({'+'.join(sorted(worker.labels))})" for worker in workers) or "none"
    return f"it needs {status.task_class}; live workers: {live}; start one with `imgpipe worker`, or use --own-fleet"
