"""Filters that do not always give the same; `comparison_samples.register_chance` registers them for one test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from imgpipe import Filter

if TYPE_CHECKING:
    from imgpipe import Frame


class Chance(Filter, name="test.chance", modes=("L", "RGB"), backend="numpy"):
    """Replace the pixels by noise that nobody has seen before."""

    def apply(self, frame: Frame) -> Frame:
        """Throw the dice."""
        shape = frame.array.shape
        return frame.with_array(np.frombuffer(os.urandom(int(np.prod(shape))), np.uint8).reshape(shape))


class OnlyChildren(Filter, name="test.only_children", modes=("L", "RGB"), backend="numpy"):
    """Give black in children and white elsewhere."""

    def apply(self, frame: Frame) -> Frame:
        """Look where this runs."""
        import multiprocessing

        return frame.with_array(np.full_like(frame.array, 0 if multiprocessing.parent_process() else 255))
