"""Book: where sender and receivers write down what happens to each task, and when."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from imgpipe.stress.values import End, Trip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Book:
    """Safe to use from several threads. Its time, in seconds, begins with `start`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._trips: dict[int, Trip] = {}
        self._start = clock()
        self._on_their_way = 0
        self._trouble: Exception | None = None
        self._resolution_seconds = 0.0
        self.twice = 0

    def start(self) -> None:
        """Begin to count the time."""
        self._start = self._clock()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    @property
    def sent(self) -> int:
        """How many tasks were sent."""
        return len(self._trips)

    @property
    def on_their_way(self) -> int:
        """How many tasks were sent and have not come to an end."""
        return self._on_their_way

    @property
    def resolution_seconds(self) -> float:
        """How far an end may have been before it was noticed, at most."""
        return self._resolution_seconds

    def begin(self, numbers: Sequence[int], intended: Sequence[float], at: float) -> None:
        """Note that sending has begun."""
        with self._changed:
            for number, moment in zip(numbers, intended, strict=True):
                self._trips[number] = Trip(number, moment, at)
            self._on_their_way += len(numbers)

    def take(self, numbers: Sequence[int]) -> None:
        """Note that tasks were taken. Their results may have been faster than this news."""
        with self._changed:
            now = self.now
            for number in numbers:
                trip = self._trips[number]
                taken = now if trip.ended is None else min(now, trip.ended)
                self._trips[number] = replace(trip, taken=taken)

    def end(
        self,
        number: int,
        end: End,
        *,
        code: str = "",
        service_seconds: float | None = None,
        unseen_seconds: float = 0.0,
    ) -> None:
        """Note what became of a task; `unseen_seconds` is how long nobody had looked."""
        with self._changed:
            trip = self._trips.get(number)
            if trip is None or trip.end is not End.OPEN:
                self.twice += 1
                return
            self._trips[number] = replace(trip, ended=self.now, end=end, code=code, service_seconds=service_seconds)
            self._resolution_seconds = max(self._resolution_seconds, unseen_seconds)
            self._on_their_way -= 1
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Note what has ended a receiver; whoever waits is told."""
        with self._changed:
            self._trouble = self._trouble or error
            self._changed.notify_all()

    def wait_for_fewer(self, than: int, seconds: float) -> None:
        """Wait until fewer tasks are on their way, or `seconds` have passed. Raises what a receiver could not bear."""
        with self._changed:
            self._changed.wait_for(lambda: self._on_their_way < than or self._trouble is not None, seconds)
            if self._trouble is not None:
                raise self._trouble

    def trips(self) -> tuple[Trip, ...]:
        """Return all tasks, in the order of their numbers."""
        with self._changed:
            return tuple(self._trips[number] for number in sorted(self._trips))
