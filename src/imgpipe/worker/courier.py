"""Courier: the thread that carries words to the queue and brings tasks back, and never gives up while Redis is away."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

from imgpipe.children.fence import fence_clock
from imgpipe.errors import QueueUnavailable
from imgpipe.worker.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import Claim
    from imgpipe.worker.hands import Hands, Letter
    from imgpipe.worker.lease import Lease
    from imgpipe.worker.runner import Runner

_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.1, 10.0  # before another try
_LOOK_SECONDS = 0.5


class Courier:
    """Claims and finishes. What it cannot deliver stays in the worker's hands, and is delivered later.

    `alive_at` is when it was last seen to do something, on the monotonic clock. While the worker `is_stalled` it says
    nothing, for each word would renew the lease. `on_gone` is called when the queue does not know the worker any more.
    """

    def __init__(
        self,
        open_queue: Callable[[], TaskQueue],
        hands: Hands,
        lease: Lease,
        runner: Runner,
        *,
        is_stalled: Callable[[], bool],
        on_gone: Callable[[], None],
    ) -> None:
        self._line, self._hands, self._lease = Line(open_queue), hands, lease
        self._runner, self._is_stalled, self._on_gone = runner, is_stalled, on_gone
        self._nudge = threading.Event()
        self._given_up = False
        self.alive_at = time.monotonic()

    def run(self) -> None:
        """Carry letters until the hands are closed and empty; then take leave."""
        failures = 0
        with self._line:
            while not self._given_up:
                self.alive_at = time.monotonic()
                if self._is_stalled():
                    self._nudge.wait(_LOOK_SECONDS)
                    continue
                letter = self._hands.await_letter(_LOOK_SECONDS)
                try:
                    if self._hands.is_closed:
                        self._take_leave()
                        return
                    if letter is not None:
                        self._carry(letter)
                    failures = 0
                except QueueUnavailable:
                    if letter is not None:
                        self._hands.failed(letter)
                    longest = min(_LONGEST_SECONDS, _SHORTEST_SECONDS * 2**failures)
                    failures += 1
                    self._nudge.wait(random.uniform(_SHORTEST_SECONDS, longest))  # noqa: S311 - only to be not all at once
                    self._nudge.clear()

    def nudge(self) -> None:
        """Have it try again now: the queue is there again."""
        self._nudge.set()

    def give_up(self) -> None:
        """Have it end with the call that it is in, whatever is left."""
        self._given_up = True
        self._nudge.set()

    def _take_leave(self) -> None:
        if self._hands.owner:  # the queue has never heard of us otherwise
            self._line.queue().leave(self._hands.owner)

    def _carry(self, letter: Letter) -> None:
        queue, called = self._line.queue(), fence_clock()
        if letter.resync:
            held = self._hands.jobs()
            tasks = queue.resync(letter.owner)
            unfit = self._learn(queue, held, tasks)
            self._sort(queue, [(claim, False) for claim in self._hands.reconcile(tasks)], unfit)
        held = self._hands.jobs()
        if letter.words:
            self._runner.deliver(queue, letter.words)
            finished = queue.finish(
                letter.owner, letter.words, want=letter.want, starting=letter.starting, begun=letter.begun
            )
            self._hands.delivered(letter, finished.receipts)
            claims = finished.claims
        elif letter.want or letter.begun:
            claims = queue.claim(letter.owner, letter.want, starting=letter.starting, begun=letter.begun)
        else:
            return
        if claims.gone:
            self._hands.gone(letter.owner)
            self._on_gone()
            return
        self._lease.renew(called)
        unfit = self._learn(queue, held, claims.tasks)
        self._sort(queue, [(claim, number < letter.starting) for number, claim in enumerate(claims.tasks)], unfit)

    def _learn(self, queue: TaskQueue, held: frozenset[str], tasks: Sequence[Claim]) -> frozenset[str]:
        return self._runner.learn(queue, held, frozenset(claim.job for claim in tasks)) if tasks else frozenset()

    def _sort(self, queue: TaskQueue, claims: Sequence[tuple[Claim, bool]], unfit: frozenset[str]) -> None:
        """Keep what can be run here, and give back the rest."""
        fit = [entry for entry in claims if entry[0].job not in unfit]
        refused = [claim for claim, _ in claims if claim.job in unfit]
        if fit:
            self._runner.fetch(queue, [claim for claim, _ in fit])
            self._hands.receive(fit)
        if refused:
            self._hands.refuse(refused)
