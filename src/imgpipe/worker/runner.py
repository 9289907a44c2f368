"""Runner: what the worker needs of whoever runs its tasks; `Slots` is the one that does, benchmarks bring their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import Claim, Settled


class Runner(Protocol):
    """Runs tasks. The main thread uses it, but for what takes a queue, which the courier calls, and for `pids`."""

    @property
    def room(self) -> int:
        """How many tasks can be begun now."""

    @property
    def pids(self) -> list[int]:
        """The numbers of its processes."""

    def learn(self, queue: TaskQueue, held: frozenset[str], coming: frozenset[str]) -> frozenset[str]:
        """Get to know jobs whose tasks will be submitted, and return those of them that cannot be run here.

        What is known of the jobs that are `held` is still true. Others may be over, and new ones have their names: what
        is known of them is to be forgotten. It may ask the queue.
        """

    def fetch(self, queue: TaskQueue, claims: Sequence[Claim]) -> None:
        """Fetch what tasks need from the queue, before they are submitted."""

    def deliver(self, queue: TaskQueue, words: Sequence[Settled]) -> None:
        """Send what belongs to words, before they are said; it may have been sent already."""

    def submit(self, claim: Claim) -> None:
        """Begin a task. Called only when there is room."""

    def wait(self, wake: socket) -> list[Settled]:
        """Wait a tenth of a second at most, or until there is something to read from `wake`; return what has ended."""

    def close(self) -> list[Settled]:
        """End everything at once, and return what became of the tasks that were in work."""

    def end(self) -> None:
        """Release what is left, when all words are said."""
