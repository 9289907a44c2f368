"""Routing: which waiting tasks of a MemoryQueue a worker gets, and in which order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from imgpipe.queue.limits import LOOKED_AT
from imgpipe.queue.values import JobState, needs_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from imgpipe.queue._memory_job import MemoryJob, Record
    from imgpipe.queue._memory_worker import MemoryWorker

    Taken = tuple[MemoryJob, list[Record]]


class Routing:
    """What is on offer. `fifo` is the list of the teaching mode: a job for each of its pending tasks.

    `turns` has, for each class of tasks, the jobs with work and how much they have had.
    """

    def __init__(self) -> None:
        self.fifo: deque[str] = deque()
        self.turns: dict[str, dict[str, int]] = {}

    def offer(self, job: MemoryJob, new: int) -> None:
        """Let workers find a job with so many new tasks, behind nobody and before nobody."""
        if job.spec.routing == "fifo":
            self.fifo.extend([job.spec.id] * new)
        elif job.pending and job.state is JobState.RUNNING:
            turns = self.turns.setdefault(job.spec.task_class, {})
            turns.setdefault(job.spec.id, min(turns.values(), default=0))

    def put_back(self, job: MemoryJob, record: Record) -> None:
        """Put a task to the head of its queue, if it is still wanted."""
        before = len(job.pending)
        job.put_back(record)
        if job.spec.routing == "fifo":
            self.fifo.extendleft([job.spec.id] * (len(job.pending) - before))
        else:
            self.offer(job, 0)

    def withdraw(self, job: MemoryJob) -> None:
        """Offer a job no longer."""
        self.turns.get(job.spec.task_class, {}).pop(job.spec.id, None)

    def hand_out(
        self,
        worker: MemoryWorker,
        want: int,
        starting: int,
        jobs: Mapping[str, MemoryJob],
        slots: Mapping[str, int],
    ) -> Iterator[Taken]:
        """Take tasks for a worker; `slots` says how many slots can take each class of tasks."""
        if worker.spec.routing == "fifo":
            yield from self._from_fifo(worker, want, jobs)
            return
        fit = [name for name in slots if needs_of(name) <= worker.spec.labels]
        for name in sorted(fit, key=lambda name: (slots[name], name)):  # what few others can do comes first
            taken = yield from self._from_class(worker, name, want, starting, jobs, slots[name])
            want, starting = want - taken, max(starting - taken, 0)

    def _from_class(
        self, worker: MemoryWorker, name: str, want: int, starting: int, jobs: Mapping[str, MemoryJob], slots: int
    ) -> Generator[Taken, None, int]:
        """Take fewer towards the end, so that all workers are done together; free slots are filled. Jobs take turns."""
        turns = self.turns.get(name, {})
        fit = [job for job in turns if job not in jobs or worker.can_run(jobs[job])]
        first = sorted(fit, key=lambda job: (turns[job], job))[:LOOKED_AT]
        ready = [job for job in map(jobs.get, first) if job and job.state is JobState.RUNNING and job.pending]
        for gone in set(first) - {job.spec.id for job in ready}:
            del turns[gone]
        total = sum(len(job.pending) for job in ready)
        budget, taken = min(want, max(-(-total // (2 * max(slots, 1))), 1, starting)), 0
        while budget > 0 and any(job.pending for job in ready):
            for place, job in enumerate(ready):
                most = min(-(-budget // (len(ready) - place)), len(job.pending))
                if most <= 0:
                    continue
                records = job.take(most)
                turns[job.spec.id] += most
                if not job.pending:
                    del turns[job.spec.id]
                budget -= most
                taken += len(records)
                yield job, records
        return taken

    def _from_fifo(self, worker: MemoryWorker, want: int, jobs: Mapping[str, MemoryJob]) -> Iterator[Taken]:
        """Take the oldest tasks, whatever they need; those of paused jobs, and of unfit ones, keep their place."""
        aside = []
        while want > 0 and self.fifo:
            name = self.fifo.popleft()
            job = jobs.get(name)
            if job and (job.state is JobState.PAUSED or not worker.can_run(job)):
                aside.append(name)
            elif job and job.state is JobState.RUNNING:
                records = job.take(1)
                want -= len(records)
                yield job, records
        self.fifo.extendleft(reversed(aside))
