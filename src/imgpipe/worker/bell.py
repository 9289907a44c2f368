"""Bell: the thread that waits for new tasks, and tells the courier."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from imgpipe.errors import QueueUnavailable
from imgpipe.worker.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.queue.base import TaskQueue
    from imgpipe.worker.hands import Hands

_LONGEST_SECONDS = 2.0  # a bell that nobody heard costs no more than this
_PAUSE_SECONDS = 0.1
_REST_SECONDS = 0.005  # between two rings, so that a queue in which much happens is not asked all the time


class Bell:
    """Rings when the queue does, and every two seconds: a message that is lost must not be a task that is.

    It listens no longer than `seconds` at a time.
    """

    def __init__(self, open_queue: Callable[[], TaskQueue], hands: Hands, seconds: float) -> None:
        self._line, self._hands, self._seconds = Line(open_queue), hands, min(seconds, _LONGEST_SECONDS)
        self._ended = threading.Event()

    def run(self) -> None:
        """Ring until told to end."""
        with self._line:
            while not self._ended.is_set():
                pause_seconds = _REST_SECONDS if self._hands.is_registered else _PAUSE_SECONDS
                try:
                    if self._hands.is_registered:
                        self._line.queue().wait_for_work(self._hands.owner, self._seconds)
                except QueueUnavailable:
                    pause_seconds = random.uniform(_PAUSE_SECONDS, _LONGEST_SECONDS)  # noqa: S311 - only to be not all at once
                self._hands.ring()
                self._ended.wait(pause_seconds)

    def end(self) -> None:
        """Have it stop, after what it is waiting for."""
        self._ended.set()
