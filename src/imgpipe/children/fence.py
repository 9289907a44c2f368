"""Fence: until when children may publish; their parent moves it through memory that they share."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)  # a machine that has slept must notice


def fence_clock() -> float:
    """Return seconds on a clock that all processes of this machine share, and that goes on while it sleeps."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class Fence:
    """Says until when children may publish what. It travels to them as they start, and only then.

    `until` is on `fence_clock`, and infinite at first. Each task is given in a term; once another one has begun, those
    of the old one may not be published any more. Both are single words in memory that one process writes and others
    read: there is no lock, which a child that is stopped could hold for ever.
    """

    def __init__(self, context: BaseContext) -> None:
        self._until: Any = context.RawValue("d", math.inf)
        self._term: Any = context.RawValue("q", 0)

    @property
    def term(self) -> int:
        """The term in which tasks are given now."""
        return int(self._term.value)

    def move(self, until: float) -> None:
        """Let children publish until then."""
        self._until.value = until

    def begin_term(self) -> None:
        """Let nothing be published any more that was given before."""
        self._term.value += 1

    def is_open(self, term: int) -> bool:
        """Whether a task that was given in that term may be published now."""
        return bool(fence_clock() < self._until.value and term == self._term.value)
