"""Metrics: looks at the queue when somebody asks how things are, and remembers it for the next who does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from imgpipe.monitor import Watch

if TYPE_CHECKING:
    from imgpipe.monitor import Snapshot
    from imgpipe.queue.base import TaskQueue
    from imgpipe.web.broker import Broker

_FRESH_SECONDS = 0.5  # for so long, many who ask cost no more than one


class Metrics:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._last: Snapshot | None = None
        self._taken_at = 0.0

    @property
    def has_looked(self) -> bool:
        """Whether there is something to compare with: how busy the cores are is only known between two looks."""
        return self._last is not None

    def take(self, broker: Broker) -> tuple[Snapshot, float]:
        """Return how things are, and how many seconds old that is. Raises `Refused` while the queue is away."""

        def look(queue: TaskQueue) -> Snapshot:
            if self._watch is None:
                server, namespace = broker.server, broker.namespace
                self._watch = Watch(queue, server=server, source=broker.kind, namespace=namespace)
            return self._watch.take()

        with self._lock:
            if self._last is None or time.monotonic() - self._taken_at > _FRESH_SECONDS:
                self._last = broker.ask(look)
                self._taken_at = time.monotonic()
            return self._last, time.monotonic() - self._taken_at
