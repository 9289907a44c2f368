"""Slo: what a run has to reach, as `p95=2s`, and whether it did."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.errors import BadOption
from imgpipe.stress.histogram import is_known, name_of, needed_for

if TYPE_CHECKING:
    from imgpipe.stress.values import Report

_TEXT = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)\s*=\s*(\d{1,6}(?:\.\d{1,6})?)\s*(ms|s)")


@dataclass(frozen=True, slots=True)
class Objective:
    """So large a share of the tasks must be done within so many seconds."""

    share: float
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Read `p95=2s` or `p99=250ms`. Raises `BadOption`."""
        match = _TEXT.fullmatch(text.strip().lower())
        if match is None or not 0 < float(match[1]) < 100 or float(match[2]) <= 0:
            raise BadOption("slo", text, "a percentile and a time, as p95=2s or p99=250ms")
        return cls(float(match[1]) / 100, float(match[2]) / (1000 if match[3] == "ms" else 1))

    def __str__(self) -> str:
        return f"{name_of(self.share)}={self.seconds:g}s"


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether an objective was reached, and why it is said so."""

    objective: Objective
    is_reached: bool
    why: str


def check(objective: Objective, report: Report) -> Reached:
    """Return whether a run reached an objective. What was not measured properly, or by too few tasks, did not.

    A task that is not done has no time that could be short enough: it counts as one that took for ever.
    """
    if not report.verdict.is_valid:
        return Reached(objective, is_reached=False, why="the run is INVALID")
    count = sum(report.ends.values())
    if not is_known(objective.share, count):
        return Reached(objective, is_reached=False, why=f"{count} tasks, it needs {needed_for(objective.share)}")
    undone = count - report.total.count
    if undone > (1 - objective.share) * count:
        return Reached(objective, is_reached=False, why=f"{undone} of {count} tasks were not done")
    # Among those that are done, it is a higher percentile: the others lie above all of them.
    measured = report.total.quantile(min(objective.share * count / report.total.count, 1.0)) or 0.0
    return Reached(objective, measured <= objective.seconds, f"measured {measured:.3g} s")
