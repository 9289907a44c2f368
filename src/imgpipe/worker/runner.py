"""Runner: what the worker needs of whoever runs its tasks; `Slots` is the one that does, benchmarks bring their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from socket import socket

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import Claim, Settled


class Runner(Protocol):
    """Runs tasks. It is used by the worker's main thread, but for `learn`, which the courier calls, and `pids`."""

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

    def submit(self, claim: Claim) -> None:
        """Begin a task. Called only when there is room."""

    def wait(self, wake: socket) -> list[Settled]:
        """Wait a tenth of a second at most, or until there is something to read from `wake`; return what has ended."""

    def close(self) -> list[Settled]:
        """End everything at once, and return what became of the tasks that were in work."""
