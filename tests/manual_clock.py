"""ManualClock: time that passes only when a test says so."""

from __future__ import annotations


class ManualClock:
    """Gives seconds, from a round number on."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
