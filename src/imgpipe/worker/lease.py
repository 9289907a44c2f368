"""Lease: until when the worker may believe that its tasks are its own, by its own clock and on the safe side."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from imgpipe.children.fence import fence_clock

if TYPE_CHECKING:
    from imgpipe.children.fence import Fence

_MARGIN_SECONDS = 2.0
_MARGIN_SHARE = 0.15


class Lease:
    """The end of the lease. The queue counts from when it hears of us; we count from when we called, which is earlier.

    Children look at the `fence` before they publish: whoever was paused beyond the end must not, because somebody else
    may have done it.
    """

    def __init__(self, seconds: float, fence: Fence) -> None:
        self._seconds, self._fence = seconds, fence
        self._margin_seconds = min(_MARGIN_SECONDS, _MARGIN_SHARE * seconds)
        self._end = -math.inf
        self._lock = threading.Lock()
        fence.move(-math.inf)

    def renew(self, called: float) -> None:
        """Note that the queue has answered a call that was made at `called`, on `fence_clock`."""
        with self._lock:
            self._end = max(self._end, called + self._seconds)
            self._fence.move(self._end)

    def begin(self, called: float) -> None:
        """Note that a call has begun a new lease. If the old one had ended, others have what we had by now."""
        with self._lock:
            if fence_clock() >= self._end:
                self._fence.begin_term()
        self.renew(called)

    @property
    def may_start(self) -> bool:
        """Whether there is time enough to begin something."""
        return fence_clock() < self._end - self._margin_seconds
