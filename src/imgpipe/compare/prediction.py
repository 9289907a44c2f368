"""Prediction: what speed-up the GIL and the cores allow, said before several workers are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgpipe.compare.probe import GilProbe


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was found out with one thread at work.

    `gil` is None where the interpreter has no GIL. `core_share` is the share of a picture's time in which it computes;
    the rest it waits for disks and the like, and needs no core.
    """

    gil: GilProbe | None
    core_share: float
    cores: int

    def ceiling(self, executor: str, workers: int) -> float:
        """Return the speed-up that cannot be surpassed: neither the workers, the cores nor the GIL give more."""
        limits = [float(workers), self.cores_allow]
        if executor == "threads":
            limits.append(self.gil_allows)
        return max(min(limits), 1.0)

    @property
    def cores_allow(self) -> float:
        """The speed-up that the cores allow."""
        return self.cores / self.core_share if self.core_share > 0 else float("inf")

    @property
    def gil_allows(self) -> float:
        """The speed-up that the GIL allows to threads."""
        return 1 / self.gil.share if self.gil is not None and self.gil.share > 0 else float("inf")

    @property
    def gil_allows_at_most(self) -> float:
        """The same by the lower end of what the probe has found: more than this contradicts it."""
        if self.gil is None or self.gil.interval[0] <= 0:
            return float("inf")
        return 1 / self.gil.interval[0]
