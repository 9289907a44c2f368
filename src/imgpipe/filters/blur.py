"""blur: Gaussian blur."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from PIL import ImageFilter

from imgpipe.filters._opencv import opencv
from imgpipe.filters.base import Filter
from imgpipe.filters.parameters import Range

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo

MOST_BY_KERNEL = 10.0
"""Up to this radius the Gaussian itself is computed. Its time grows with the radius; Pillow's boxes always take the
same, and from here on nobody sees the difference."""


class Blur(Filter, name="blur", kind="io", backend="numpy", alpha="premultiply", gil="releases", scratch=1.0):
    """Blur with a Gaussian. `radius` is its standard deviation in pixels, as in Pillow (elsewhere called sigma).

    Edges are continued outwards. Source: `cv2.GaussianBlur` up to a radius of 10, five times as fast as Pillow and true
    to the edges; above, `PIL.ImageFilter.GaussianBlur`: three box blurs, which take the same time for every radius.
    """

    radius: Annotated[float, Range(0, 250), "standard deviation of the Gaussian, in pixels"] = 2.0
    aliases = {"sigma": "radius"}  # noqa: RUF012 - read-only by its type in Filter

    @classmethod
    def warm_up(cls) -> None:
        """Load OpenCV."""
        opencv()

    def apply(self, frame: Frame) -> Frame:
        """Blur colour, premultiplied, and alpha alike."""
        if self.radius == 0:
            return frame  # OpenCV knows no kernel without a width
        if self.radius > MOST_BY_KERNEL:
            pillow = frame.in_pillow()
            return pillow.with_image(pillow.image.filter(ImageFilter.GaussianBlur(self.radius)))
        cv2 = opencv()
        blurred = cv2.GaussianBlur(frame.array, (0, 0), self.radius, borderType=cv2.BORDER_REPLICATE)
        return frame.with_array(blurred)

    def is_identity(self, info: ImageInfo) -> bool:
        """Return whether the radius is zero."""
        del info
        return self.radius == 0
