"""brightness: makes a picture lighter or darker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from imgpipe.filters.parameters import Range
from imgpipe.filters.point import PointFilter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Brightness(PointFilter, name="brightness", kind="io", alpha="native", gil="releases", scratch=0.0):
    """Multiply every colour value by `factor`, then add `offset`; 1 and 0 leave the picture as it is.

    Source: the same as `PIL.ImageEnhance.Brightness` for offset 0, but rounded instead of cut off, and without
    holding the interpreter.
    """

    factor: Annotated[float, Range(0, 100), "what every value is multiplied by"] = 1.0
    offset: Annotated[float, Range(-255, 255), "what is added afterwards, of 255"] = 0.0

    def curve(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Draw the line `values * factor + offset`."""
        return values * self.factor + self.offset
