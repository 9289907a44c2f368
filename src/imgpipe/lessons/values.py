"""Values: what a lesson asks, and what its run has found; and how a prediction compares with that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_CLOSE = 0.15  # of the answer

DISTURBED = "Others used the cores meanwhile (see the notes): try it again when the machine has nothing else to do."

Say = Callable[[str], None]
"""Is told what is being done, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a run has found: the `answer` to the question, the numbers behind it, and what they mean.

    `rows` are names and values as people read them, `explanation` paragraphs made from them, `notes` what has to be
    known of this run. `data` is for machines, with units in names.
    """

    answer: float
    rows: tuple[tuple[str, str], ...]
    explanation: tuple[str, ...]
    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """An experiment. `run(quick, say)` takes `seconds`, about a tenth of that if `quick`; `code` is where to read on.

    The prediction is a number, in `unit`.
    """

    name: str
    title: str
    setting: str
    question: str
    unit: str
    seconds: int
    run: Callable[[bool, Say], Finding]
    code: tuple[str, ...]


def compared(prediction: float, answer: float) -> str:
    """Return how a prediction compares with what was measured, in words."""
    if prediction == answer:
        return "exactly right"
    if answer and abs(prediction - answer) <= _CLOSE * abs(answer):
        return "close: within 15 %"
    direction = "too high" if prediction > answer else "too low"
    if prediction > 0 and answer > 0:
        factor = max(prediction / answer, answer / prediction)
        return (
            f"{direction}, by a factor of {factor:.1f}"
            if factor >= 1.95
            else f"{direction}, by {100 * (factor - 1):.0f} %"
        )
    return direction
