"""SequentialExecutor: one picture after the other in the caller's thread; a breakpoint in a filter works as ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.executors.base import Executor
from imgpipe.work import run_task

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from imgpipe.task import Result, Task


class SequentialExecutor(Executor):
    """Runs each task when its result is asked for."""

    name = "sequential"

    def run(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """Run tasks one by one."""
        for task in tasks:
            yield run_task(task, worker="main")
