"""App: what all requests to one server share, and the form of a view, which is given it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from imgpipe.web.broker import Broker
from imgpipe.web.files import Digests
from imgpipe.web.problems import Refused, busy
from imgpipe.web.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.web.http import Request, Response
    from imgpipe.web.settings import WebSettings

MOST_STREAMS = 16

_MOST_TASKS = 10_000
_PATIENCE_SECONDS = 60.0

View: TypeAlias = "Callable[[Request, App], Response | Later]"
"""What answers a request, now or later."""


@dataclass(frozen=True, slots=True)
class Later:
    """Instead of an answer: call `view` in so many seconds. Meanwhile the request keeps no thread."""

    seconds: float
    view: View = field(repr=False)


class App:
    """One server's state.

    `draining` is set when it takes no more requests, and nobody is to be kept waiting any longer; `stopping` when
    batches in work have to come to their end. `streams` are those that may be open at once.
    """

    def __init__(self, settings: WebSettings, broker: Broker | None = None) -> None:
        self.settings, self.broker = settings, broker or Broker()
        self.stopping, self.draining = threading.Event(), threading.Event()
        self.streams = threading.BoundedSemaphore(MOST_STREAMS)
        self.digests, self.uploads = Digests(), Uploads(settings.picture_seconds)
        self._started = time.monotonic()
        self._statuses: Counter[int] = Counter()
        self._tasks: dict[str, None] = {}
        self._in_making: set[str] = set()
        self._lock, self._turn, self._comparing = threading.Lock(), threading.Lock(), threading.Lock()

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def count(self, status: int) -> None:
        """Count an answer."""
        with self._lock:
            self._statuses[status] += 1

    def counted(self) -> dict[int, int]:
        """Return how often each status was answered."""
        with self._lock:
            return dict(sorted(self._statuses.items()))

    def remember(self, task: str) -> None:
        """Note that there is a task. Nothing depends on it but what is said when there is none any more."""
        with self._lock:
            self._tasks.pop(task, None)
            self._tasks[task] = None
            if len(self._tasks) > _MOST_TASKS:
                del self._tasks[next(iter(self._tasks))]

    def remembers(self, task: str) -> bool:
        """Whether there has been a task."""
        return task in self._tasks

    @contextlib.contextmanager
    def making(self, task: str) -> Iterator[None]:
        """Make a task in the `with` block. Raises `Refused` while somebody makes the same one."""
        with self._lock:
            if task in self._in_making:
                detail = "another request with this Idempotency-Key is in work"
                raise Refused(409, "idempotency-in-work", detail, headers=(("Retry-After", "1"),))
            self._in_making.add(task)
        try:
            yield
        finally:
            with self._lock:
                self._in_making.discard(task)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Let one batch work at a time: all have all cores, and what is timed side by side is timed wrongly."""
        if not self._turn.acquire(timeout=_PATIENCE_SECONDS):
            raise busy("other batches are in work", seconds=30)
        try:
            yield
        finally:
            self._turn.release()

    @contextlib.contextmanager
    def comparison(self) -> Iterator[None]:
        """Let one comparison run, in its turn; refuse another one at once."""
        if not self._comparing.acquire(blocking=False):
            retry = (("Retry-After", "30"),)
            raise Refused(409, "comparison-running", "two at a time would measure each other", headers=retry)
        try:
            with self.turn():
                yield
        finally:
            self._comparing.release()

    def close(self) -> None:
        """Let go of what requests have left behind: the children that process uploads."""
        self.uploads.close()
