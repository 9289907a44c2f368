"""contrast: pulls values apart or together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from imgpipe.filters.parameters import Range
from imgpipe.filters.point import PointFilter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Contrast(PointFilter, name="contrast", kind="io", alpha="native", gil="releases", scratch=0.0):
    """Multiply every colour value's distance from `pivot` by `factor`; 1 leaves the picture as it is, 0 makes it flat.

    Source: the line of `PIL.ImageEnhance.Contrast`, about a fixed value instead of the picture's mean, so that equal
    pixels stay equal in all pictures of a batch.
    """

    factor: Annotated[float, Range(0, 100), "what the distance is multiplied by"] = 1.0
    pivot: Annotated[float, Range(0, 255), "the value that stays, of 255"] = 128.0

    def curve(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Draw the line through (pivot, pivot) with slope `factor`."""
        return (values - self.pivot) * self.factor + self.pivot
