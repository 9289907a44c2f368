"""Heart: the thread that keeps the lease, presents the worker anew when it was forgotten, and buries others."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
import sys
import threading
from typing import TYPE_CHECKING

from imgpipe.children.fence import fence_clock
from imgpipe.errors import QueueUnavailable
from imgpipe.queue.values import Load, WorkerSpec
from imgpipe.worker.line import Line
from imgpipe.worker.load import LoadMeter
from imgpipe.worker.settings import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.queue.base import TaskQueue
    from imgpipe.worker.hands import Hands
    from imgpipe.worker.lease import Lease
    from imgpipe.worker.settings import WorkerSettings
    from imgpipe.worker.totals import Totals

_SHORTEST_SECONDS = 0.1  # before another try


class Heart:
    """Beats in a thread of its own, on a connection of its own, so that nothing else can keep it from that.

    It holds still when `is_stalled` says that the worker does nothing any more: then its tasks are better off with
    others. `obey` is told what somebody has commanded through the queue, `on_back` that the queue is there again.
    """

    def __init__(
        self,
        open_queue: Callable[[], TaskQueue],
        settings: WorkerSettings,
        hands: Hands,
        lease: Lease,
        totals: Totals,
        *,
        pids: Callable[[], list[int]],
        state: Callable[[], str],
        is_stalled: Callable[[], bool],
        obey: Callable[[str], None],
        on_back: Callable[[], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._line, self._settings, self._hands, self._lease = Line(open_queue), settings, hands, lease
        self._totals = totals
        self._pids, self._state, self._is_stalled = pids, state, is_stalled
        self._obey, self._on_back, self._tell = obey, on_back, tell
        self._meter = LoadMeter()
        self._hurry = threading.Event()
        self._ended = False
        self._away = self._stalled = False
        self._mismatches = 0

    @property
    def is_away(self) -> bool:
        """Whether the queue does not answer."""
        return self._away

    def run(self) -> None:
        """Beat until told to end."""
        with self._line:
            while not self._ended:
                seconds = self._settings.beat_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - only to be not all at once
                try:
                    if not self._holds_still():
                        self._beat()
                        self._reap()
                        self._note_back()
                except QueueUnavailable as error:
                    self._note_away(error)
                    seconds = random.uniform(min(_SHORTEST_SECONDS, seconds), seconds)  # noqa: S311 - the same
                self._hurry.wait(seconds)
                self._hurry.clear()
            self._say_last_totals()

    def hurry(self) -> None:
        """Have it beat now."""
        self._hurry.set()

    def end(self) -> None:
        """Have it stop."""
        self._ended = True
        self._hurry.set()

    def _holds_still(self) -> bool:
        stalled = self._is_stalled()
        if stalled and not self._stalled:
            self._tell(Event("stalled", "it does nothing any more: its lease is left to end, and others take over"))
        self._stalled = stalled
        return stalled

    def _beat(self) -> None:
        queue, called = self._line.queue(), fence_clock()
        if not self._hands.is_registered:
            self._register(queue)
            self._lease.begin(called)
        owner, held = self._hands.owner, self._hands.held()
        called = fence_clock()
        totals = self._totals.take()
        try:
            answer = queue.beat(owner, self._load(), totals=totals)
        except QueueUnavailable:
            self._totals.give_back(totals)
            raise
        if self._ended:
            return  # it has taken leave by now, maybe
        if answer.gone:
            self._tell(Event("forgotten", "the queue does not know this worker any more: it presents itself anew"))
            self._hands.gone(owner)
            self.hurry()
            return
        self._lease.renew(called)
        if answer.command:
            self._obey(answer.command)
        if answer.cancelled:
            self._hands.release(answer.cancelled)
        # Once is nothing: words and tasks are on their way.
        self._mismatches = self._mismatches + 1 if answer.held != held else 0
        if self._mismatches == 2:
            self._mismatches = 0
            self._hands.ask_resync()

    def _say_last_totals(self) -> None:
        totals = self._totals.take()
        if self._hands.is_registered and totals and not self._away:
            with contextlib.suppress(QueueUnavailable):
                self._line.queue().beat(self._hands.owner, self._load(), totals=totals)

    def _register(self, queue: TaskQueue) -> None:
        settings = self._settings
        owner = f"{settings.name}:{secrets.token_hex(4)}"
        worker = WorkerSpec(
            id=owner,
            name=settings.name,
            labels=settings.labels,
            slots=settings.slots,
            routing=settings.routing,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=sys.modules["imgpipe"].__version__,  # it is there: we are a part of it, and may not import upwards
        )
        queue.register(worker, settings.lease_seconds)
        self._hands.register(owner)

    def _load(self) -> Load:
        cpu_percent, memory_bytes = self._meter.read([os.getpid(), *self._pids()])
        counts = self._hands.counts()
        return Load(
            busy=counts["busy"],
            cpu_percent=cpu_percent,
            memory_bytes=memory_bytes,
            done=counts["done"],
            failed=counts["failed"] + counts["lost"],
            state=self._state(),
            now=self._hands.in_work(),
            machine=self._meter.machine(),
        )

    def _reap(self) -> None:
        """Look with every beat, from the first on: where workers die often, nobody lives long enough to look later."""
        while (dead := self._line.queue().reap()) is not None:
            text = f"worker {dead.worker} is dead: {dead.requeued} of its tasks go to others"
            lost = f", {dead.lost} are given up" if dead.lost else ""
            self._tell(
                Event("reaped", text + lost, {"worker": dead.worker, "requeued": dead.requeued, "lost": dead.lost})
            )

    def _note_away(self, error: Exception) -> None:
        if not self._away:
            self._tell(Event("away", f"{error}; what is in work goes on, and this worker tries again for ever"))
        self._away = True

    def _note_back(self) -> None:
        if self._away:
            self._tell(Event("back", "Redis answers again"))
            self._on_back()
        self._away = False
