"""Messages: what parent and child say to each other over their pipe; tasks and results, never pixels.

parent                         child
  ├────────────── Pipeline ────▶ │   what it will have to do
  │ ◀───────────── Ready ────────┤   what that needs is loaded
  ├──────── Task, term ────────▶ │   of the fence
  │ ◀───────────── Begun ────────┤   the header is read: this much memory, this picture
  ├─────────────── Go ─────────▶ │   only if the memory is more than a child may take unasked
  │ ◀───────────── Finished ─────┤
  ├─────────────── None ───────▶ │   end yourself
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import Any

from imgpipe.errors import FailureCode
from imgpipe.task import Failure, Outcome, Result
from imgpipe.usage import Usage


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


Said = Ready | Unfit | Begun | Finished


def heard(message: bytes) -> Said:
    """Return what a child has said. A picture may have taken it over: a pickle of anything but messages is not read.

    Raises `UnpicklingError`.
    """
    said = _Messages(io.BytesIO(message)).load()
    if not isinstance(said, Said):
        raise pickle.UnpicklingError(f"a child says {type(said).__name__}")
    return said


_KNOWN = (Ready, Unfit, Begun, Finished, Result, Failure, FailureCode, Outcome, Usage)


class _Messages(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Know the classes of messages, and no others."""
        for known in _KNOWN:
            if (module, name) == (known.__module__, known.__qualname__):
                return known
        raise pickle.UnpicklingError(f"a child names {module}.{name}")
