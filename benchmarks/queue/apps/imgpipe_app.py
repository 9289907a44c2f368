"""imgpipe: a real worker, but a runner that does nothing in place of its children; a submitter without pictures."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

from benchmarks.queue.apps import body
from imgpipe.queue import open_queue
from imgpipe.queue.values import Claim, Item, JobSpec, Settled, SubmitKind, Verdict
from imgpipe.worker import Worker, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket

    from imgpipe.queue.base import TaskQueue

JOB = "noop"
_CHUNK = 1000
_AT_ONCE = 256
_ANSWER_SECONDS = 0.1


class NoRunner:
    """Does as many tasks as it is given, at once, by counting them."""

    def __init__(self) -> None:
        self._words: list[Settled] = []
        self.pids: list[int] = []

    @property
    def room(self) -> int:
        """How many tasks can be begun now."""
        return _AT_ONCE - len(self._words)

    def learn(self, queue: TaskQueue, held: frozenset[str], coming: frozenset[str]) -> frozenset[str]:
        """Know everything."""
        del queue, held, coming
        return frozenset()

    def fetch(self, queue: TaskQueue, claims: Sequence[Claim]) -> None:
        """Need nothing."""

    def deliver(self, queue: TaskQueue, words: Sequence[Settled]) -> None:
        """Have nothing."""

    def end(self) -> None:
        """Leave nothing."""

    def submit(self, claim: Claim) -> None:
        """Do it."""
        body.count()
        self._words.append(Settled(claim, Verdict.DONE))

    def wait(self, wake: socket) -> list[Settled]:
        """Return what was done."""
        if not self._words:
            select.select([wake], [], [], _ANSWER_SECONDS)
        return self.close()

    def close(self) -> list[Settled]:
        """Return what was done."""
        words, self._words = self._words, []
        return words


def submit(job: str, names: Sequence[str]) -> None:
    """Hand over what the window allows, 1,000 in a call."""
    queue = open_queue(body.URL)
    queue.create(JobSpec(id=job, window=max(len(names), 1)))
    after = 0
    for at in range(0, len(names), _CHUNK):
        items = [Item(at + n, name.encode()) for n, name in enumerate(names[at : at + _CHUNK])]
        answer = queue.submit(job, items, after=after, last=at + _CHUNK >= len(names))
        assert answer.kind is SubmitKind.ACCEPTED
        after = answer.next


def work() -> None:
    """Work until a signal."""
    settings = WorkerSettings(name="noop", labels=frozenset({"io"}), slots=_AT_ONCE)
    Worker(lambda: open_queue(body.URL), settings, runner=NoRunner()).run()


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work()
    else:
        body.submit_lines(submit)
