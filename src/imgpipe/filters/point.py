"""PointFilter: the base of filters that change each pixel by itself, through a table of 256 values."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from imgpipe.filters.base import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo


class PointFilter(Filter):
    """A filter defined by a curve from 0..255 to 0..255; alpha is left alone."""

    @abstractmethod
    def curve(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the new values of `values` (0 to 255, any shape); the result is clipped and rounded by the caller."""

    def apply(self, frame: Frame) -> Frame:
        """Look every colour value up in the table of the curve."""
        return through_table(frame, table_of([self]))

    def is_identity(self, info: ImageInfo) -> bool:
        """Return whether the table maps every value to itself."""
        del info
        return table_of([self]) == _IDENTITY

    @property
    def fuses(self) -> bool:
        """Whether the curve is all there is to it, so that it can be one with its neighbours'."""
        return type(self).apply is PointFilter.apply and self.spec.modes >= {"L", "RGB"}


def table_of(steps: Sequence[PointFilter]) -> list[int]:
    """Return curves, one after the other, as a table of 256 whole numbers: clipped after each, rounded once."""
    values = np.arange(256, dtype=np.float64)
    for step in steps:
        values = np.clip(step.curve(values), 0, 255)
    return [int(value) for value in np.floor(values + 0.5)]


def through_table(frame: Frame, table: list[int]) -> Frame:
    """Return the frame, which is not premultiplied, with every colour value looked up in the table."""
    if table == _IDENTITY:
        return frame
    image = frame.image
    channels = len(image.getbands())
    tables = table * (channels - 1) + _IDENTITY if frame.mode[-1] == "A" else table * channels
    return frame.with_image(image.point(tables))


_IDENTITY = list(range(256))
