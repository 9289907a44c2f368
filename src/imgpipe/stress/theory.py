"""Theory: what queueing theory expects of a steady run, from its rate, its service times and the slots alone."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.advice.erlang import mean_wait_seconds, wait_quantile_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST = 20  # service times: fewer say nothing about how they vary
_MARKOV = (0.8, 1.25)  # squared variations that count as random arrivals and exponential service


@dataclass(frozen=True, slots=True)
class Theory:
    """A model with its name, and the waits that it expects; infinite where the slots cannot keep up."""

    name: str
    utilization: float
    mean_seconds: float
    p95_seconds: float


def expected(moments: Sequence[float], services: Sequence[float], busy_seconds: float, slots: int) -> Theory | None:
    """Return what is expected of tasks that come at `moments`, None where there are too few to say.

    `busy_seconds` is how long a slot is taken by a task on average, `services` how the times of tasks vary. M/M/c for
    random arrivals and exponential service, which Erlang solved; for all else the approximation of Allen and Cunneen,
    which multiplies its waits by the mean of both squared variations.
    """
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    if len(services) < _LEAST or len(gaps) < _LEAST or busy_seconds <= 0 or sum(gaps) <= 0:
        return None
    rate = len(gaps) / sum(gaps)
    arrival, service = _squared_variation(gaps), _squared_variation(services)
    variability = (arrival + service) / 2
    is_markov = all(_MARKOV[0] <= each <= _MARKOV[1] for each in (arrival, service))
    if is_markov:
        variability = 1.0
    mean = mean_wait_seconds(rate, busy_seconds, slots)
    return Theory(
        f"M/M/{slots}" if is_markov else f"G/G/{slots} by Allen and Cunneen",
        rate * busy_seconds / slots,
        mean if math.isinf(mean) else variability * mean,
        wait_quantile_seconds(rate, busy_seconds, slots, quantile=0.95, variability=variability),
    )


def _squared_variation(values: Sequence[float]) -> float:
    mean = statistics.fmean(values)
    return statistics.pvariance(values, mean) / mean**2 if mean > 0 else 0.0
