"""crop: cuts a rectangle out of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from imgpipe.errors import FailureCode, PictureError
from imgpipe.filters._canvas import SIDE, Gravity, box_words, placed
from imgpipe.filters.base import Filter
from imgpipe.filters.parameters import Range

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo

_OFFSET = Range(0, 65534)


class Crop(Filter, name="crop", kind="io", alpha="native", gil="releases", scratch=0.0):
    """Keep a rectangle of `width` x `height` pixels. `crop:400x300`, `crop:400x300,north`, `crop:400x300,x=10,y=20`.

    With `x` and `y` the rectangle lies there, and a picture that does not reach its end fails. Without them it lies at
    `gravity`, and a picture that is smaller than the rectangle keeps what it has: nothing is added (see `pad`).

    Source: `PIL.Image.crop`.
    """

    width: Annotated[int, SIDE, "width of the rectangle, in pixels"]
    height: Annotated[int, SIDE, "height of the rectangle, in pixels"]
    gravity: Annotated[Gravity, "where the rectangle lies"] = "center"
    x: Annotated[int | None, _OFFSET, "left edge of the rectangle, instead of gravity"] = None
    y: Annotated[int | None, _OFFSET, "upper edge of the rectangle, instead of gravity"] = None

    def validate(self) -> str:
        """Insist on one way to say where: x and y, or gravity."""
        if (self.x is None) != (self.y is None):
            return "give both x and y, or neither"
        return "give x and y or gravity, not both" if self.x is not None and self.gravity != "center" else ""

    @classmethod
    def from_positional(cls, words: list[str]) -> dict[str, object]:
        """Read `400x300` as the first value."""
        return super().from_positional(box_words(words))

    def plan(self, info: ImageInfo) -> ImageInfo:
        """Return the size of the rectangle; raises FILTER_FAILED where it leaves the picture."""
        left, top, right, bottom = self._rectangle(info.width, info.height)
        return info.resized(right - left, bottom - top)

    def apply(self, frame: Frame) -> Frame:
        """Cut."""
        return frame.with_image(frame.image.crop(self._rectangle(frame.width, frame.height)))

    def is_identity(self, info: ImageInfo) -> bool:
        """Whether the rectangle is the whole picture."""
        return self._rectangle(info.width, info.height) == (0, 0, info.width, info.height)

    def _rectangle(self, width: int, height: int) -> tuple[int, int, int, int]:
        if self.x is None or self.y is None:
            size = (min(self.width, width), min(self.height, height))
            left, top = placed((width, height), size, self.gravity)
            return left, top, left + size[0], top + size[1]
        right, bottom = self.x + self.width, self.y + self.height
        if right > width or bottom > height:
            message = f"{self} reaches to {right},{bottom} and leaves a picture of {width}x{height}"
            raise PictureError(FailureCode.FILTER_FAILED, message, "use gravity instead of x and y, or pad before")
        return self.x, self.y, right, bottom
