"""blur: Gaussian blur."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from PIL import ImageFilter

from imgpipe.filters.base import Filter
from imgpipe.filters.parameters import Range

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo


class Blur(Filter, name="blur", kind="io", alpha="premultiply", gil="releases", scratch=1.0):
    """Blur with a Gaussian. `radius` is its standard deviation in pixels, as in Pillow (elsewhere called sigma).

    Source: `PIL.ImageFilter.GaussianBlur`: three extended box blurs, each of which continues the edges outwards.
    """

    radius: Annotated[float, Range(0, 250), "standard deviation of the Gaussian, in pixels"] = 2.0
    aliases = {"sigma": "radius"}  # noqa: RUF012 - read-only by its type in Filter

    def apply(self, frame: Frame) -> Frame:
        """Blur colour, premultiplied, and alpha alike."""
        return frame.with_image(frame.image.filter(ImageFilter.GaussianBlur(self.radius)))

    def is_identity(self, info: ImageInfo) -> bool:
        """Return whether the radius is zero."""
        del info
        return self.radius == 0
