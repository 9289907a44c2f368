"""Executor: what every way of running tasks promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import TracebackType

    from imgpipe.task import Result, Task


class Executor(ABC):
    """Decides where `run_task` is called; the task and its result are the same everywhere.

    The promise, tested on every implementation by `tests/contracts/executor_contract.py`:

    - `run` is lazy: it never takes more than its window of tasks beyond the results it has yielded.
    - Every task taken gives exactly one result, in order of completion.
    - A bad picture never raises; only the executor's own failure does, as `ExecutorError`.
    - An error raised by the iterator of tasks reaches the caller after the pictures in work are finished.
    - Closing the iterator of results drops what has not started and waits for what has.
    - After `close`, no thread and no child process is left.
    """

    name: ClassVar[str]
    workers: int = 1

    @abstractmethod
    def run(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """Run tasks and yield their results. May be called again when the iterator is exhausted or closed."""

    def expect(self, count: int) -> None:  # noqa: B027 - most have nobody to tell
        """Hear how many tasks the run will have in all, as far as is known. It is for those who watch."""

    def close(self) -> None:  # noqa: B027 - not every executor has something to release
        """Release all threads and processes."""

    def abort(self) -> None:  # noqa: B027 - threads cannot be stopped, they end with their process
        """Drop what is in work, as far as that can be done, and leave nothing half-written. Only the end follows."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
