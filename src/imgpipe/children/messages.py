"""Messages: what parent and child say to each other over their pipe; tasks and results, never pixels.

parent                         child
  ├────────────── Pipeline ────▶ │   what it will have to do
  │ ◀───────────── Ready ────────┤   what that needs is loaded
  ├─────────────── Task ───────▶ │
  │ ◀───────────── Begun ────────┤   the header is read: this much memory, this picture
  ├─────────────── Go ─────────▶ │   only if the memory is more than a child may take unasked
  │ ◀───────────── Finished ─────┤
  ├─────────────── None ───────▶ │   end yourself
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgpipe.task import Result


@dataclass(frozen=True, slots=True)
class Ready:
    """The child has imported what it needs; `rss_bytes` is what it weighs without a picture."""

    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Unfit:
    """The child cannot import what its pictures need, or cannot read what it was sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The child has read the header of its picture and is about to decode it, or `asks` for the memory first."""

    needed_bytes: int
    picture: str
    asks: bool


@dataclass(frozen=True, slots=True)
class Go:
    """The memory is there."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The child has a result; `rss_bytes` is what it weighs now."""

    result: Result
    rss_bytes: int
