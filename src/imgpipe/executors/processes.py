"""ProcessesExecutor: several pictures at once, each in a child process of its own, which may crash or hang."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from imgpipe.children import ChildPool
from imgpipe.errors import BadOption
from imgpipe.executors.base import Executor

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from imgpipe.children.sandbox import Sandbox
    from imgpipe.task import Result, Task


class ProcessesExecutor(Executor):
    """Runs tasks in `workers` children; a task goes in, a result comes out, no pixels cross.

    A picture that kills its child costs nobody else anything: it is tried again alone, and given up as lost after three
    such deaths. One that takes longer than `timeout_seconds` is ended by force. Filters must live in modules that a
    child can import. Within a `sandbox`, children can read and write what it says, and nothing else.
    """

    name = "processes"

    def __init__(
        self,
        workers: int,
        max_memory_bytes: int,
        *,
        timeout_seconds: float | None = None,
        sandbox: Sandbox | None = None,
    ) -> None:
        self.workers = workers
        self._max_memory_bytes, self._timeout_seconds, self._sandbox = max_memory_bytes, timeout_seconds, sandbox
        self._pool: ChildPool | None = None

    def run(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """Run tasks in the children."""
        source = iter(tasks)
        ahead: deque[Task] = deque()
        trouble: Exception | None = None
        more = True
        pool = self._pool
        try:
            while more or ahead or (pool and pool.is_busy):
                while more and len(ahead) < self.workers:
                    try:
                        ahead.append(next(source))
                    except StopIteration:
                        more = False
                    except Exception as error:  # noqa: BLE001 - raised again below, after the results
                        more, trouble = False, error
                if ahead and pool is None:
                    pool = self._begin(ahead[0])
                if pool is None:
                    break
                _feed(pool, ahead)
                results = pool.wait()
                _feed(pool, ahead)  # before the caller has a look at the results: children must not wait for that
                yield from results
            if trouble is not None:
                raise trouble
        finally:
            if pool:
                pool.drain()

    def close(self) -> None:
        """End the children."""
        if self._pool:
            self._pool.close()
            self._pool = None

    def abort(self) -> None:
        """End the children at once, and remove what they had half-written."""
        if self._pool:
            self._pool.close(drop=True)
            self._pool = None

    def _begin(self, task: Task) -> ChildPool:
        """Start the children, warmed up for the pipeline of the first task."""
        pipeline = task.recipe.pipeline
        for name in pipeline.homebound:
            expected = f"threads: children cannot import {name} from the program itself; put it into a module"
            raise BadOption("executor", self.name, expected)
        self._pool = ChildPool(
            self.workers,
            self._max_memory_bytes,
            pipeline,
            timeout_seconds=self._timeout_seconds,
            sandbox=self._sandbox,
        )
        return self._pool


def _feed(pool: ChildPool, ahead: deque[Task]) -> None:
    while ahead and pool.has_room:
        pool.submit(ahead.popleft())
