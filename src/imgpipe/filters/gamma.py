"""gamma: makes the middle tones lighter or darker; black stays black and white stays white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np

from imgpipe.filters.parameters import Range
from imgpipe.filters.point import PointFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Gamma(PointFilter, name="gamma", kind="io", alpha="native", gil="releases", scratch=0.0):
    """Raise every colour value, as a share of 255, to the power of `1 / gamma`: above 1 lighter, below 1 darker.

    Source: the formula of ImageMagick's `-gamma`.
    """

    gamma: Annotated[float, Range(0.01, 100), "the exponent's inverse; 1 changes nothing"] = 1.0

    def curve(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Draw the curve `255 * (value / 255) ** (1 / gamma)`."""
        return 255 * np.power(values / 255, 1 / self.gamma)
