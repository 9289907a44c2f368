"""Patience: asks a queue until it answers, and tells the user once when it does not, and once when it does again."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from imgpipe.errors import QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 5.0
_NEVER = threading.Event()


def pause(seconds: float) -> None:
    """Let time pass where nothing tells of the event that is waited for."""
    _NEVER.wait(seconds)


class Patience:
    """Calls until a call succeeds. `seconds` is how long the queue may be away, 0 for ever; `leaving` ends it at once.

    A connection that was lost and is there again at the next try is nobody's business.
    """

    def __init__(self, say: Callable[[str], None], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self.leaving = seconds, False
        self._say, self._clock = say, clock

    def ask(self, call: Callable[[], T]) -> T:
        """Return what `call` returns. Raises `QueueUnavailable` when patience has come to its end."""
        since, tries = 0.0, 0
        while True:
            try:
                answer = call()
            except QueueUnavailable as error:
                tries += 1
                since = since or self._clock()
                if tries == 2:
                    self._say(f"waiting for the queue: {error}")
                if self.leaving or 0 < self.seconds <= self._clock() - since:
                    raise
                # Somewhere below the limit: a thousand clients must not knock at the same moment.
                limit = min(_FIRST_SECONDS * 2**tries, _LONGEST_SECONDS)
                pause(random.uniform(_FIRST_SECONDS / 2, limit))  # noqa: S311 - no secret
            else:
                if tries > 1:
                    self._say("the queue is back")
                return answer
