"""Broker: the queue behind a server, in memory or on a Redis that may be away without anybody waiting for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal, TypeVar

from imgpipe.errors import BadOption, QueueRefused, QueueUnavailable
from imgpipe.monitor import Watch
from imgpipe.queue import DEFAULT_NAMESPACE, open_queue
from imgpipe.queue.connection import Connection, QueueFull
from imgpipe.queue.memory import MemoryQueue
from imgpipe.web.problems import Refused, queue_full

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.monitor import Snapshot
    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import WorkerStatus

T = TypeVar("T")

_LOOK_SECONDS = 1.0
_SLOW_SECONDS = 2.0
_FRESH_SECONDS = 0.5  # for so long, many who ask how things are cost no more than one
_AWAY = "Redis is not asked, because it did not answer a moment ago"


class Broker:
    """A queue in memory, which is always there. What it holds ends with this process."""

    kind: Literal["memory", "redis"] = "memory"
    server: Connection | None = None
    namespace = DEFAULT_NAMESPACE

    def __init__(self, queue: TaskQueue | None = None) -> None:
        self._queue = queue or MemoryQueue()
        self._watching = threading.Lock()
        self._watch: Watch | None = None
        self._snapshot: Snapshot | None = None
        self._taken_at = 0.0

    @property
    def trouble(self) -> str:
        """Why the queue cannot be asked now, "" if it can. It takes no time to know."""
        return ""

    def ask(self, call: Callable[[TaskQueue], T]) -> T:
        """Return what a call gives that may be repeated. Raises `Refused` while the queue is away."""
        return call(self._queue)

    def live_workers(self) -> list[WorkerStatus]:
        """Return the workers that lived when they were looked at last, a moment ago. It takes no time."""
        return [worker for worker in self._queue.workers() if worker.is_alive]

    @property
    def has_snapshot(self) -> bool:
        """Whether there is something to compare with: how busy the cores are is only known between two looks."""
        return self._snapshot is not None

    def snapshot(self) -> tuple[Snapshot, float]:
        """Return how things are, and how many seconds old that is. Raises `Refused` while the queue is away."""

        def look(queue: TaskQueue) -> Snapshot:
            if self._watch is None:
                self._watch = Watch(queue, server=self.server, source=self.kind, namespace=self.namespace)
            return self._watch.take()

        with self._watching:
            if self._snapshot is None or time.monotonic() - self._taken_at > _FRESH_SECONDS:
                self._snapshot = self.ask(look)
                self._taken_at = time.monotonic()
            return self._snapshot, time.monotonic() - self._taken_at

    def close(self) -> None:
        """Let go of the queue."""
        self._queue.close()


class RedisBroker(Broker):
    """A queue on Redis, from `start` to `close`.

    A call to a Redis that hangs takes ten seconds. So a thread asks it every second how it is; while it owes an answer,
    or has just failed to give one, nobody else tries, and requests are refused at once.
    """

    kind = "redis"

    def __init__(self, url: str, namespace: str) -> None:
        super().__init__()
        self._url, self.namespace = url, namespace
        self.server = Connection(url, "", "")  # for what it says of itself
        self._opened: TaskQueue | None = None
        self._trouble = _AWAY
        self._asked_at: float | None = None
        self._workers: list[WorkerStatus] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="imgpipe-web-broker", daemon=True)

    def start(self) -> None:
        """Look for the first time, and then on and on; it need not be there yet.

        Raises `BadOption` for a URL that is none, and `QueueRefused` for a server that would lose tasks.
        """
        error = self._look()
        if isinstance(error, BadOption | QueueRefused):
            raise error
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why the queue cannot be asked now."""
        asked_at = self._asked_at
        if asked_at is not None and time.monotonic() - asked_at > _SLOW_SECONDS:
            return "Redis owes an answer"
        return self._trouble

    def ask(self, call: Callable[[TaskQueue], T]) -> T:
        """Call once, and once more if the connection was lost: Redis may have been restarted since the last call."""
        for may_fail in (True, False):
            queue = self._opened
            if self.trouble or queue is None:
                break
            try:
                return call(queue)
            except QueueFull as error:
                raise queue_full() from error
            except (QueueUnavailable, QueueRefused) as error:
                if not may_fail:
                    self._trouble = str(error)
        raise Refused(503, "redis-unavailable", self.trouble or _AWAY, headers=(("Retry-After", "2"),))

    def live_workers(self) -> list[WorkerStatus]:
        """Return those of the last look; none while Redis is away."""
        return [] if self.trouble else self._workers

    def close(self) -> None:
        """End the thread, which may be waiting for an answer, and close the connections."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_SLOW_SECONDS)
        for connection in (self._opened, self.server):
            if connection is not None:
                connection.close()

    def _look_on(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> Exception | None:
        self._asked_at = time.monotonic()
        try:
            if self._opened is None:
                self._opened = open_queue(self._url, namespace=self.namespace)
            workers = self._opened.workers()
            self._workers = [worker for worker in workers if worker.is_alive]
            self._trouble = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread that looks
            self._trouble = str(error)
            return error
        else:
            return None
        finally:
            self._asked_at = None
