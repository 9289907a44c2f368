"""Choice: which executor suits a run, and why, in words that are shown to the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgpipe.recipe import Recipe

FEW_PICTURES = 4
"""Below this number, starting workers gains nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The executor to use, its number of workers, and the reason."""

    name: str
    workers: int
    why: str


def choose(
    name: str,
    *,
    workers: int | None,
    cores: int,
    pictures: int,
    recipe: Recipe,
    timeout: bool = False,
    sandbox: bool = False,
    redis: bool = False,
) -> Choice:
    """Turn what the user asked for (`auto` or a name, workers or None for one per core) into a choice."""
    if name == "sequential":
        return Choice(name, 1, "as asked")
    count = workers or cores
    if name != "auto":
        return Choice(name, count, "as asked")
    if redis:
        return Choice("redis", count, "auto: a queue was named")
    if timeout:
        return Choice("processes", count, "auto: a time limit needs processes that can be ended")
    if sandbox:
        return Choice("processes", count, "auto: a sandbox needs processes that it can confine")
    if pictures < FEW_PICTURES:
        return Choice("sequential", 1, f"auto: {pictures} pictures are too few to share")
    if count == 1:
        return Choice(
            "sequential", 1, "auto: one worker is enough for one core" if workers is None else "auto: one worker"
        )
    homebound = recipe.pipeline.homebound
    if homebound:
        why = f"auto: children could not import {', '.join(homebound)} from the program itself"
        return Choice("threads", count, why)
    holders = _holders(recipe)
    if holders:
        return Choice("processes", count, f"auto: {', '.join(holders)} would let one thread run at a time")
    return Choice("threads", count, "auto: every step lets other threads run")


def _holders(recipe: Recipe) -> list[str]:
    """Return the steps that hold the interpreter's lock while they work."""
    holders = sorted({step.spec.name for step in recipe.pipeline.filters if step.spec.gil == "holds"})
    if recipe.write.format == "avif":
        holders.append("reading AVIF")
    if recipe.write.tiff_compression in ("lzw", "deflate"):
        holders.append("compressing TIFF")
    return holders
