"""edges: finds the edges of what a picture shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from imgpipe.filters._opencv import opencv
from imgpipe.filters.base import Filter
from imgpipe.filters.parameters import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo

    Pixels = NDArray[np.uint8]

Threshold = float | Literal["auto"]


class Edges(
    Filter, name="edges", kind="cpu", backend="numpy", modes=("L",), alpha="native", gil="releases", scratch=8.0
):
    """Turn the picture into a greyscale picture of its edges, white on black, without alpha.

    First the picture becomes grey and is blurred with a Gaussian of standard deviation `sigma` (0: not at all). Then,
    with dx and dy from the 3x3 Sobel operator and m = sqrt(dx² + dy²), which is 4 for a step of one level:

    - `canny`: thin lines of 255 where m peaks above `high`, followed as long as it stays above `low`.
    - `sobel`: m / 4, rounded, at most 255.
    - `laplacian`: the absolute difference of a pixel's four neighbours from four times itself, at most 255.

    `high` auto is the value that nine tenths of all m do not exceed, at least 32: a step of 8 levels, so that the
    noise of a plain background is not an edge. `low` auto is 0.4 times `high`.

    Colour counts as much as it is visible, and an edge of alpha is an edge: both are looked at, the steeper one wins.

    Source: `cv2.Canny` with `L2gradient`, `cv2.Sobel`, `cv2.Laplacian`; edges of the picture are continued outwards.
    """

    method: Annotated[Literal["canny", "sobel", "laplacian"], "what is taken for an edge"] = "canny"
    low: Annotated[Threshold, Range(0, 1500), "where a line of canny ends"] = "auto"
    high: Annotated[Threshold, Range(0, 1500), "where a line of canny begins"] = "auto"
    sigma: Annotated[float, Range(0, 100), "blur before looking, in pixels"] = 1.0

    def validate(self) -> str:
        """Refuse thresholds that nobody reads, and a low one above the high one."""
        if self.method != "canny" and (self.low, self.high) != ("auto", "auto"):
            return f"low and high belong to method canny, not to {self.method}"
        if isinstance(self.low, float) and isinstance(self.high, float) and self.low > self.high:
            return f"low ({self.low:g}) is above high ({self.high:g})"
        return ""

    def plan(self, info: ImageInfo) -> ImageInfo:
        """Return a grey picture of the same size."""
        return info.in_mode("L")

    def scratch(self, info: ImageInfo) -> float:
        """Return less for a picture with alpha, which is four times as large itself."""
        return 4.5 if info.has_alpha else super().scratch(info)

    @classmethod
    def warm_up(cls) -> None:
        """Load OpenCV."""
        opencv()

    def apply(self, frame: Frame) -> Frame:
        """Look at the grey values, and at alpha if there is one."""
        planes = [self._smooth(plane) for plane in _planes(frame)]
        if self.method == "laplacian":
            return frame.with_array(_steepest([_laplacian(plane) for plane in planes]))
        if self.method == "sobel":
            return frame.with_array(_steepest([_sobel(*_gradient(plane)) for plane in planes]))
        dx, dy = _steepest_gradient([_gradient(plane) for plane in planes])
        low, high = self._thresholds(dx, dy)
        return frame.with_array(opencv().Canny(dx, dy, low, high, L2gradient=True))

    def _smooth(self, plane: Pixels) -> Any:
        cv2 = opencv()
        return cv2.GaussianBlur(plane, (0, 0), self.sigma, borderType=cv2.BORDER_REPLICATE) if self.sigma else plane

    def _thresholds(self, dx: NDArray[np.int16], dy: NDArray[np.int16]) -> tuple[float, float]:
        high = self.high if isinstance(self.high, float) else max(32.0, float(_ninth_decile(dx, dy)))
        if not isinstance(self.low, float):
            return 0.4 * high, high
        # Only an automatic high threshold can be below the low one here: it gives way.
        return self.low, max(self.low, high)


def _planes(frame: Frame) -> list[Pixels]:
    pixels = frame.array
    if frame.mode == "L":
        return [pixels]
    grey, alpha = pixels[..., 0], np.ascontiguousarray(pixels[..., 1])
    # Grey over black and alpha together tell all that is visible: a black shape on nothing has an outline in alpha.
    visible = (grey.astype(np.uint16) * alpha + 127) // 255
    return [visible.astype(np.uint8), alpha]


def _gradient(plane: Pixels) -> tuple[Any, Any]:
    cv2 = opencv()
    return (
        cv2.Sobel(plane, cv2.CV_16S, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE),
        cv2.Sobel(plane, cv2.CV_16S, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE),
    )


def _steepest_gradient(gradients: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    (dx, dy), *others = gradients
    for other_dx, other_dy in others:
        steeper = np.hypot(other_dx, other_dy, dtype=np.float32) > np.hypot(dx, dy, dtype=np.float32)
        np.copyto(dx, other_dx, where=steeper)
        np.copyto(dy, other_dy, where=steeper)
    return dx, dy


def _sobel(dx: Any, dy: Any) -> Pixels:
    magnitude: NDArray[np.float32] = np.hypot(dx, dy, dtype=np.float32)
    magnitude /= 4
    np.rint(magnitude, out=magnitude)
    np.minimum(magnitude, 255, out=magnitude)
    return magnitude.astype(np.uint8)


def _laplacian(plane: Pixels) -> Pixels:
    cv2 = opencv()
    curved: NDArray[np.int16] = cv2.Laplacian(plane, cv2.CV_16S, ksize=1, borderType=cv2.BORDER_REPLICATE)
    return np.minimum(np.abs(curved, out=curved), 255).astype(np.uint8)


def _steepest(maps: list[Pixels]) -> Pixels:
    return maps[0] if len(maps) == 1 else np.maximum(maps[0], maps[1])


_ROWS = 512
"""Rows of a picture that are counted at a time, to keep memory small."""
_MANY = 1 << 18
"""Pixels above which a quarter of them tells as much as all."""


def _ninth_decile(dx: NDArray[np.int16], dy: NDArray[np.int16]) -> int:
    """Return the smallest whole number that nine tenths of the gradients, rounded, do not exceed.

    Of large pictures every other pixel of every other row is looked at.
    """
    step = 2 if dx.size > _MANY else 1
    counts = np.zeros(1501, dtype=np.int64)
    for row in range(0, len(dx), _ROWS):
        across = dx[row : row + _ROWS : step, ::step].astype(np.float32)
        down = dy[row : row + _ROWS : step, ::step].astype(np.float32)
        steepness = opencv().magnitude(across, down)
        counts += np.bincount(np.rint(steepness).astype(np.intp).ravel(), minlength=len(counts))
    return int(np.searchsorted(np.cumsum(counts), 0.9 * counts.sum()))
