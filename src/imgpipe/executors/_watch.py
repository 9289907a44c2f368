"""Watch: looks at a job for its submitter: says why nothing comes, and when there is no point in waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.errors import ExecutorError
from imgpipe.queue.explain import was_stopped_by_breaker, why_waiting
from imgpipe.queue.values import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.executors._patience import Patience
    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import JobStatus


class Watch:
    """Says through `say` what the user has to know, each thing once."""

    def __init__(self, queue: TaskQueue, patience: Patience, say: Callable[[str], None]) -> None:
        self._queue, self._ask, self._say = queue, patience.ask, say
        self._said = ""

    def check(self, status: JobStatus) -> None:
        """Raise `ExecutorError` for a job that was cancelled, and one that is paused because most of it failed."""
        name, why = status.id, f": {status.why}" if status.why else ""
        if status.state in (JobState.CANCELLING, JobState.CANCELLED):
            raise ExecutorError(f"job {name} was cancelled{why}")
        if was_stopped_by_breaker(status):
            commands = f"`imgpipe jobs errors {name}` shows them, `imgpipe jobs resume {name}` goes on all the same"
            raise ExecutorError(f"job {name} is paused{why}; {commands}")
        if status.state is JobState.PAUSED:
            self.tell(f"job {name} is paused{why}; `imgpipe jobs resume {name}` goes on")

    def explain(self, status: JobStatus, *, is_full: bool) -> None:
        """Say why nothing comes, if that is not because everybody is at work."""
        if is_full:
            self.tell("the queue has no room for more at the moment")
        elif status.pending and not status.running and status.state is JobState.RUNNING:
            classes, workers = self._ask(self._queue.classes), self._ask(self._queue.workers)
            self.tell(why_waiting(status, classes, workers))

    def tell(self, text: str) -> None:
        """Say something once, however often its numbers change."""
        kind = text.partition(":")[2] or text
        if text and kind != self._said:
            self._say(text)
        self._said = kind
