"""QueuedExecutor: hands tasks to a queue, for workers on this machine and others, and yields what they send back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imgpipe.errors import BadOption, ExecutorError, ImgpipeError
from imgpipe.executors._handover import Handover
from imgpipe.executors._patience import Patience, pause
from imgpipe.executors._post import Post
from imgpipe.executors.base import Executor
from imgpipe.queue.payload import JobPayload, needs_of_recipe
from imgpipe.queue.values import MOST_FILE_BYTES, MOST_ITEMS, JobSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.payload import Transport
    from imgpipe.queue.values import Routing
    from imgpipe.task import Result, Task

_TAKE_SECONDS = 0.2  # how long tasks may be collected before they are handed over
_HURRY_SECONDS = 0.02  # the same while nothing is on its way, and workers may be waiting
_LONGEST_SILENCE = 30.0
_FAREWELL_SECONDS = 3.0  # how long a queue may be away when the run ends
_FULL_SECONDS = 0.2
_CANCELLED = "by its submitter"


def keep_silent(text: str) -> None:
    """Where nobody is there to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedOptions:
    """How tasks are handed over.

    - `key`: what tells this run from others with the same recipe and folders. A run with the key of an earlier one
      takes up its job: nothing is done twice, and no result is lost. By default each run has a job of its own.
    - `source_root`, `target_root`: the folders in which all sources and targets lie.
    - `needs`: labels that workers must have, beyond those that the filters ask for.
    - `timeout_seconds`: for one picture; the workers see to it.
    - `transport`: `files` for workers that see the same folders, `inline` for those that do not: pictures of at most
      `inline_bytes` go through the queue, and come back by it.
    - `window`: tasks that may be on their way at the same time.
    - `wait`: whether the run waits for results. Without it, it ends when everything is handed over.
    - `on_close`: what happens to the job when its results are not wanted any more: `detach` lets the workers finish
      what they were given, `cancel` drops what has not begun, `keep` leaves the job open for whoever takes it up.
    - `start_seconds`, `wait_seconds`: how long the queue may be away, at the start and later; 0 is for ever.
    - `silence_seconds`: when to ask after tasks of which nothing is heard; it doubles each time.
    """

    key: str | None = None
    source_root: str = os.path.abspath(os.sep)
    target_root: str = os.path.abspath(os.sep)
    needs: frozenset[str] = frozenset()
    routing: Routing = "labels"
    timeout_seconds: float | None = None
    transport: Transport = "files"
    inline_bytes: int = 8 << 20
    window: int = 2000
    wait: bool = True
    on_close: Literal["detach", "cancel", "keep"] = "detach"
    start_seconds: float = 10.0
    wait_seconds: float = 0.0
    silence_seconds: float = 2.0

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        if self.window < 1:
            raise BadOption("window", self.window, "a whole number above 0")
        if not 0 < self.inline_bytes <= MOST_FILE_BYTES:
            raise BadOption("inline-limit", self.inline_bytes, f"bytes, from 1 to {MOST_FILE_BYTES}")
        if self.transport == "inline" and not self.wait:
            raise BadOption(
                "transport", "inline", "files for a job that nobody waits for: who would write the results?"
            )
        if self.timeout_seconds is not None and self.timeout_seconds <= 0:
            raise BadOption("timeout", self.timeout_seconds, "seconds above 0")


