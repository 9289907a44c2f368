"""App: what all requests to one server share: settings, the queue, counters, and whose turn it is to measure."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgpipe.web.broker import Broker
from imgpipe.web.digests import Digests
from imgpipe.web.known import KnownTasks
from imgpipe.web.metrics import Metrics
from imgpipe.web.problems import Refused, busy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.web.settings import WebSettings

MOST_STREAMS = 16

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class App:
    """One server's state.

    `draining` is set when it takes no more requests, and nobody is to be kept waiting any longer; `stopping` when
    batches in work have to come to their end. `streams` are those that may be open at once.
    """

    settings: WebSettings
    broker: Broker = field(default_factory=Broker)
    started: float = field(default_factory=time.monotonic)
    stopping: threading.Event = field(default_factory=threading.Event)
    draining: threading.Event = field(default_factory=threading.Event)
    digests: Digests = field(default_factory=Digests)
    metrics: Metrics = field(default_factory=Metrics)
    tasks: KnownTasks = field(default_factory=KnownTasks)
    streams: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MOST_STREAMS))
    _statuses: Counter[int] = field(default_factory=Counter)
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _comparing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def count(self, status: int) -> None:
        """Count an answer."""
        with self._counting:
            self._statuses[status] += 1

    def counted(self) -> dict[int, int]:
        """Return how often each status was answered."""
        with self._counting:
            return dict(sorted(self._statuses.items()))

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
