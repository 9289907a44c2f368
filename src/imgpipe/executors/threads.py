"""ThreadsExecutor: several pictures at once in one process; Pillow and OpenCV let each other's threads run."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from imgpipe.errors import ExecutorError
from imgpipe.executors._window import in_completion_order
from imgpipe.executors.base import Executor
from imgpipe.memory import MemoryBudget
from imgpipe.work import run_task

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from imgpipe.task import Result, Task

TASKS_AHEAD = 2
"""Tasks in the window for each worker: one in work, one waiting, so that no worker waits for the caller."""


class ThreadsExecutor(Executor):
    """Runs tasks on `workers` threads; pictures in work share `max_memory_bytes`, estimated from their headers.

    A thread cannot be stopped: a picture that hangs in a decoder holds its thread until it ends.
    """

    name = "threads"

    def __init__(self, workers: int, max_memory_bytes: int) -> None:
        self.workers = workers
        self._budget = MemoryBudget(max_memory_bytes)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="imgpipe")

    def run(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """Run tasks on the threads."""
        return in_completion_order(self._submit, tasks, self.workers * TASKS_AHEAD)

    def close(self) -> None:
        """Wait for the pictures in work and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, task: Task) -> Future[Result]:
        try:
            return self._pool.submit(self._run, task)
        except RuntimeError as error:
            raise ExecutorError(f"the threads cannot take another task: {error}") from error

    def _run(self, task: Task) -> Result:
        return run_task(task, worker=threading.current_thread().name, reserve=self._budget.reserve)