class QueuedExecutor(Executor):
    """Runs tasks wherever this queue has workers.

    The tasks of one `run` have one recipe and become one job. Results come in the order of completion; the queue
    forgets one only after the next was asked for, so that a program that dies loses none. `say` is told, in words for
    the user, what is being waited for. `workers` is how many pictures may be in work at once, as far as is known.
    `owned` lets `close` close the queue.
    """

    name = "redis"

    def __init__(
        self,
        queue: TaskQueue,
        options: QueuedOptions | None = None,
        *,
        workers: int = 1,
        say: Callable[[str], None] = keep_silent,
        owned: bool = False,
    ) -> None:
        self.workers = workers
        self._queue, self._options, self._say, self._owned = queue, options or QueuedOptions(), say, owned
        self._patience = Patience(say, self._options.start_seconds)
        self._job: Handover | None = None
        self._batch = 1
        self._expected: int | None = None
        self._taken_count = 0

    @property
    def job(self) -> str:
        """The id of the job, "" before the first task."""
        return "" if self._job is None else self._job.id

    @property
    def on_their_way(self) -> int:
        """How many tasks have been taken and have no result yet."""
        return 0 if self._job is None else len(self._job)

    def run(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """Hand tasks over and yield their results."""
        source = iter(tasks)
        first = next(source, None)
        if first is None:
            return
        feed = _alike(first, source)
        job = self._job = self._open(first)
        self._batch, self._taken_count = 1, 0
        silence = _Silence(self._options.silence_seconds)
        trouble: Exception | None = None
        more = True
        try:
            while (more or self._is_awaited(job)) and not self._patience.leaving:
                self.tend()
                job.forget()
                if more and self._has_room(job):
                    known, more, trouble = self._taken(feed, job)
                    yield from known
                job.send(last=not more, more=self._still_to_come())
                if self._options.wait:
                    yield from _news(job, silence, may_wait=not (more and self._has_room(job)))
                elif not job.is_clear:
                    job.watch()
                    pause(_FULL_SECONDS)
            if trouble is not None:
                raise trouble
        finally:
            self._expected = None
            self._end(job)

    def tend(self) -> None:
        """Look after what is needed for the work, again and again while it goes on."""

    def expect(self, count: int) -> None:
        """Tell the queue with what is handed over next, until the run ends."""
        self._expected = count

    def detach(self) -> None:
        """Let the workers finish what they were given, without us."""
        if self._job is not None:
            self._job.seal()

    def cancel(self) -> None:
        """Drop what has not begun, and wait for what has."""
        if self._job is not None:
            self._job.cancel(_CANCELLED)

    def leave(self) -> None:
        """End the run soon, whatever is on its way. For other threads, and for signals."""
        self._patience.leaving = True

    def abort(self) -> None:
        """Cancel the job, and wait for nothing."""
        self.leave()
        if self._job is not None:
            with contextlib.suppress(ImgpipeError):
                self._queue.control(self._job.id, "cancel", _CANCELLED)

    def close(self) -> None:
        """Close the queue, if it is ours."""
        if self._owned:
            self._queue.close()

    def _open(self, first: Task) -> Handover:
        """Take up the job of the first task."""
        options = self._options
        payload = JobPayload(
            recipe=first.recipe,
            source_root=options.source_root,
            target_root=options.target_root,
            durable=first.durable,
            timeout_seconds=options.timeout_seconds,
            transport=options.transport,
        )
        needs = needs_of_recipe(first.recipe) | options.needs
        data = payload.encode()
        key = secrets.token_hex(16) if options.key is None else options.key
        parts = [first.recipe.fingerprint, data.decode(), sorted(needs), options.routing, key]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        spec = JobSpec(id=digest, needs=needs, routing=options.routing, spec=data)
        post = (
            Post(self._queue, self._patience, digest, options.inline_bytes) if options.transport == "inline" else None
        )
        job = Handover(self._queue, self._patience, spec, payload, self._say, keep=options.wait, post=post)
        self._patience.seconds = options.start_seconds
        job.open()
        self._patience.seconds = options.wait_seconds
        return job

    def _still_to_come(self) -> int | None:
        return None if self._expected is None else max(self._expected - self._taken_count, 0)

    def _is_awaited(self, job: Handover) -> bool:
        return len(job) > 0 if self._options.wait else not job.is_clear

    def _has_room(self, job: Handover) -> bool:
        return job.is_clear and len(job) < self._options.window

    def _taken(self, feed: Iterator[Task], job: Handover) -> tuple[list[Result], bool, Exception | None]:
        """Take twice as many tasks as the last time, so that the first goes out at once and many go out together.

        Return the results that are known, whether there may be more tasks, and what went wrong with their source.
        """
        known: list[Result] = []
        most = min(self._batch, self._options.window - len(job))
        self._batch = min(2 * self._batch, MOST_ITEMS)
        deadline = time.monotonic() + (_TAKE_SECONDS if len(job) else _HURRY_SECONDS)
        for _ in range(most):
            try:
                task = next(feed)
            except StopIteration:
                return known, False, None
            except Exception as error:  # noqa: BLE001 - raised by the caller, after the results
                return known, False, error
            self._taken_count += 1
            result = job.add(task)
            if result is not None:
                known.append(result)
            if time.monotonic() > deadline or self._patience.leaving:
                break
        return known, True, None

    def _end(self, job: Handover) -> None:
        """Settle with the queue; an error that is on its way already must not be hidden by another one."""
        self._patience.seconds = _FAREWELL_SECONDS
        try:
            if job.is_settled:
                job.forget(everything=True)
            elif self._options.on_close == "cancel":
                job.cancel(_CANCELLED)
            elif self._options.on_close == "detach":
                job.seal()
        except ImgpipeError as error:
            self._say(f"job {job.id} could not be told that its results are not wanted any more: {error}")


class _Silence:
    """When to ask why nothing comes."""

    def __init__(self, seconds: float) -> None:
        self._first = seconds
        self.ends()

    @property
    def seconds_left(self) -> float:
        """How long nothing may come until it is time to ask."""
        return max(self._due - time.monotonic(), 0.0)

    def ends(self) -> None:
        """Something has come."""
        self._seconds = self._first
        self._due = time.monotonic() + self._seconds

    def goes_on(self) -> None:
        """We have asked."""
        self._seconds = min(2 * self._seconds, _LONGEST_SILENCE)
        self._due = time.monotonic() + self._seconds


def _news(job: Handover, silence: _Silence, *, may_wait: bool) -> list[Result]:
    """Return results that have come; where there are none, ask why, or wait for some."""
    results = job.receive() or job.given_up()
    if results:
        silence.ends()
    elif job.has_doubts or not silence.seconds_left:
        silence.goes_on()
        job.look()
    elif may_wait:
        job.wait(silence.seconds_left)
    return results


def _alike(first: Task, others: Iterator[Task]) -> Iterator[Task]:
    """Give all tasks. Raises `ExecutorError` for one that cannot be in the same job as the first."""
    yield first
    for task in others:
        if (task.recipe is not first.recipe and task.recipe != first.recipe) or task.durable != first.durable:
            raise ExecutorError(
                "all tasks of one run on a queue must have the same recipe: run them one after the other"
            )
        yield task
