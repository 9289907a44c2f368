"""teach: filters to learn from: one computes in pure Python and lets no other thread run, one only waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import numpy as np

from imgpipe.filters.base import Filter
from imgpipe.filters.parameters import Range

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo


class PyBlur(Filter, name="teach.pyblur", kind="cpu", backend="numpy", alpha="premultiply", gil="holds", scratch=24.0):
    """Blur with a box, value by value in pure Python: slow, and no other thread runs meanwhile.

    `imgpipe compare` shows by it what the GIL does to threads. The box has `2 * radius + 1` pixels; edges are continued
    outwards. The time does not depend on the radius: about a second for a megapixel. Take small pictures.
    """

    radius: Annotated[int, Range(1, 250), "pixels on each side that count"] = 1

    def apply(self, frame: Frame) -> Frame:
        """Blur along the rows, then along the columns."""
        pixels = frame.array
        for _ in range(2):  # each pass lays the picture on its side, so that two leave it upright
            rows = [
                [_box_blurred(channel, self.radius) for channel in line.reshape(len(line), -1).T.tolist()]
                for line in pixels
            ]
            pixels = np.array(rows, dtype=np.uint8).transpose(2, 0, 1)
        return frame.with_array(np.ascontiguousarray(pixels).reshape(frame.array.shape))


class IoWait(Filter, name="teach.iowait", kind="io", alpha="native", gil="releases", scratch=0.0):
    """Wait, as for a disk or a network, and leave the pixels as they are. It needs no core, and lets threads run.

    `imgpipe compare` shows by it that more workers than cores can be right.
    """

    milliseconds: Annotated[float, Range(0, 10_000), "how long"] = 10.0

    def apply(self, frame: Frame) -> Frame:
        """Wait."""
        time.sleep(self.milliseconds / 1000)  # noqa: TID251 - waiting is what it is for
        return frame

    def is_identity(self, info: ImageInfo) -> bool:
        """Return whether there is nothing to wait for."""
        del info
        return self.milliseconds == 0


def _box_blurred(values: list[int], radius: int) -> list[int]:
    """Return the rounded means of a sliding box, by a running sum."""
    padded = values[:1] * radius + values + values[-1:] * radius
    width = 2 * radius + 1
    total = sum(padded[:width])
    blurred = [(2 * total + width) // (2 * width)]
    for before, after in zip(padded, padded[width:], strict=False):
        total += after - before
        blurred.append((2 * total + width) // (2 * width))
    return blurred
