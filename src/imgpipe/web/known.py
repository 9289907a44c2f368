"""Known: the tasks that this server remembers: those that are being made just now, and those that there have been."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from imgpipe.web.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 10_000


class KnownTasks:
    """Ids of tasks. Safe to use from several threads. Nothing depends on it but the words of a refusal."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._in_making: set[str] = set()
        self._lock = threading.Lock()

    def add(self, task: str) -> None:
        """Remember that there is a task."""
        with self._lock:
            self._seen[task] = None
            self._seen.move_to_end(task)
            if len(self._seen) > _MOST:
                self._seen.popitem(last=False)

    def __contains__(self, task: str) -> bool:
        with self._lock:
            return task in self._seen

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
