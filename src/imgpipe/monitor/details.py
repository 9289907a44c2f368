"""Details: which picture a task is, and an example of each failure: asked for seldom, one at a time, and remembered."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadPayload
from imgpipe.pipeline import Pipeline
from imgpipe.queue.payload import JobPayload, decode_result, decode_task
from imgpipe.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgpipe.monitor.reading import Watched
    from imgpipe.queue.values import JobStatus, TaskStatus

_MOST_REMEMBERED = 1000
_FAILURES_AT_ONCE = 20
ANYWHERE = JobPayload(recipe=Recipe(Pipeline()), source_root=os.sep, target_root=os.sep)
"""Paths are relative to the job's folders; where those are does not matter for a name."""


@dataclass(frozen=True, slots=True)
class Example:
    """One failure of a code: which picture, and what can be done about it."""

    picture: str
    hint: str


class Details:
    """Remembers what it was told; `look` asks the queue for `most_tasks` and one job's failures at most."""

    def __init__(self, queue: Watched, most_tasks: int = 1) -> None:
        self._queue, self._most_tasks = queue, most_tasks
        self._pictures: OrderedDict[str, str] = OrderedDict()
        self._examples: OrderedDict[str, Example] = OrderedDict()
        self._asked: OrderedDict[str, frozenset[str]] = OrderedDict()

    def look(self, tasks: Iterable[str], jobs: Sequence[JobStatus]) -> None:
        """Ask for these tasks, and for failures of one of these jobs, if there is something new to know."""
        for unknown in islice((task for task in tasks if task not in self._pictures), self._most_tasks):
            job, _, index = unknown.rpartition(":")
            status = self._queue.task(job, int(index)) if index.isdecimal() else None
            _remember(self._pictures, unknown, picture_of(status.payload) if status else "")
        for job_status in jobs:
            codes = frozenset(job_status.codes)
            if codes - self._examples.keys() and self._asked.get(job_status.id) != codes:
                _remember(self._asked, job_status.id, codes)
                for failure in self._queue.failures(job_status.id, _FAILURES_AT_ONCE):
                    if failure.code not in self._examples:
                        _remember(self._examples, failure.code, _example_of(failure))
                break

    def picture(self, task: str) -> str | None:
        """Return the path of a task's picture, None if it is not known."""
        return self._pictures.get(task) or None

    def example(self, code: str) -> Example | None:
        """Return a failure with this code."""
        return self._examples.get(code)


def picture_of(payload: bytes) -> str:
    """Return the path in a task's payload, relative to its job's folder; "" if it cannot be read."""
    try:
        return decode_task(payload, ANYWHERE, "")[0].source[len(os.sep) :]
    except BadPayload:
        return ""


def _example_of(failure: TaskStatus) -> Example:
    picture = picture_of(failure.payload) or f"{failure.job}:{failure.index}"
    try:
        result = decode_result(failure.result, ANYWHERE)
    except BadPayload:  # a lost task has none, for nobody was left to write it
        return Example(picture, "")
    return Example(picture, result.failure.remedy if result.failure else "")


def _remember(memory: OrderedDict[str, Any], key: str, value: Any) -> None:
    memory[key] = value
    while len(memory) > _MOST_REMEMBERED:
        memory.popitem(last=False)
