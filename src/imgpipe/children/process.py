"""Process: starts one child process and knows what it is doing; the pool decides what it does next."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import sys
import threading
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgpipe.children.child import serve
from imgpipe.children.fence import Fence
from imgpipe.errors import ExecutorError
from imgpipe.pictures.staging import in_place, size_and_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from imgpipe.children.blame import Death
    from imgpipe.children.messages import Begun
    from imgpipe.children.sandbox import Sandbox
    from imgpipe.pipeline import Pipeline
    from imgpipe.task import Task

_JOIN_SECONDS = 5.0
_starting = threading.Lock()  # for what all threads share while a child is started


@dataclass(slots=True)
class Job:
    """A task, and the deaths of children that had it.

    `before` is what its file was like where the picture is to be replaced by its result: a child may have done that
    and died before it could say so, and no picture may be processed twice. `timeout_seconds` is its own limit, None for
    that of the pool. It runs `alone` if that is asked for, and if a child has died of it.
    """

    task: Task
    before: tuple[int, int] | None = None
    timeout_seconds: float | None = None
    alone: bool = False
    deaths: list[Death] = field(default_factory=list)

    @classmethod
    def of(cls, task: Task) -> Job:
        """Make a job of a task."""
        return cls(task, size_and_time(task.source) if in_place(task.source, task.target) else None)

    @property
    def is_suspect(self) -> bool:
        """Whether nothing else may run beside it."""
        return self.alone or bool(self.deaths)

    @property
    def was_published(self) -> bool:
        """Whether a picture has been replaced by its result."""
        return self.before is not None and size_and_time(self.task.source) != self.before


@dataclass(slots=True)
class Child:
    """A child process.

    `job` is the picture that it has, `since` when it was given; `begun` what it has said of it; `asks` that it waits
    for memory. `served` counts the pictures that it has had; `strange` is what it has said that no child says.
    """

    process: BaseProcess
    pipe: Connection
    ready: bool = False
    job: Job | None = None
    since: float = 0.0
    begun: Begun | None = None
    asks: bool = False
    served: int = 0
    base_bytes: int = 0
    peak_bytes: int = 0
    timed_out: bool = False
    strange: str = ""

    @classmethod
    def start(
        cls, name: str, share_bytes: int, pipeline: Pipeline, sandbox: Sandbox | None, fence: Fence | None
    ) -> Child:
        """Start a child that may take `share_bytes` for a picture without asking, warmed up for a pipeline."""
        context = _context()
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve, args=(theirs, name, share_bytes, sandbox, fence), name=name, daemon=True
        )
        try:
            with _no_main():
                process.start()
        except (ConnectionError, EOFError) as error:  # somebody has ended the forkserver, with all of our group
            raise ExecutorError("child processes cannot be started any more: who starts them has been ended") from error
        theirs.close()  # or we would not notice when the child's own end is gone
        with contextlib.suppress(OSError):
            ours.send(pipeline)
        return cls(process, ours)

    @property
    def is_free(self) -> bool:
        """Whether it can be given a picture."""
        return self.ready and self.job is None

    def give(self, job: Job, now: float, term: int) -> None:
        """Hand over a picture, in a term of the fence."""
        self.job, self.since, self.begun, self.peak_bytes = job, now, None, self.base_bytes
        self.served += 1
        with contextlib.suppress(OSError):  # if it has just died, its end of the pipe says so
            self.pipe.send((job.task, term))

    def dismiss(self) -> None:
        """Tell it to end when it has finished."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)

    def reap(self) -> int | None:
        """Wait for the end of a process that is ending; return its exit code, negative for a signal."""
        self.process.join(_JOIN_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        return self.process.exitcode


def make_fence() -> Fence:
    """Make a fence for children that are still to be started."""
    return Fence(_context())


def start_method() -> str:
    """Return how children are started on this system."""
    return str(_context().get_start_method())


def _context() -> Any:
    """Never fork: threads and native libraries do not survive it. A forkserver starts children faster than spawn."""
    if "forkserver" not in mp.get_all_start_methods():
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["imgpipe.children.child"])
    return context


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Keep children from importing the program that uses imgpipe, which need not be made for that."""
    with _starting:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
