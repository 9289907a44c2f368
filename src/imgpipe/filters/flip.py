"""flip: mirrors a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from PIL import Image

from imgpipe.filters.base import Filter

if TYPE_CHECKING:
    from imgpipe.frame import Frame


class Flip(Filter, name="flip", kind="io", alpha="native", gil="releases", scratch=0.0):
    """Mirror the picture: `horizontal` swaps left and right, `vertical` swaps top and bottom.

    Source: `PIL.Image.transpose`.
    """

    direction: Annotated[Literal["horizontal", "vertical"], "which sides change places"] = "horizontal"

    def apply(self, frame: Frame) -> Frame:
        """Move every pixel, change none."""
        horizontal = self.direction == "horizontal"
        method = Image.Transpose.FLIP_LEFT_RIGHT if horizontal else Image.Transpose.FLIP_TOP_BOTTOM
        return frame.with_image(frame.image.transpose(method))
