"""Recovery: how long the tasks of a dead worker stay where they are, and how long until the last has a new owner."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgpipe.queue.values import TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import Claim

_TAKEN = frozenset({TaskState.DONE, TaskState.FAILED, TaskState.LOST, TaskState.CANCELLED})
_BACK = _TAKEN | {TaskState.PENDING}


@dataclass
class _Open:
    """A kill of which something is still missing: tasks that nobody else may have yet, and that nobody else has."""

    worker: str
    since: float
    held: deque[Claim]
    left: deque[Claim]


class Recoveries:
    """All kills, and what has become of the tasks that those workers held."""

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self._open: list[_Open] = []
        self.back_seconds: list[float] = []
        """From each kill until the last of its tasks could be claimed by others."""
        self.seconds: list[float] = []
        """From each kill until it was claimed, or settled."""
        self.held: list[int] = []

    def begin(self, worker: str, since: float, held: Sequence[Claim]) -> None:
        """Note a kill."""
        self.held.append(len(held))
        if held:
            self._open.append(_Open(worker, since, deque(held), deque(held)))

    def look(self) -> None:
        """See which tasks have been claimed anew, or have ended."""
        for one in self._open:
            if one.held and self._passes(one, one.held, _BACK):
                self.back_seconds.append(time.monotonic() - one.since)
            if not one.held and self._passes(one, one.left, _TAKEN):
                self.seconds.append(time.monotonic() - one.since)
        self._open = [one for one in self._open if one.left]

    @property
    def are_complete(self) -> bool:
        """Whether nothing is missing any more."""
        return not self._open

    def _passes(self, one: _Open, tasks: deque[Claim], states: frozenset[TaskState]) -> bool:
        """Drop the tasks that have come so far, in their order; return whether that are all."""
        while tasks:
            task = self._queue.task(tasks[0].job, tasks[0].index)
            if task.state not in states and not (task.state is TaskState.RUNNING and task.worker != one.worker):
                return False
            tasks.popleft()
        return True


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """Return count, median, 99th percentile and maximum."""
    ordered = sorted(seconds)
    if not ordered:
        return {"count": 0}
    last = len(ordered) - 1
    return {
        "count": len(ordered),
        "p50": round(ordered[last // 2], 3),
        "p99": round(ordered[min(-(-len(ordered) * 99 // 100), len(ordered)) - 1], 3),
        "max": round(ordered[-1], 3),
    }
