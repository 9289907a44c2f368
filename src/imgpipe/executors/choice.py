"""Choice: which executor suits a run, and why, in words that are shown to the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgpipe.pipeline import Pipeline

FEW_PICTURES = 4
"""Below this number, starting workers gains nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The executor to use, its number of workers, and the reason."""

    name: str
    workers: int
    why: str


def choose(name: str, *, workers: int | None, cores: int, pictures: int, pipeline: Pipeline) -> Choice:
    """Turn what the user asked for (`auto` or a name, workers or None) into a choice."""
    if name == "sequential":
        return Choice(name, 1, "as asked")
    if name != "auto":
        return Choice(name, workers or cores, "as asked")
    if pictures < FEW_PICTURES:
        return Choice("sequential", 1, f"auto: {pictures} pictures are too few to share")
    if (workers or cores) == 1:
        return Choice(
            "sequential", 1, "auto: there is one core to use" if workers is None else "auto: one worker asked"
        )
    holding = sorted({step.spec.name for step in pipeline.filters if step.spec.gil == "holds"})
    if holding:
        return Choice(
            "threads", workers or cores, f"auto: reading and writing overlap; {', '.join(holding)} take turns"
        )
    return Choice("threads", workers or cores, "auto: every step lets other threads run")
