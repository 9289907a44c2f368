"""Simulate: a fleet of slots that start, work and end, fed at random, with a policy that decides how many there are."""

from __future__ import annotations

import bisect
import heapq
import math
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.advice.estimates import LONGEST_SECONDS
from imgpipe.advice.histogram import Histogram
from imgpipe.advice.signals import Signals
from imgpipe.errors import BadOption
from imgpipe.queue.values import DURATION_BOUNDS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Service = Callable[[random.Random], float]
    Policy = Callable[[Sequence[Signals]], int | None]

_PATIENCE = 2  # times the load's length, until tasks that are left are given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Tasks that arrive at random: `phases` of (seconds, tasks per second); `service` draws the time of each task."""

    phases: tuple[tuple[float, float], ...]
    service: Service
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a load that would never end or never begin."""
        for seconds, rate in self.phases:
            if not (0 < seconds < math.inf and 0 <= rate < math.inf):
                raise BadOption("load", (seconds, rate), "seconds above 0, and 0 or more tasks per second")

    @property
    def seconds(self) -> float:
        """How long tasks arrive."""
        return sum(seconds for seconds, _ in self.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """How many slots there are at first, how long a new one takes to start, and how often the policy is asked."""

    slots: int
    start_seconds: float = 15.0
    sample_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the policy saw, and how many slots it left or ordered."""

    at_seconds: float
    ready: int
    running: int
    slots: int
    wanted_slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it. `waits_seconds` are sorted; those of tasks that were never taken go on until the end.

    `slot_seconds` is what slots cost, from their order to their end; `busy_seconds` of it were work. `mean_there` is
    the mean number of tasks there, waiting or in work, `sojourn_seconds` the mean time that they were.
    """

    waits_seconds: tuple[float, ...]
    slot_seconds: float
    busy_seconds: float
    changes: int
    mean_there: float
    sojourn_seconds: float
    seconds: float
    moments: tuple[Moment, ...]

    def within(self, seconds: float) -> float:
        """Return the share of tasks that waited no longer; 1 if there were none."""
        return bisect.bisect_right(self.waits_seconds, seconds) / len(self.waits_seconds) if self.waits_seconds else 1.0

    def wait_seconds(self, share: float) -> float | None:
        """Return the wait that the share of tasks stayed below."""
        waits = self.waits_seconds
        return waits[min(int(share * len(waits)), len(waits) - 1)] if waits else None


def lognormal(mean_seconds: float, variation: float) -> Service:
    """Return times with a mean and a coefficient of variation, most below the mean and a few far above."""
    spread = math.log(1 + variation**2)
    centre = math.log(mean_seconds) - spread / 2
    return lambda chance: chance.lognormvariate(centre, math.sqrt(spread))


def exponential(mean_seconds: float) -> Service:
    """Return times as in M/M/c."""
    return lambda chance: chance.expovariate(1 / mean_seconds)


def simulate(load: Load, fleet: Fleet, policy: Policy) -> Outcome:
    """Let the load come to the fleet, and the policy decide; the same arguments give the same outcome.

    `policy` gets the last ten minutes of signals, and returns how many slots there should be, None for as many as
    there are. Slots that are given up end their task first.
    """
    return _Run(load, fleet, policy).run()


class _Run:
    """The state of one simulation. Events come in the order of their time; nothing happens between them."""

    def __init__(self, load: Load, fleet: Fleet, policy: Policy) -> None:
        self._load, self._fleet, self._policy = load, fleet, policy
        self._arrival_chance = random.Random(load.seed)  # noqa: S311 - chance, no secret
        self._service_chance = random.Random(load.seed + 1)  # noqa: S311 - of its own: policies get the same tasks
        self._now = 0.0
        self._waiting: deque[float] = deque()
        self._working: list[tuple[float, float]] = []  # ends and times of tasks in work
        self._starting: list[float] = []  # when slots will be there
        self._idle, self._ending = fleet.slots, 0
        self._begun_sum = 0.0  # of the tasks in work: so their age costs no loop
        self._enqueued = self._done = self._changes = 0
        self._busy = self._waited = self._slot_seconds = self._there_seconds = self._sojourn = 0.0
        self._durations = [0] * (len(DURATION_BOUNDS_SECONDS) + 1)
        self._waits: list[float] = []
        self._history: list[Signals] = []
        self._moments: list[Moment] = []

    def run(self) -> Outcome:
        """Go from event to event until nothing is left to do."""
        arrival, sample = self._next_arrival(0.0), 0.0
        end = self._load.seconds
        while self._now < _PATIENCE * end:
            finish = self._working[0][0] if self._working else math.inf
            start = self._starting[0] if self._starting else math.inf
            when = min(arrival, finish, start, sample)
            if when >= end and arrival == math.inf and not self._waiting and not self._working:
                break
            self._pass_time(when)
            if when == finish:
                self._finish()
            elif when == arrival:
                self._enqueued += 1
                self._waiting.append(when)
                arrival = self._next_arrival(when)
            elif when == start:
                heapq.heappop(self._starting)
                self._idle += 1
            else:
                sample += self._fleet.sample_seconds
                self._ask()
            self._begin()
        self._pass_time(max(self._now, end))
        return self._outcome()

    def _next_arrival(self, after: float) -> float:
        """Return when the next task comes: by chance that has no memory, so that each phase may draw anew."""
        begin = 0.0
        for seconds, rate in self._load.phases:
            begin, end = begin + seconds, begin + seconds
            if after < end and rate > 0:
                when = max(after, end - seconds) + self._arrival_chance.expovariate(rate)
                if when < end:
                    return when
        return math.inf

    def _pass_time(self, when: float) -> None:
        seconds = when - self._now
        self._slot_seconds += seconds * (self._idle + len(self._working) + len(self._starting))
        self._there_seconds += seconds * (len(self._waiting) + len(self._working))
        self._now = when

    def _begin(self) -> None:
        while self._idle and self._waiting:
            waited = self._now - self._waiting.popleft()
            service = self._load.service(self._service_chance)
            self._idle -= 1
            heapq.heappush(self._working, (self._now + service, service))
            self._begun_sum += self._now
            self._waits.append(waited)
            self._waited += waited
            self._sojourn += waited + service

    def _finish(self) -> None:
        end, service = heapq.heappop(self._working)
        self._begun_sum -= end - service
        self._busy += service
        self._done += 1
        self._durations[bisect.bisect_left(DURATION_BOUNDS_SECONDS, service)] += 1
        if self._ending:
            self._ending -= 1
        else:
            self._idle += 1

    def _ask(self) -> None:
        self._history.append(self._signals())
        kept = int(LONGEST_SECONDS / self._fleet.sample_seconds) + 2
        del self._history[:-kept]
        now = self._history[-1]
        there = now.all_slots or 0
        wanted = self._policy(self._history)
        wanted = there if wanted is None else wanted
        if wanted != there:
            self._changes += 1
            self._change(wanted - there)
        self._moments.append(
            Moment(
                at_seconds=self._now,
                ready=len(self._waiting),
                running=len(self._working),
                slots=now.slots or 0,
                wanted_slots=wanted,
            )
        )

    def _change(self, more: int) -> None:
        for _ in range(more):
            heapq.heappush(self._starting, self._now + self._fleet.start_seconds)
        for _ in range(-more):
            if self._starting:
                self._starting.remove(max(self._starting))  # the end of a heap may go: it stays one
                heapq.heapify(self._starting)
            elif self._idle:
                self._idle -= 1
            else:
                self._ending += 1

    def _signals(self) -> Signals:
        return Signals(
            task_class="simulated",
            at_seconds=self._now,
            enqueued_total=self._enqueued,
            done_total=self._done,
            failed_total=0,
            lost_total=0,
            busy_seconds_total=self._busy + max(len(self._working) * self._now - self._begun_sum, 0.0),
            waited_seconds_total=self._waited,
            durations=Histogram(DURATION_BOUNDS_SECONDS, tuple(self._durations)),
            ready=len(self._waiting),
            running=len(self._working),
            oldest_wait_seconds=self._now - self._waiting[0] if self._waiting else 0.0,
            slots=self._idle + len(self._working) - self._ending,
            warming_slots=len(self._starting),
            coverage=1.0,
            start_seconds=self._fleet.start_seconds,
        )

    def _outcome(self) -> Outcome:
        waits = sorted([*self._waits, *(self._now - since for since in self._waiting)])
        return Outcome(
            waits_seconds=tuple(waits),
            slot_seconds=self._slot_seconds,
            busy_seconds=self._busy,
            changes=self._changes,
            mean_there=self._there_seconds / self._now if self._now else 0.0,
            sojourn_seconds=self._sojourn / len(self._waits) if self._waits else 0.0,
            seconds=self._now,
            moments=tuple(self._moments),
        )
