"""sharpen: unsharp mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from imgpipe.filters._opencv import opencv
from imgpipe.filters.base import Filter
from imgpipe.filters.parameters import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo

    Pixels = NDArray[np.uint8]


class Sharpen(Filter, name="sharpen", kind="cpu", backend="numpy", alpha="native", gil="releases", scratch=2.5):
    """Sharpen with an unsharp mask: `value + amount * (value - blurred)`, rounded, kept within 0 and 255.

    `blurred` is a Gaussian blur of 8 bits with standard deviation `sigma`; edges are continued outwards. Where a value
    differs from it by less than `threshold`, it stays. Alpha stays too; in the blur each pixel weighs as much as it is
    visible, so that colour hidden under alpha 0 never comes to light.

    Source: `cv2.GaussianBlur` and `cv2.addWeighted`.
    """

    amount: Annotated[float, Range(0, 100), "how much of the difference is added"] = 1.0
    sigma: Annotated[float, Range(0.1, 100), "standard deviation of the Gaussian, in pixels"] = 1.0
    threshold: Annotated[int, Range(0, 255), "smallest difference that counts, of 255"] = 0
    aliases = {"radius": "sigma"}  # noqa: RUF012 - read-only by its type in Filter

    @classmethod
    def warm_up(cls) -> None:
        """Load OpenCV."""
        opencv()

    def apply(self, frame: Frame) -> Frame:
        """Sharpen the colours."""
        pixels = frame.array
        if frame.mode not in ("LA", "RGBA"):
            return frame.with_array(self._sharpened(pixels, _blurred(pixels, self.sigma)))
        colours, alpha = np.ascontiguousarray(pixels[..., :-1]), pixels[..., -1]
        if alpha.min() == 255:
            blurred = _blurred(colours, self.sigma)
        else:
            blurred = _blurred_as_visible(colours, alpha, self.sigma)
        # OpenCV drops a last axis of one channel; reshaping brings it back.
        sharp = self._sharpened(colours, blurred.reshape(colours.shape)).reshape(colours.shape)
        return frame.with_array(np.dstack((sharp, alpha)))

    def is_identity(self, info: ImageInfo) -> bool:
        """Return whether the amount is zero."""
        del info
        return self.amount == 0

    def scratch(self, info: ImageInfo) -> float:
        """Return more for a picture with alpha, which is blurred in floating point."""
        return 5.0 if info.has_alpha else super().scratch(info)

    def _sharpened(self, pixels: Pixels, blurred: Pixels) -> Pixels:
        cv2 = opencv()
        sharp: Pixels = cv2.addWeighted(pixels, 1 + self.amount, blurred, -self.amount, 0)
        if self.threshold > 1:  # a difference of 0 is always left alone
            sharp = sharp.reshape(pixels.shape)
            np.copyto(sharp, pixels, where=cv2.absdiff(pixels, blurred).reshape(pixels.shape) < self.threshold)
        return sharp


def _blurred(pixels: NDArray[Any], sigma: float) -> Any:
    cv2 = opencv()
    return cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _blurred_as_visible(colours: Pixels, alpha: Pixels, sigma: float) -> Pixels:
    """Blur with every pixel weighing as much as its alpha; what has no visible pixel near it stays as it is."""
    weights = alpha.astype(np.float32)
    total = _blurred(weights, sigma)
    seen = total > 0
    blurred = colours.copy()
    for channel in range(colours.shape[2]):
        values = colours[..., channel] * weights
        values = _blurred(values, sigma)
        np.divide(values, total, out=values, where=seen)
        np.rint(values, out=values)
        np.copyto(blurred[..., channel], np.clip(values, 0, 255), where=seen, casting="unsafe")
    return blurred
