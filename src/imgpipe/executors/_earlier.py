"""Earlier: what a job of the same name that is over has done, asked while it is there, remembered when it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.queue.values import TaskState

if TYPE_CHECKING:
    from imgpipe.executors._patience import Patience
    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import JobStatus


class Earlier:
    """A job that is over, of whose results some were not kept."""

    def __init__(self, queue: TaskQueue, patience: Patience, job: JobStatus) -> None:
        self._queue, self._ask, self._job = queue, patience.ask, job
        self._remembered: set[int] | None = None

    def has_done(self, index: int) -> bool:
        """Whether it has done a task. What it has failed at is tried again, and is not told here."""
        if self._remembered is not None:
            return index in self._remembered
        if index >= self._job.next:
            return False
        return self._ask(lambda: self._queue.task(self._job.id, index)).state is TaskState.DONE

    def part(self, start: int, *, ask: bool) -> None:
        """It is about to be replaced: remember all about the tasks from `start`, which takes a question for each."""
        if self._remembered is None:
            self._remembered = {index for index in range(start, self._job.next) if ask and self.has_done(index)}
