"""Line: the connection of one thread to the queue, opened when it is first needed: the queue may be away by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.queue.base import TaskQueue


class Line:
    """Belongs to one thread, so that nobody waits for the answer to another. Use it in a `with` block."""

    def __init__(self, open_queue: Callable[[], TaskQueue]) -> None:
        self._open_queue = open_queue
        self._queue: TaskQueue | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._queue is not None:
            self._queue.close()

    def queue(self) -> TaskQueue:
        """Return the queue. Raises `QueueUnavailable` as long as it cannot be opened, and `QueueRefused`."""
        if self._queue is None:
            self._queue = self._open_queue()
        return self._queue
