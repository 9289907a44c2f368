"""Task and Result: what goes into an executor and what comes out; frozen values that can travel anywhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgpipe.errors import FailureCode
    from imgpipe.recipe import Recipe
    from imgpipe.usage import Usage


class Outcome(StrEnum):
    """How a task ended, named by whose doing it was."""

    DONE = "done"
    SKIPPED = "skipped"
    """Nothing had to be done: the output is there and up to date."""
    FAILED = "failed"
    """The picture's, the recipe's or the disk's fault: another try gives the same."""
    LOST = "lost"
    """The worker's fault: it died or hung."""


@dataclass(frozen=True, slots=True)
class Task:
    """One picture to process: what to do, nothing about when or where.

    `replace` allows an existing target to be replaced; without it, publishing fails if the target has appeared.
    `durable` waits until the output has reached the disk. `measure_queue` also measures how long the task waits for a
    core, see `Usage`. With `once`, a target that already is what would be published is left alone, and the task is
    done: it may have been run before, by a worker that could not say so.
    """

    id: str
    source: str
    target: str
    recipe: Recipe
    replace: bool = True
    durable: bool = False
    measure_queue: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task failed: a stable code, a sentence, what to do about it, and the stage in which it happened.

    `passing` says that another try may succeed: the storage did not answer, say.
    """

    code: FailureCode
    message: str
    remedy: str = ""
    stage: str = ""
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one task.

    `seconds` holds the time per stage (header, decode, filter, encode, publish) in the order in which they ran.
    `width`, `height` are those of the output, `megapixels` those that were decoded. `notes` name, as stable words,
    what had to be given up or assumed (`flattened`, `frames-dropped`, …).
    """

    task_id: str
    source: str
    target: str
    outcome: Outcome
    seconds: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    format: str = ""
    width: int = 0
    height: int = 0
    megapixels: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    conversions: int = 0
    worker: str = ""
    attempt: int = 1
    usage: Usage | None = None

    @property
    def ok(self) -> bool:
        """Whether the output is there."""
        return self.outcome in (Outcome.DONE, Outcome.SKIPPED)

    @property
    def total_seconds(self) -> float:
        """Time of all stages."""
        return sum(self.seconds.values())

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-like data; reports and events are made of it."""
        data = asdict(self) | {"notes": list(self.notes)}
        if self.failure is not None:
            del data["failure"]["passing"]  # for queues, which act on it; whoever reads this has the last word
        data["seconds"] = {stage: round(seconds, 6) for stage, seconds in self.seconds.items()}
        if self.usage is not None:
            data["usage"] = {name: value and round(value, 6) for name, value in data["usage"].items()}
        return data
