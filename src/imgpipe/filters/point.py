"""PointFilter: the base of filters that change each pixel by itself, through a table of 256 values."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from imgpipe.filters.base import Filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo


class PointFilter(Filter):
    """A filter defined by a curve from 0..255 to 0..255; alpha is left alone."""

    @abstractmethod
    def curve(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the new values of `values` (0 to 255, any shape); the result is clipped and rounded by the caller."""

    def table(self) -> list[int]:
        """The curve as 256 whole numbers, rounded half up."""
        values = self.curve(np.arange(256, dtype=np.float64))
        return [int(value) for value in np.floor(np.clip(values, 0, 255) + 0.5)]

    def apply(self, frame: Frame) -> Frame:
        """Look every colour value up in the table."""
        image = frame.image
        channels = len(image.getbands())
        table = self.table()
        if frame.mode.endswith("A"):
            return frame.with_image(image.point(table * (channels - 1) + list(range(256))))
        return frame.with_image(image.point(table * channels))

    def is_identity(self, info: ImageInfo) -> bool:
        """Whether the table maps every value to itself."""
        del info
        return self.table() == list(range(256))
