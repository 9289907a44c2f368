"""Catalogue: the lessons by name, in the order in which they build on each other."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from imgpipe.errors import BadOption

if TYPE_CHECKING:
    from imgpipe.lessons.values import Lesson

NAMES = ("gil", "amdahl", "queueing", "backpressure", "crash")


def find(name: str) -> Lesson:
    """Return a lesson. Raises `BadOption` for an unknown name, with the nearest one."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        raise BadOption("lesson", name, f"one of {', '.join(NAMES)}" + (f"; did you mean {near[0]}?" if near else ""))
    lesson: Lesson = importlib.import_module(f"imgpipe.lessons.{name}").LESSON
    return lesson


def all_lessons() -> list[Lesson]:
    """Return all of them."""
    return [find(name) for name in NAMES]
