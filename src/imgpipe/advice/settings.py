"""Settings: what the advice aims at, and between which numbers of slots it stays."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imgpipe.errors import BadOption


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceSettings:
    """What to aim at.

    - `target_wait_seconds`: so long may the share `wait_quantile` of a stream's tasks wait.
    - `target_drain_seconds`: within this time, what waits is to be worked off.
    - `target_utilisation`: so busy may slots be in the long run; the rest is for chance.
    - `minimum`, `maximum`: of slots. Without a maximum it is the cores of the hosts that are known.
    - `sample_seconds`: how far the entries of a history are apart.
    - `start_seconds`: what a new worker takes until its first task is done, where the fleet does not tell.
    - `draws`, `seed`: of the chance that the confidence is counted with.
    """

    target_wait_seconds: float = 10.0
    target_drain_seconds: float = 60.0
    target_utilisation: float = 0.8
    wait_quantile: float = 0.95
    minimum: int = 1
    maximum: int | None = None
    sample_seconds: float = 5.0
    start_seconds: float = 15.0
    draws: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what nobody could aim at."""
        for name in ("target_wait_seconds", "target_drain_seconds", "sample_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadOption(name, getattr(self, name), "a number of seconds above 0")
        if not 0 <= self.start_seconds < math.inf:
            raise BadOption("start_seconds", self.start_seconds, "0 or more")
        for name in ("target_utilisation", "wait_quantile"):
            if not 0 < getattr(self, name) < 1:
                raise BadOption(name, getattr(self, name), "a number between 0 and 1")
        if self.minimum < 0:
            raise BadOption("minimum", self.minimum, "0 or more slots")
        if self.maximum is not None and self.maximum < max(self.minimum, 1):
            raise BadOption("maximum", self.maximum, f"at least {max(self.minimum, 1)}")
        if self.draws < 1:
            raise BadOption("draws", self.draws, "a whole number above 0")
