"""Inbox: the results of one job, in the order in which the queue has them: read once, forgotten when they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from imgpipe.executors._patience import Patience
    from imgpipe.queue.base import TaskQueue

_MOST_READ = 1000
_MOST_KEPT = 10_000  # results that are not forgotten because a task may still want them
_FORGOTTEN_AT_ONCE = 100


class Inbox:
    """Reads on from where it was. Results of tasks that come later are kept, here and in the queue."""

    def __init__(self, queue: TaskQueue, patience: Patience, job: str) -> None:
        self._queue, self._ask, self._job = queue, patience.ask, job
        self._early: dict[int, tuple[int, bytes]] = {}
        self._dropped = 0
        self.has_drops = False
        """Whether results were dropped because nobody had read them for long."""
        self.start_over()

    def start_over(self) -> None:
        """The queue has come back with older data: read all of it, again where need be."""
        self.cursor = self._forgotten = 0

    def begin_anew(self) -> None:
        """Another job has taken the place of the one whose results were read."""
        self._dropped = 0
        self.start_over()

    def read(self, waiting: Container[int], last_index: int) -> list[tuple[int, bytes]]:
        """Return (index, result) of tasks that wait; those above `last_index` come later."""
        mine: list[tuple[int, bytes]] = []
        self._read(waiting, last_index, mine)
        return mine

    def read_all(self, waiting: Container[int], last_index: int) -> list[tuple[int, bytes]]:
        """Return the same, of all results that there are."""
        mine: list[tuple[int, bytes]] = []
        while self._read(waiting, last_index, mine) == _MOST_READ:
            pass
        return mine

    def pop(self, index: int) -> bytes | None:
        """Return the result of a task that has only now been taken, None if it is not here."""
        return self._early.pop(index, (0, None))[1]

    def forget(self, last_index: int) -> None:
        """Let the queue forget what the caller has had, now and then."""
        before = self.cursor
        if self._early:
            self._early = {index: kept for index, kept in self._early.items() if index > last_index}
            kept = min((number for number, _ in self._early.values()), default=before)
            before = max(min(before, kept), before - _MOST_KEPT)
        if before - self._forgotten >= _FORGOTTEN_AT_ONCE:
            self._forget(before)

    def forget_all(self) -> None:
        """Let the queue forget everything that was read."""
        if self.cursor > self._forgotten:
            self._forget(self.cursor)

    def _forget(self, before: int) -> None:
        self._ask(lambda: self._queue.forget(self._job, before))
        self._forgotten = before

    def _read(self, waiting: Container[int], last_index: int, mine: list[tuple[int, bytes]]) -> int:
        answer = self._ask(lambda: self._queue.results(self._job, _MOST_READ, start=self.cursor))
        self.cursor = answer.first + len(answer.records)
        self.has_drops = self.has_drops or answer.dropped > self._dropped
        self._dropped = answer.dropped
        for number, (index, _, record) in enumerate(answer.records, answer.first):
            if index in waiting:
                mine.append((index, record))
            elif index > last_index:
                self._early[index] = (number, record)
        return len(answer.records)
