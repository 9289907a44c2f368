"""Faults: does harm to a fleet of our own at its time: kills the busiest worker, freezes Redis for a while."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.errors import ImgpipeError
from imgpipe.stress.values import Fault

if TYPE_CHECKING:
    from imgpipe.stress.book import Book
    from imgpipe.stress.fleet import Fleet
    from imgpipe.stress.queue_target import QueueTarget

_LOOK_SECONDS = 0.02
_PATIENCE_SECONDS = 10.0  # for a worker to have something in its hands


@dataclass(frozen=True, slots=True)
class Harm:
    """What is to be done: kill a worker so long after the start, freeze Redis for so long at `pause_at`."""

    kill_after_seconds: float | None = None
    pause_seconds: float | None = None
    pause_at: float = 0.0

    @property
    def is_any(self) -> bool:
        """Whether there is anything to be done."""
        return self.kill_after_seconds is not None or self.pause_seconds is not None


class Mischief:
    """Does it in threads of its own, from `start` to `stop`. `done` is what was done, in the order of its end."""

    def __init__(self, harm: Harm, fleet: Fleet, target: QueueTarget, book: Book) -> None:
        self._harm, self._fleet, self._target, self._book = harm, fleet, target, book
        self._ended = threading.Event()
        self.done: list[Fault] = []
        self.notes: list[str] = []
        jobs = ((harm.kill_after_seconds, self._kill), (harm.pause_seconds, self._pause))
        self._threads = [
            threading.Thread(target=work, name="imgpipe-stress-fault", daemon=True)
            for wanted, work in jobs
            if wanted is not None
        ]

    def start(self) -> None:
        """Begin to wait for the time."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Do nothing more; what is frozen goes on."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _kill(self) -> None:
        after = self._harm.kill_after_seconds or 0.0
        if self._ended.wait(max(after - self._book.now, 0.0)):
            return
        try:
            self._kill_the_busiest(after + _PATIENCE_SECONDS)
        except ImgpipeError as error:  # Redis may be frozen just now
            self.notes.append(f"no worker was killed: {error}")

    def _kill_the_busiest(self, until: float) -> None:
        while (victim := self._fleet.busiest()) is None:
            if self._book.now > until or self._ended.wait(_LOOK_SECONDS):
                self.notes.append("no worker was killed: none had anything in its hands")
                return
        self._fleet.kill(victim.name)
        at = self._book.now
        held = self._target.held_by(victim.id)  # it cannot settle any of them any more
        self._fleet.restart(victim.name)
        self.done.append(Fault("killed", at, victim.name, at, held))

    def _pause(self) -> None:
        if self._ended.wait(max(self._harm.pause_at - self._book.now, 0.0)):
            return
        self._fleet.server.pause()
        at = self._book.now
        try:
            self._ended.wait(self._harm.pause_seconds)
        finally:
            self._fleet.server.resume()
        self.done.append(Fault("paused", at, "Redis", self._book.now))
