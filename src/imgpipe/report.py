"""Report: adds results up in a constant amount of memory, however many there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgpipe.task import Outcome

if TYPE_CHECKING:
    from imgpipe.errors import FailureCode
    from imgpipe.task import Result

EXAMPLES_PER_CODE = 5


@dataclass(slots=True)
class FailureGroup:
    """All failures with the same code: how many, and the first few of them."""

    count: int = 0
    examples: list[Result] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What became of a run.

    `seconds` is the time on the clock, `stage_seconds` the time of all workers by stage; `stopped` says why the run
    ended before its end, if it did.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    failures: dict[FailureCode, FailureGroup] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    stage_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    megapixels: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    stopped: str = ""

    def add(self, result: Result) -> None:
        """Count one more result."""
        self.outcomes[result.outcome] += 1
        self.notes.update(result.notes)
        self.megapixels += result.megapixels
        if result.outcome is not Outcome.SKIPPED:
            self.bytes_in += result.bytes_in
        self.bytes_out += result.bytes_out
        for stage, seconds in result.seconds.items():
            self.stage_seconds[stage] += seconds
        if result.failure is not None:
            group = self.failures.setdefault(result.failure.code, FailureGroup())
            group.count += 1
            if len(group.examples) < EXAMPLES_PER_CODE:
                group.examples.append(result)

    @property
    def total(self) -> int:
        """Pictures with a result."""
        return self.outcomes.total()

    @property
    def done(self) -> int:
        """Pictures that were processed."""
        return self.outcomes[Outcome.DONE]

    @property
    def skipped(self) -> int:
        """Pictures for which nothing had to be done."""
        return self.outcomes[Outcome.SKIPPED]

    @property
    def failed(self) -> int:
        """Pictures without an output, whoever's fault it was."""
        return self.outcomes[Outcome.FAILED] + self.outcomes[Outcome.LOST]

    @property
    def pictures_per_second(self) -> float:
        """Processed pictures by time on the clock."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def megapixels_per_second(self) -> float:
        """Decoded megapixels by time on the clock."""
        return self.megapixels / self.seconds if self.seconds > 0 else 0.0

    def to_data(self) -> dict[str, Any]:
        """Return the report as JSON-like data."""
        return {
            **{outcome.value: self.outcomes[outcome] for outcome in Outcome},
            "seconds": round(self.seconds, 3),
            "pictures_per_second": round(self.pictures_per_second, 2),
            "megapixels_per_second": round(self.megapixels_per_second, 2),
            "megapixels": round(self.megapixels, 3),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "stage_seconds": {stage: round(seconds, 3) for stage, seconds in self.stage_seconds.items()},
            "failures": {code.value: group.count for code, group in self.failures.items()},
            "notes": dict(self.notes),
            "stopped": self.stopped,
        }
