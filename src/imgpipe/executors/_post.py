"""Post: sends pictures through the queue and writes what comes back, where workers see none of our folders."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe.errors import FailureCode, PictureError
from imgpipe.pictures.staging import staged
from imgpipe.task import Failure, Outcome, Result

if TYPE_CHECKING:
    from imgpipe.executors._patience import Patience
    from imgpipe.queue.base import TaskQueue
    from imgpipe.task import Task

_MOST_BYTES_ON_THEIR_WAY = 64 << 20


class Post:
    """The files of one job. `limit_bytes` is for one picture; more than 64 MB are never on their way."""

    def __init__(self, queue: TaskQueue, patience: Patience, job: str, limit_bytes: int) -> None:
        self._queue, self._ask, self._job, self._limit_bytes = queue, patience.ask, job, limit_bytes
        self._on_their_way: dict[int, int] = {}

    def refusal(self, task: Task) -> Result | None:
        """Return the result of a picture that cannot be sent."""
        name = display_name(task.source)
        try:
            size = os.stat(task.source).st_size
        except OSError as error:
            return _failed(task, FailureCode.NOT_FOUND, f"cannot read {name}: {error.strerror}")
        if size <= self._limit_bytes:
            return None
        message = f"{name} has {size} bytes, and at most {self._limit_bytes} are sent through the queue"
        return _failed(task, FailureCode.TOO_LARGE, message, "raise --inline-limit, or share a folder")

    def send(self, index: int, task: Task) -> bool:
        """Send a picture; False if there is no room for it now. What cannot be read any more is found out there."""
        if index in self._on_their_way:
            return True
        if sum(self._on_their_way.values()) > _MOST_BYTES_ON_THEIR_WAY:
            return False
        try:
            with open(task.source, "rb") as file:
                data = file.read(self._limit_bytes + 1)
        except OSError:
            data = b""
        if not self._ask(lambda: self._queue.put_file(self._job, index, "source", data[: self._limit_bytes])):
            return False
        self._on_their_way[index] = len(data)
        return True

    def take(self, index: int, task: Task, result: Result) -> Result:
        """Write what has come back, and let the queue forget both files."""
        if result.outcome is Outcome.DONE:
            data = self._ask(lambda: self._queue.get_file(self._job, index, "target"))
            if data is not None:
                result = _written(task, data, result)
            elif not os.path.exists(task.target):
                message = "its result is not in the queue any more"
                result = _failed(task, FailureCode.READ_ERROR, message, "run the same command again")
        self._on_their_way.pop(index, None)
        self._ask(lambda: self._queue.drop_files(self._job, [index]))
        return result

    def forget(self, indexes: list[int]) -> None:
        """Send pictures again when they are handed over again: the queue may have lost them."""
        for index in indexes:
            self._on_their_way.pop(index, None)


def _written(task: Task, data: bytes, result: Result) -> Result:
    try:
        with staged(task.target, replace=task.replace, durable=task.durable) as output:
            with output.write_errors():
                output.file.write(data)
            size = output.publish(None)
    except PictureError as error:
        return _failed(task, error.code, error.message, error.remedy)
    return replace(result, bytes_out=size)


def _failed(task: Task, code: FailureCode, message: str, remedy: str = "") -> Result:
    return Result(task.id, task.source, task.target, Outcome.FAILED, failure=Failure(code, message, remedy))
