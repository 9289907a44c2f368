"""queueing: why a service that is 95 % busy is slow: measured on a queue, beside Erlang's formula and Little's law."""

from __future__ import annotations

import heapq
import math
import random
import threading
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from imgpipe.advice.erlang import mean_wait_seconds
from imgpipe.errors import ExecutorError
from imgpipe.lessons.practice import Practice
from imgpipe.lessons.values import Finding, Lesson
from imgpipe.stress.book import Book
from imgpipe.stress.run import Stress, stress
from imgpipe.stress.summary import report_of
from imgpipe.stress.values import Plan
from imgpipe.stress.words import percent, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.lessons.values import Say
    from imgpipe.stress import Report

_WORKERS = 2
_SERVICE_SECONDS = 0.010
_LEVELS = (0.50, 0.80, 0.95)
_SEED = 4
_CALIBRATION_SECONDS = 2.0
_LEVEL_SECONDS = 13.0


@dataclass(frozen=True, slots=True)
class Level:
    """What was measured at one utilisation.

    `ideal` is what these very tasks would have waited without any overhead, `little` the mean number of tasks in the
    system by looking, and by Little's law; None if there was no time to look.
    """

    wanted: float
    utilization: float
    wait_seconds: float
    ideal_seconds: float
    erlang_seconds: float
    little: tuple[float, float] | None


def run(quick: bool, say: Say) -> Finding:
    """Find out what the workers can do, then send half of that, four fifths, and nearly all."""
    share = 0.1 if quick else 1.0
    say("finding out how much the workers can do")
    capacity = _capacity(_CALIBRATION_SECONDS * share)
    levels = []
    for wanted in _LEVELS:
        say(f"{percent(wanted)} of {capacity:.0f} tasks for each second, for {_LEVEL_SECONDS * share:.0f} s")
        levels.append(_level(wanted, capacity, _LEVEL_SECONDS * share))
    return found(levels)


def found(levels: Sequence[Level]) -> Finding:
    """Say what the levels show."""
    first, last = levels[0], levels[-1]
    factor = last.wait_seconds / first.wait_seconds if first.wait_seconds > 0 else math.inf
    rows = []
    for level in levels:
        waits = (f"measured {shown(level.wait_seconds)}", f"these tasks in theory {shown(level.ideal_seconds)}",
                 f"Erlang C {shown(level.erlang_seconds)}")  # fmt: skip
        rows.append((f"mean wait at {percent(level.utilization)} busy", ", ".join(waits)))
    for level in levels:
        counted = "–"
        if level.little is not None:
            counted = f"{level.little[0]:.2f} by looking, rate times stay {level.little[1]:.2f}"
        rows.append((f"tasks in the system at {percent(level.utilization)}", counted))
    explanation = (
        (
            f"At {percent(first.utilization)} busy, a task waited {shown(first.wait_seconds)} on average, at "
            f"{percent(last.utilization)} {shown(last.wait_seconds)}: {factor:.0f} times as long, though there was not "
            "even twice as much to do. Nobody was slower: service took the same time throughout."
        ),
        (
            "Tasks come in clumps by chance. What a clump piles up can only be worked off in the time that is left "
            "over, and of that there is less and less: waits grow with 1 / (1 - utilisation), and without end at 100 %."
        ),
        (
            "Erlang C gives the mean over a very long time, for random arrivals and services. A run of seconds has its "
            "own luck, all the more the busier it is: the column in the middle is what exactly these tasks would have "
            "waited if nothing but waiting and service took time."
        ),
        (
            "Little's law (tasks in the system = rate times how long each stays) holds for any arrivals whatever; both "
            "sides were measured apart from each other. That is why `imgpipe monitor` can tell waits from queue "
            "lengths."
        ),
        "So plan for 70 or 80 %: the rest is not idle, it is what keeps waits short. `imgpipe scale` does.",
    )
    data: dict[str, Any] = {
        "workers": _WORKERS,
        "levels": [
            {
                "wanted_utilization": level.wanted,
                "utilization": level.utilization,
                "wait_seconds": level.wait_seconds,
                "ideal_wait_seconds": level.ideal_seconds,
                "erlang_wait_seconds": None if math.isinf(level.erlang_seconds) else level.erlang_seconds,
                "in_system": level.little and level.little[0],
                "rate_times_stay": level.little and level.little[1],
            }
            for level in levels
        ],
    }
    return Finding(answer=factor, rows=tuple(rows), explanation=explanation, data=data)


