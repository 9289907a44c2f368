"""Trail: what has been needed in the last minutes; the one thing that an advice remembers for the next."""

from __future__ import annotations

from dataclasses import dataclass

QUIET_SECONDS = 300.0
"""So long fewer slots have to suffice before one is given up."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What was needed at one moment, what may well have been, and how many slots the arriving work kept busy."""

    at_seconds: float
    slots: int
    likely_slots: int
    erlangs: float


@dataclass(frozen=True, slots=True)
class Trail:
    """Moments of the last minutes, the newest last, each of them once."""

    moments: tuple[Needed, ...] = ()

    def noted(self, moment: Needed) -> Trail:
        """Return the trail with one moment more, and without those that are too old."""
        oldest = moment.at_seconds - QUIET_SECONDS
        return Trail((*(one for one in self.moments if oldest <= one.at_seconds < moment.at_seconds), moment))

    @property
    def highest_slots(self) -> int:
        """The most that may well have been needed."""
        return max((moment.likely_slots for moment in self.moments), default=0)

    @property
    def highest_erlangs(self) -> float:
        """The most slots that were kept busy."""
        return max((moment.erlangs for moment in self.moments), default=0.0)

    def seen_seconds(self, longest_gap_seconds: float) -> float:
        """Return for how long there have been moments, none further from the next than `longest_gap_seconds`."""
        seen = 0.0
        for index in range(len(self.moments) - 1, 0, -1):
            gap = self.moments[index].at_seconds - self.moments[index - 1].at_seconds
            if gap > longest_gap_seconds:
                break
            seen += gap
        return seen
