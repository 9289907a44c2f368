"""Erlang: how long tasks wait for one of several slots, by the formulas of A. K. Erlang; arithmetic, nothing else."""

from __future__ import annotations

import math


def waiting_probability(slots: int, offered: float) -> float:
    """Return the share of tasks that have to wait: Erlang C, for `offered` erlangs of work on so many slots.

    1 where the slots cannot keep up. By the recursion of Erlang B, which neither overflows nor loses digits.
    """
    if offered <= 0:
        return 0.0
    if slots <= offered:
        return 1.0
    blocked = 1.0
    for count in range(1, slots + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked / (1 - offered / slots * (1 - blocked))


def mean_wait_seconds(arrival_rate: float, service_seconds: float, slots: int) -> float:
    """Return the mean wait in M/M/c: random arrivals, exponential service; infinite where slots cannot keep up."""
    spare = slots / service_seconds - arrival_rate
    if spare <= 0:
        return math.inf
    return waiting_probability(slots, arrival_rate * service_seconds) / spare


def wait_quantile_seconds(
    arrival_rate: float, service_seconds: float, slots: int, *, quantile: float = 0.95, variability: float = 1.0
) -> float:
    """Return the wait that the share `quantile` of tasks stays below.

    Exact for M/M/c; for anything else, `variability` is the mean of the squared coefficients of variation of arrivals
    and service, by which waits grow (Allen and Cunneen). That is an approximation, rough above 5.
    """
    spare = slots / service_seconds - arrival_rate
    if spare <= 0:
        return math.inf
    waiting = waiting_probability(slots, arrival_rate * service_seconds)
    if waiting <= 1 - quantile:
        return 0.0
    return variability * math.log(waiting / (1 - quantile)) / spare
