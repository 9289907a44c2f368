"""Local: a run without a queue, heard as it goes on, and told as if there were one: the same numbers for all who look.

What the run does not say stays unknown. Which worker has which picture is concluded: workers take pictures in their
order, so that the oldest one is with the worker that has been silent longest.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import imgpipe
from imgpipe.executors import Executor
from imgpipe.monitor.details import ANYWHERE
from imgpipe.queue._memory_tally import Tally
from imgpipe.queue.payload import encode_result, needs_of_recipe
from imgpipe.queue.values import (
    ClassStatus,
    JobState,
    JobStatus,
    Load,
    Overview,
    TaskState,
    TaskStatus,
    WorkerStatus,
    class_of,
)
from imgpipe.task import Outcome
from imgpipe.worker.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from imgpipe.recipe import Recipe
    from imgpipe.task import Result, Task


@dataclass(slots=True)
class _Hand:
    """A worker, as far as its results tell; `cpu_percent` is that of the last one."""

    done: int = 0
    failed: int = 0
    cpu_percent: float | None = None


class LocalRun:
    """Told of each task that is taken and each result; any thread may look. `clock` gives seconds.

    `is_here` says that all workers are on this machine; otherwise their names begin with that of theirs, and a dash.
    """

    def __init__(
        self,
        name: str,
        pictures: int,
        recipe: Recipe,
        workers: int,
        *,
        is_here: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._pictures, self._is_here, self._clock = name, pictures, is_here, clock
        self._needs = needs_of_recipe(recipe)
        self._class = class_of(self._needs)
        self._lock = threading.Lock()
        self._began, self._workers = clock(), workers
        self._folder = os.getcwd()  # which may be gone later
        self._taken = self._retried = 0
        self._in_work: dict[str, tuple[int, str]] = {}  # number and picture of what has no result, the oldest first
        self._hands: OrderedDict[str, _Hand] = OrderedDict()  # who has been silent longest comes first
        self._outcomes: Counter[Outcome] = Counter()
        self._codes: Counter[str] = Counter()
        self._examples: dict[str, TaskStatus] = {}
        self._tally, self._totals = Tally(), Totals()

    def of(self, executor: Executor) -> Executor:
        """Return the same executor, with somebody who listens. It may have more workers, or fewer, than was said."""
        self._workers = executor.workers
        return _Heard(executor, self._take)

    def _take(self, task: Task) -> Task:
        with self._lock:
            self._in_work[task.id] = self._taken, task.source
            self._taken += 1
            self._tally.note(self._class, "enqueued")
        return task

    def add(self, result: Result) -> None:
        """Note what became of a picture."""
        with self._lock:
            self._outcomes[result.outcome] += 1
            if result.failure is not None:
                self._note_failure(result, result.failure.code.value)
            if self._in_work.pop(result.task_id, None) is None:  # nothing was to be done, or could be: nobody had it
                return
            self._retried += result.attempt - 1
            self._tally.note(self._class, "done" if result.ok else result.outcome.value)
            self._tally.worked(self._class, result.total_seconds)
            self._totals.add(result)
            if result.worker:
                self._hear(result)

    def overview(self, jobs: int = 100, workers: int = 1000) -> Overview:
        """Return all that is known."""
        del jobs
        with self._lock:
            now = self._clock()
            self._tally.add(self._totals.take())
            job = self._job(now)
            hands = tuple(self._hand(*each, now) for each in self._at_work())
            waiting = ClassStatus(
                name=self._class,
                needs=self._needs,
                pending=job.pending,
                slots=self._workers,
                stuck_seconds=None,
                oldest_seconds=now - self._began if job.pending else None,
            )
            classes = () if job.is_over else (waiting,)
            return Overview(counters=self._tally.counters(now), jobs=(job,), workers=hands[:workers], classes=classes)

    def task(self, job: str, index: int) -> TaskStatus:
        """Return which picture a task in work is."""
        with self._lock:
            path = next((path for number, path in self._in_work.values() if number == index), None)
        if path is None:
            return TaskStatus(job=job, index=index, state=TaskState.UNKNOWN)
        return TaskStatus(job=job, index=index, state=TaskState.RUNNING, payload=self._payload(path))

    def failures(self, job: str, count: int = 100) -> list[TaskStatus]:
        """Return the first failure of each kind."""
        del job
        with self._lock:
            return list(self._examples.values())[:count]

    def _payload(self, path: str) -> bytes:
        """Name a picture as a queue does, from the current folder on or from the root; it cannot name all of them."""
        path = os.path.normpath(os.path.join(self._folder, path)).removeprefix(self._folder + os.sep)
        return json.dumps({"s": path.lstrip(os.sep)}).encode()

    def _note_failure(self, result: Result, code: str) -> None:
        self._codes[code] += 1
        if self._codes[code] > 1:
            return
        self._examples[code] = TaskStatus(
            job=self._name,
            index=len(self._examples),
            state=TaskState.LOST if result.outcome is Outcome.LOST else TaskState.FAILED,
            code=code,
            result=encode_result(replace(result, source="", target=""), ANYWHERE),
            payload=self._payload(result.source),
        )

    def _hear(self, result: Result) -> None:
        hand = self._hands.setdefault(result.worker, _Hand())
        self._hands.move_to_end(result.worker)
        if len(self._hands) > self._workers:  # another has taken the place of one that died
            self._hands.popitem(last=False)
        hand.done += result.ok
        hand.failed += not result.ok
        usage = result.usage
        if usage is not None and usage.wall_seconds > 0:
            hand.cpu_percent = 100 * usage.cpu_seconds / usage.wall_seconds

    def _at_work(self) -> list[tuple[str, _Hand, str]]:
        """Return the workers, and what each has; those that have not been heard of yet are silent since the start."""
        silent = [(f"worker-{number}", _Hand()) for number in range(len(self._hands) + 1, self._workers + 1)]
        oldest = [f"{self._name}:{index}" for index, _ in islice(self._in_work.values(), self._workers)]
        oldest += [""] * (self._workers - len(oldest))
        both = zip([*silent, *self._hands.items()], oldest, strict=True)
        return [(name, hand, task) for (name, hand), task in both]

    def _hand(self, name: str, hand: _Hand, task: str, now: float) -> WorkerStatus:
        return WorkerStatus(
            id=name,
            name=name,
            labels=self._needs,
            routing="labels",
            slots=1,
            host=socket.gethostname() if self._is_here else name.rpartition("-")[0] * (name in self._hands),
            pid=os.getpid(),
            version=imgpipe.__version__,
            state="ready",
            held=int(bool(task)),
            load=Load(
                busy=int(bool(task)),
                cpu_percent=hand.cpu_percent if task else 0.0,
                done=hand.done,
                failed=hand.failed,
                now=task,
            ),
            age_seconds=now - self._began,
            beat_seconds=0.0,
        )

    def _job(self, now: float) -> JobStatus:
        counts = self._outcomes
        settled = counts.total()
        running = min(len(self._in_work), self._workers)
        is_over = settled >= self._pictures
        return JobStatus(
            id=self._name,
            state=JobState.FINISHED if is_over else JobState.RUNNING,
            why="",
            needs=self._needs,
            routing="labels",
            spec=b"{}",
            sealed=True,
            next=self._taken,
            submitted=max(self._pictures, settled),
            pending=max(self._pictures - settled - running, 0),
            running=running,
            retrying=0,
            done=counts[Outcome.DONE] + counts[Outcome.SKIPPED],
            failed=counts[Outcome.FAILED],
            lost=counts[Outcome.LOST],
            cancelled=0,
            attempts=0,
            losses=self._retried,
            deliveries=0,
            interrupted=0,
            late=0,
            duplicates=0,
            busy_seconds=self._tally.counters(now).classes[self._class].busy_seconds if self._taken else 0.0,
            age_seconds=now - self._began,
            idle_seconds=0.0,
            finished_seconds=0.0 if is_over else None,
            codes=dict(self._codes),
        )


class _Heard(Executor):
    """Runs tasks as another executor does, and says which ones it takes."""

    def __init__(self, executor: Executor, take: Callable[[Task], Task]) -> None:
        self._executor, self._take = executor, take
        self.workers = executor.workers

    def run(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """Run tasks."""
        return self._executor.run(map(self._take, tasks))