def exponential_like(count: int, mean: float, seed: int) -> list[float]:
    """Return values that are spread exactly as an exponential distribution is, in random order.

    So the run has the rate and the services that it is to have, and chance decides about their order only.
    """
    values = [-mean * math.log(1 - (number + 0.5) / count) for number in range(count)]
    random.Random(seed).shuffle(values)  # noqa: S311 - chance, no secret
    return values


def ideal_waits(moments: Sequence[float], services: Sequence[float], workers: int) -> list[float]:
    """Return how long each task waits if the first worker that is free takes the first that has come."""
    free = [0.0] * workers
    waits = []
    for moment, service in zip(moments, services, strict=True):
        begin = max(heapq.heappop(free), moment)
        waits.append(begin - moment)
        heapq.heappush(free, begin + service)
    return waits


def _capacity(seconds: float) -> float:
    """Return how many tasks the workers do in a second if there are always some."""
    most = math.ceil(3 * _WORKERS * seconds / _SERVICE_SECONDS) + 100
    plan = Plan(kind="sustained", arrivals="", concurrency=4 * _WORKERS, seconds=seconds, count=most, seed=_SEED)
    report, _ = _reported(plan, exponential_like(most, _SERVICE_SECONDS, _SEED))
    return report.throughput


def _level(wanted: float, capacity: float, seconds: float) -> Level:
    rate = wanted * capacity
    count = math.ceil(rate * seconds)
    moments = tuple(accumulate(exponential_like(count, 1 / rate, _SEED)))
    plan = Plan(kind="continuous", arrivals="", moments=moments, seconds=seconds, is_steady=True, seed=_SEED)
    services = exponential_like(count, _SERVICE_SECONDS, _SEED + 1)
    report, wait_seconds = _reported(plan, services)
    # What a worker needs for a task in truth: taking it and giving it back is part of that.
    mean_service = _WORKERS / capacity
    waits = ideal_waits(moments, [service * mean_service / _SERVICE_SECONDS for service in services], _WORKERS)
    return Level(
        wanted=wanted,
        utilization=count / moments[-1] / capacity,
        wait_seconds=wait_seconds,
        ideal_seconds=math.fsum(waits) / count,
        erlang_seconds=mean_wait_seconds(count / moments[-1], mean_service, _WORKERS),
        little=report.little,
    )


def _reported(plan: Plan, services: Sequence[float]) -> tuple[Report, float]:
    """Run it, and return what can be said of it, and the mean wait."""
    book = Book()
    target = Practice(services, _WORKERS, book)
    report = report_of(stress(Stress(plan, target, book, ""), threading.Event()))
    if not report.total.count or report.has_failures:
        raise ExecutorError(
            "the workers in this process did not do their tasks: the machine is too busy for the lesson"
        )
    return report, math.fsum(target.waits) / len(target.waits)


LESSON = Lesson(
    name="queueing",
    title="Why 95 % busy is slow",
    setting=f"{_WORKERS} workers take {1000 * _SERVICE_SECONDS:.0f} ms for a task on average. Tasks come at random, so "
    "that the workers are busy 50 %, 80 % and 95 % of the time.",
    question="How many times as long does a task wait at 95 % as at 50 %?",
    unit="times",
    seconds=45,
    run=run,
    code=("imgpipe/advice/erlang.py", "imgpipe/queue/memory.py", "imgpipe/lessons/practice.py",
          "imgpipe/stress/generator.py"),
)  # fmt: skip
