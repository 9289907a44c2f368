"""Practice: workers in threads on a queue in memory, whose tasks say how long they take; a target for a stress run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.values import Claim, Item, JobSpec, Settled, Verdict, WorkerSpec
from imgpipe.stress.values import Account, End, Fault, Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.stress.book import Book

_JOB = "practice"
_WAIT_SECONDS = 0.1
_LABELS = frozenset({"io"})


class Practice:
    """A queue, and `workers` that wait `services` seconds for each task, by its number: they need no core for that.

    With `dies_at_seconds`, one of them is never heard again from then on; after its lease, the others take over.
    """

    def __init__(
        self,
        services: Sequence[float],
        workers: int,
        book: Book,
        *,
        lease_seconds: float = 30.0,
        dies_at_seconds: float | None = None,
    ) -> None:
        self.where, self.notes = f"a queue in memory with {workers} workers in threads", list[str]()
        self.fault: Fault | None = None
        self.waits: list[float] = []
        """How long each task waited until a worker took it, in the order in which they were taken."""
        self._services, self._book, self._workers = services, book, workers
        self._lease_seconds, self._dies_at_seconds = lease_seconds, dies_at_seconds
        self._queue = MemoryQueue()
        self._next = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(f"worker-{number}",), name=f"imgpipe-practice-{number}")
            for number in range(1, workers + 1)
        ]
        self._threads.append(threading.Thread(target=self._receive, name="imgpipe-practice-receive"))

    def start(self) -> None:
        """Open the job, and let the workers begin."""
        self._queue.create(JobSpec(id=_JOB, needs=_LABELS, breaker=0))
        for thread in self._threads:
            thread.start()

    def send(self, numbers: Sequence[int]) -> None:
        """Hand tasks over."""
        answer = self._queue.submit(_JOB, [Item(number, b"") for number in numbers], after=self._next)
        self._next = answer.next
        self._book.take(numbers)

    def look(self) -> Look | None:
        """Count what waits and what is in work."""
        status = self._queue.status(_JOB)
        return None if status is None else Look(self._book.now, status.pending + status.retrying, status.running)

    def account(self) -> Account | None:
        """Return what the queue has counted."""
        status = self._queue.status(_JOB)
        if status is None:
            return None
        counters = self._queue.counters().classes["io"]
        return Account(
            submitted=status.submitted,
            done=status.done,
            failed=status.failed,
            lost=status.lost,
            retried=status.attempts,
            losses=status.losses,
            late=status.late,
            duplicates=status.duplicates,
            busy_seconds=status.busy_seconds,
            slots=self._workers,
            alike=True,
            waited_seconds=counters.waited_seconds / counters.claimed if counters.claimed else None,
        )

    def close(self) -> None:
        """End the workers."""
        self._ended.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self, name: str) -> None:
        queue, book = self._queue, self._book
        queue.register(WorkerSpec(id=name, name=name, labels=_LABELS, slots=1), self._lease_seconds)
        claims = queue.claim(name, 1, starting=1)  # as all that it says, it renews the lease
        while not self._ended.is_set():
            if not claims.tasks:
                queue.reap()
                queue.wait_for_work(name, _WAIT_SECONDS)
                claims = queue.claim(name, 1, starting=1)
                continue
            (claim,) = claims.tasks
            self.waits.append(claim.waited_seconds)
            if self._falls_silent(name, claim):
                return
            begun = book.now
            self._ended.wait(self._services[claim.index])
            busy = book.now - begun
            word = Settled(claim, Verdict.DONE, repr(busy).encode(), busy_seconds=busy)
            claims = queue.finish(name, [word], want=1, starting=1).claims

    def _falls_silent(self, name: str, claim: Claim) -> bool:
        """Whether this worker dies now, with a task in its hands; only one does."""
        with self._lock:
            at = self._book.now
            if self._dies_at_seconds is None or self.fault is not None or at < self._dies_at_seconds:
                return False
            self.fault = Fault("killed", at, name, at, (claim.index,))
            return True

    def _receive(self) -> None:
        cursor = 0
        while not self._ended.is_set():
            self._queue.wait_for_results(_JOB, cursor, _WAIT_SECONDS)
            answer = self._queue.results(_JOB, 1000, start=cursor)
            for index, _, record in answer.records:
                self._book.end(index, End.DONE, service_seconds=float(record))
            cursor = answer.first + len(answer.records)
            self._queue.forget(_JOB, cursor)
