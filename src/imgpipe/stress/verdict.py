"""Verdict: whether a measurement can be trusted, and why not: a generator that cannot keep up measures itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.stress.histogram import PERCENTILES, Histogram, is_known, name_of
from imgpipe.stress.values import Verdict

if TYPE_CHECKING:
    from imgpipe.stress.values import Sending

LATE_SECONDS = 0.010
BUSY_SHARE = 0.80
ACHIEVED_SHARE = 0.95
_FULL_SHARE = 0.90  # of the slots: above it, what is not taken in time is not the generator's fault


def judge(
    sending: Sending,
    *,
    is_open: bool,
    offered_rate: float | None,
    achieved_rate: float | None,
    utilization: float | None,
    done: int,
) -> Verdict:
    """Judge a run. In a closed loop nothing can be late; the rates are None where all was sent at one moment."""
    reasons = []
    if not done:
        reasons.append("no task was done: there is nothing to measure")
    if is_open:
        name, late = late_start(sending)
        if late > LATE_SECONDS:
            reasons.append(f"the generator sent late: {name} {late * 1000:.0f} ms, more than {LATE_SECONDS * 1000:.0f}")
    is_full = utilization is not None and utilization > _FULL_SHARE  # then the other side cannot keep up
    if offered_rate and achieved_rate is not None and achieved_rate < ACHIEVED_SHARE * offered_rate and not is_full:
        share = achieved_rate / offered_rate
        reasons.append(f"only {100 * share:.0f} % of the planned rate was sent, though slots were free")
    if sending.cpu_share > BUSY_SHARE:
        reasons.append(f"the generator itself was busy {100 * sending.cpu_share:.0f} % of the time")
    return Verdict(tuple(reasons))


def late_start(sending: Sending) -> tuple[str, float]:
    """Return how late starts were: p99, or the highest percentile that so many allow; with fewer still, the mean."""
    late = Histogram.of(sending.late_seconds)
    for share in sorted((share for share in PERCENTILES if share <= 0.99), reverse=True):
        if is_known(share, late.count):
            return name_of(share), late.quantile(share) or 0.0
    return "mean", late.mean or 0.0
