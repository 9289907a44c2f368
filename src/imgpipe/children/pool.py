"""ChildPool: keeps children at work, replaces the dead, kills the hung, and finds out whose fault it was."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from dataclasses import replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from imgpipe.children.blame import Death, verdict
from imgpipe.children.messages import Begun, Finished, Go, Ready, Unfit, heard
from imgpipe.children.process import Child, Job
from imgpipe.display import display_name
from imgpipe.errors import ExecutorError, FailureCode
from imgpipe.machine import rss_bytes_of
from imgpipe.pictures.staging import sweep
from imgpipe.task import Failure, Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from imgpipe.children.fence import Fence
    from imgpipe.children.sandbox import Sandbox
    from imgpipe.pipeline import Pipeline
    from imgpipe.task import Task

_WATCH_SECONDS = 0.1  # how often children are looked at, for their time and their memory
_GROWTH_BYTES = 512 << 20  # a child that kept so much more than it began with is replaced
_MOST_FAILED_STARTS = 3


class ChildPool:
    """Supervised children. It lives in one thread; `wait` does all the work.

    A picture whose child died is tried again alone: in a fresh child, while nothing else is in work. Memory is counted
    against `budget_bytes`: a child takes its share unasked; more is granted when the others leave room for it, or when
    there are no others.
    """

    def __init__(
        self,
        count: int,
        budget_bytes: int,
        pipeline: Pipeline,
        *,
        timeout_seconds: float | None = None,
        sandbox: Sandbox | None = None,
        fence: Fence | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count, self._budget_bytes, self._pipeline = count, budget_bytes, pipeline
        self._share_bytes = max(budget_bytes // count, 1)
        self._timeout_seconds, self._sandbox, self._fence, self._clock = timeout_seconds, sandbox, fence, clock
        self._children: list[Child] = []
        self._suspects: deque[Job] = deque()
        self._askers: deque[Child] = deque()
        self._started = self._failed_starts = 0
        self._watched_at = float("-inf")

    @property
    def is_busy(self) -> bool:
        """Whether a task has no result yet."""
        return bool(self._suspects) or any(child.job for child in self._children)

    @property
    def has_room(self) -> bool:
        """Whether a task can be given to a child now."""
        return self.room > 0

    @property
    def room(self) -> int:
        """How many tasks can be given to children now."""
        alone = self._suspects or any(child.job and child.job.is_suspect for child in self._children)
        return 0 if alone or self._askers else sum(child.is_free for child in self._children)

    @property
    def pids(self) -> list[int]:
        """The numbers of the children's processes."""
        return [child.process.pid for child in self._children if child.process.pid]

    def submit(self, task: Task) -> None:
        """Give a task to a child. Call it only when there is room."""
        self.submit_job(Job.of(task))

    def submit_job(self, job: Job) -> None:
        """Do the same with a task about which more is known; if it is to run alone, it waits until it can."""
        if job.alone:
            self._suspects.append(job)
        else:
            self._give(next(child for child in self._children if child.is_free), job)

    def wait(self, wake: socket | None = None) -> list[Result]:
        """Wait until something happens, a tenth of a second at most, and return the results that came of it.

        It also returns when there is something to read from `wake`. Raises `ExecutorError` if children cannot be
        started.
        """
        self._start_missing()
        self._try_suspect()
        self._grant()
        results: list[Result] = []
        of_pipe: dict[Any, Child] = {child.pipe: child for child in self._children}
        for ready in wait([*of_pipe, *([wake] if wake else [])], timeout=_WATCH_SECONDS):
            if ready is not wake:
                results.extend(self._hear(of_pipe[ready]))
        self._watch()
        return results

    def close(self, *, drop: bool = False) -> None:
        """End all children: when they have finished, or, to `drop` what they do, at once, with nothing left of it."""
        self._suspects.clear()
        self._askers.clear()
        children, self._children = self._children, []
        for child in children:
            if drop or child.asks or not child.ready:
                child.process.kill()
            else:
                child.dismiss()
        for child in children:
            if not drop and child.job and not child.asks:
                child.process.join()
            child.reap()
            if child.job:
                _sweep_after(child.job)

    def drain(self) -> None:
        """Wait for what is in work and forget its results; what waits for another try is dropped."""
        while any(child.job for child in self._children):
            self._suspects.clear()
            self.wait()
        self._suspects.clear()

    def _start_missing(self) -> None:
        while len(self._children) < self._count:
            self._started += 1
            name = f"child-{self._started}"
            self._children.append(Child.start(name, self._share_bytes, self._pipeline, self._sandbox, self._fence))

    def _try_suspect(self) -> None:
        """Give a picture that a child has died of to a fresh one, once nothing else is in work."""
        if not self._suspects or any(child.job for child in self._children):
            return
        fresh = next((child for child in self._children if child.is_free and not child.served), None)
        if fresh is not None:
            self._give(fresh, self._suspects.popleft())
        elif all(child.is_free for child in self._children):
            self._retire(self._children[0])

    def _give(self, child: Child, job: Job) -> None:
        child.give(job, self._clock(), self._fence.term if self._fence else 0)

    def _grant(self) -> None:
        """Let the child that asked first decode, if the memory is there, or nobody else needs any."""
        while self._askers:
            asker = self._askers[0]
            held = sum(self._held_bytes(child) for child in self._children if child.job and not child.asks)
            assert asker.begun is not None  # it asked by that
            if held and held + asker.begun.needed_bytes > self._budget_bytes:
                return
            self._askers.popleft()
            asker.asks, asker.since = False, self._clock()
            with contextlib.suppress(OSError):
                asker.pipe.send(Go())

    def _held_bytes(self, child: Child) -> int:
        return max(self._share_bytes, child.begun.needed_bytes if child.begun else 0)

    def _hear(self, child: Child) -> list[Result]:
        try:
            message = heard(child.pipe.recv_bytes())
        except (EOFError, OSError):
            return self._bury(child)
        except Exception as error:  # noqa: BLE001 - bytes of somebody who has taken it over may raise anything
            child.strange = str(error)
            child.process.kill()
            return self._bury(child)
        if isinstance(message, Ready):
            child.ready, child.base_bytes = True, message.rss_bytes
            self._failed_starts = 0
        elif isinstance(message, Begun):
            child.begun, child.asks = message, message.asks
            if message.asks:
                self._askers.append(child)
        elif isinstance(message, Unfit):
            raise ExecutorError(f"a child process cannot work: {message.reason}")
        elif isinstance(message, Finished):
            assert child.job is not None  # only a child with a picture finishes one
            task, attempt = child.job.task, len(child.job.deaths) + 1
            child.job = None
            if message.rss_bytes > child.base_bytes + _GROWTH_BYTES:
                self._retire(child)
            result = replace(message.result, task_id=task.id, source=task.source, target=task.target, attempt=attempt)
            return [result]
        return []

    def _bury(self, child: Child) -> list[Result]:
        """A child is dead: replace it, and decide what becomes of its picture."""
        exit_code = child.reap()
        self._children.remove(child)
        if child.asks:
            self._askers.remove(child)
        if not child.ready:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                raise ExecutorError(f"child processes end before they begin (exit code {exit_code})")
        if child.job is None:
            return []
        job = child.job
        _sweep_after(job)
        if job.was_published:
            task = job.task
            return [Result(task.id, task.source, task.target, Outcome.DONE, worker=child.process.name)]
        if child.timed_out:
            message = f"it took longer than {self._limit_seconds(job):g} s"
            failure = Failure(FailureCode.TIMEOUT, message, "raise --timeout, or leave it out", "filter")
            return [_lost(job, child, failure, Outcome.FAILED)]
        if child.strange:
            message = f"its process was taken over, or is broken: {display_name(child.strange, width=200)}"
            failure = Failure(FailureCode.CRASHED, message, "look at the picture: it may be hostile", "decode")
            return [_lost(job, child, failure, Outcome.LOST)]
        needed = child.begun.needed_bytes if child.begun else 0
        picture = child.begun.picture if child.begun else ""
        job.deaths.append(Death(exit_code, child.peak_bytes, child.base_bytes, needed, picture))
        given_up = verdict(job.deaths)
        if given_up is not None:
            return [_lost(job, child, given_up, Outcome.LOST)]
        job.task = replace(job.task, once=True)  # it may be published already, and nobody lived to say so
        self._suspects.append(job)
        return []

    def _retire(self, child: Child) -> None:
        self._children.remove(child)
        child.dismiss()
        child.reap()

    def _watch(self) -> None:
        """Look at the children that have a picture: how much memory they use, and how long they take."""
        now = self._clock()
        if now - self._watched_at < _WATCH_SECONDS / 2:  # small pictures end so often that looking would cost more
            return
        self._watched_at = now
        for child in self._children:
            if child.job is None or child.asks:
                continue
            child.peak_bytes = max(child.peak_bytes, rss_bytes_of(child.process.pid))
            limit_seconds = self._limit_seconds(child.job)
            if limit_seconds is not None and now - child.since > limit_seconds:
                child.timed_out = True
                child.process.kill()

    def _limit_seconds(self, job: Job) -> float | None:
        return self._timeout_seconds if job.timeout_seconds is None else job.timeout_seconds


def _lost(job: Job, child: Child, failure: Failure, outcome: Outcome) -> Result:
    task = job.task
    attempt = max(len(job.deaths), 1)
    return Result(
        task.id, task.source, task.target, outcome, failure=failure, worker=child.process.name, attempt=attempt
    )


def _sweep_after(job: Job) -> None:
    """Remove what a dead child had written half of."""
    sweep(os.path.dirname(job.task.target) or os.curdir)
