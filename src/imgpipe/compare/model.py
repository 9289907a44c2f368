"""Model: the laws of Amdahl and of universal scalability, fitted to speed-ups; arithmetic, nothing is measured here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

USL_POINTS = 6
"""Below this number of counts, a second parameter would fit noise."""
BEYOND = 2
"""A fit is not asked about more than this many times the largest count that was measured."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A law `X(N) = N / (1 + sigma (N - 1) + kappa N (N - 1))`; Amdahl's has no kappa.

    `sigma` is the share of the work that does not go on beside other work, `kappa` what workers cost each other.
    `points` is the number of counts that it was fitted to, `largest` the largest of them. `r_squared` is None where
    there were too few to contradict the fit.
    """

    sigma: float
    kappa: float
    points: int
    largest: int
    r_squared: float | None

    @property
    def law(self) -> str:
        """The name of the law."""
        return "USL" if self.points >= USL_POINTS else "Amdahl"

    @property
    def peak_workers(self) -> float | None:
        """The count beyond which more workers are slower; None where the law has none."""
        return math.sqrt((1 - self.sigma) / self.kappa) if self.kappa > 0 else None

    def speedup(self, workers: int) -> float | None:
        """Return the speed-up that the law gives, None so far beyond what was measured that it would be a guess."""
        return _law(self.sigma, self.kappa, workers) if workers <= BEYOND * self.largest else None


def fit(speedups: Mapping[int, float]) -> Fit | None:
    """Fit a law to speed-ups by worker count, with one worker as the unit; None without a second count.

    Amdahl's law for few counts, universal scalability from six on.
    """
    if 1 not in speedups or len(speedups) < 2:
        return None
    relative = {workers: speedup / speedups[1] for workers, speedup in speedups.items() if workers > 1}
    sigma, kappa = _amdahl(relative), 0.0
    if len(speedups) >= USL_POINTS:
        sigma, kappa = _usl(relative)
    enough = len(relative) >= 2
    r_squared = _r_squared(relative, sigma, kappa) if enough else None
    return Fit(sigma, kappa, len(speedups), max(speedups), r_squared)


def _law(sigma: float, kappa: float, workers: int) -> float:
    return workers / (1 + sigma * (workers - 1) + kappa * workers * (workers - 1))


def _amdahl(relative: Mapping[int, float]) -> float:
    """Least squares of `N / X - 1 = sigma (N - 1)`."""
    above = sum((workers - 1) * (workers / speedup - 1) for workers, speedup in relative.items())
    return _share(above / sum((workers - 1) ** 2 for workers in relative))


def _usl(relative: Mapping[int, float]) -> tuple[float, float]:
    """Least squares of `(N / X - 1) / (N - 1) = sigma + kappa N`; neither may be below zero."""
    rows = [(workers, (workers / speedup - 1) / (workers - 1)) for workers, speedup in relative.items()]
    mean_n = sum(n for n, _ in rows) / len(rows)
    mean_y = sum(y for _, y in rows) / len(rows)
    kappa = sum((n - mean_n) * (y - mean_y) for n, y in rows) / sum((n - mean_n) ** 2 for n, _ in rows)
    sigma = mean_y - kappa * mean_n
    if kappa < 0:
        return _amdahl(relative), 0.0
    if sigma < 0:
        return 0.0, max(sum(n * y for n, y in rows) / sum(n * n for n, _ in rows), 0.0)
    return _share(sigma), kappa


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _r_squared(relative: Mapping[int, float], sigma: float, kappa: float) -> float | None:
    mean = sum(relative.values()) / len(relative)
    total = sum((speedup - mean) ** 2 for speedup in relative.values())
    rest = sum((speedup - _law(sigma, kappa, workers)) ** 2 for workers, speedup in relative.items())
    return 1 - rest / total if total > 0 else None
