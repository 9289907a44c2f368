"""Schedule: when each task is to be sent, in seconds from the start; decided before, so that nothing can move it."""

from __future__ import annotations

import math
import random

from imgpipe.errors import BadOption

MOST_TASKS = 10_000
"""Of one run: all that is known of a task is kept until the report is written."""
MOST_SECONDS = 3600.0


def bursts(size: int, count: int = 1, every_seconds: float = 0.0) -> tuple[float, ...]:
    """Return `count` bursts of `size` tasks, each burst at one moment."""
    _check_count(size * count)
    _check_seconds("every", every_seconds * (count - 1), least=0.0)
    return tuple(number * every_seconds for number in range(count) for _ in range(size))


def even(rate: float, seconds: float) -> tuple[float, ...]:
    """Return tasks at equal distances, the first at once."""
    _check(rate, seconds)
    return tuple(number / rate for number in range(max(math.ceil(rate * seconds - 1e-9), 1)))


def poisson(rate: float, seconds: float, seed: int) -> tuple[float, ...]:
    """Return tasks at random moments, as from many people who do not know of each other; `rate` is their average."""
    _check(rate, seconds)
    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    moments: list[float] = []
    moment = chance.expovariate(rate)
    while moment < seconds and len(moments) < MOST_TASKS:
        moments.append(moment)
        moment += chance.expovariate(rate)
    return tuple(moments or [0.0])


def ramp(count: int, lowest_rate: float, highest_rate: float) -> tuple[float, ...]:
    """Return `count` tasks whose rate rises evenly from the one to the other."""
    _check_count(count)
    if not 0 < lowest_rate <= highest_rate:
        raise BadOption("ramp", f"{lowest_rate:g}..{highest_rate:g}", "two rates above 0, the lower one first")
    seconds = 2 * count / (lowest_rate + highest_rate)
    _check_seconds("ramp", seconds)
    slope = (highest_rate - lowest_rate) / seconds
    # Solves n = lowest t + slope t² / 2 for t, in the form that loses no digits where there is hardly a slope.
    return tuple(2 * number / (lowest_rate + math.sqrt(lowest_rate**2 + 2 * slope * number)) for number in range(count))


def _check(rate: float, seconds: float) -> None:
    if not 0 < rate <= 1000:
        raise BadOption("rate", rate, "a number of tasks for each second, above 0 and at most 1000")
    _check_seconds("seconds", seconds)
    _check_count(math.ceil(rate * seconds))


def _check_seconds(option: str, seconds: float, least: float = 0.001) -> None:
    if not least <= seconds <= MOST_SECONDS:
        raise BadOption(option, seconds, f"at most {MOST_SECONDS:g} seconds")


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_TASKS:
        raise BadOption("tasks", count, f"1 to {MOST_TASKS}")
