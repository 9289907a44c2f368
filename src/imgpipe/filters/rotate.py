"""rotate: turns a picture by any angle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from PIL import Image

from imgpipe.filters._canvas import COLOUR, canvas_mode, ink, on_canvas, placed, with_room_for
from imgpipe.filters.base import Filter
from imgpipe.filters.parameters import Range

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo

Size = tuple[int, int]

# Pillow turns counter-clockwise.
_QUARTERS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


class Rotate(Filter, name="rotate", kind="io", alpha="premultiply", gil="releases", scratch=1.0):
    """Turn the picture by `angle` degrees, clockwise, about its centre.

    With `expand` the canvas grows until the whole picture lies on it; without, it keeps its size and corners are cut
    off. What the picture leaves empty becomes `background`, which may add alpha or colour. Multiples of 90 degrees
    move pixels and change none.

    Source: `PIL.Image.transform` with bicubic interpolation, `PIL.Image.transpose` for multiples of 90.
    """

    angle: Annotated[float, Range(-36000, 36000), "degrees, clockwise"]
    expand: Annotated[bool, "whether the canvas grows with the picture"] = True
    background: Annotated[str, COLOUR, "what fills the corners"] = "#ffffff"

    def plan(self, info: ImageInfo) -> ImageInfo:
        """Return the size of the canvas, and the layout that holds its background."""
        size = (info.width, info.height)
        covered = self._is_quarter and self._canvas(size) == self._turned(size)
        mode = info.mode if covered else canvas_mode(info.mode, self.background)
        return info.resized(*self._canvas(size)).in_mode(mode)

    def apply(self, frame: Frame) -> Frame:
        """Turn by transposing where that is exact, else by interpolating."""
        size = (frame.width, frame.height)
        canvas, angle = self._canvas(size), self.angle % 360
        if self._is_quarter:
            turned = frame.image.transpose(_QUARTERS[int(angle)]) if angle else frame.image
            frame = frame.with_image(turned)
            if canvas == turned.size:
                return frame
            return on_canvas(frame, canvas, placed(canvas, turned.size, "center"), self.background)
        frame = with_room_for(frame, self.background).premultiplied()
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        # Pillow wants the way back: from a point of the result to the point of the source that shows there.
        across, down = canvas[0] / 2, canvas[1] / 2
        back = (
            *(cos, sin, size[0] / 2 - cos * across - sin * down),
            *(-sin, cos, size[1] / 2 + sin * across - cos * down),
        )
        fill = ink(self.background, frame.mode)
        kernel = Image.Resampling.BICUBIC
        return frame.with_image(frame.image.transform(canvas, Image.Transform.AFFINE, back, kernel, fillcolor=fill))

    def is_identity(self, info: ImageInfo) -> bool:
        """Whole turns change nothing."""
        del info
        return self.angle % 360 == 0

    @property
    def _is_quarter(self) -> bool:
        return self.angle % 90 == 0

    def _turned(self, size: Size) -> Size:
        """Return the smallest canvas that holds the whole turned picture."""
        if self._is_quarter:
            return size if self.angle % 180 == 0 else (size[1], size[0])
        cos, sin = abs(math.cos(math.radians(self.angle))), abs(math.sin(math.radians(self.angle)))
        width, height = size[0] * cos + size[1] * sin, size[0] * sin + size[1] * cos
        # The noise of floating point must not add a column.
        return math.ceil(width - 1e-6), math.ceil(height - 1e-6)

    def _canvas(self, size: Size) -> Size:
        return self._turned(size) if self.expand else size
