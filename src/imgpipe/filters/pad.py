"""pad: puts a picture on a larger canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from imgpipe.filters._canvas import COLOUR, SIDE, Gravity, box_words, canvas_mode, on_canvas, placed
from imgpipe.filters.base import Filter

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo


class Pad(Filter, name="pad", kind="io", alpha="native", gil="releases", scratch=1.0):
    """Extend the picture to `width` x `height` pixels with `background`. `pad:800x600`, `pad:800x600,north`.

    A side that is long enough already, or not given, stays: nothing is cut off (see `crop`). A background that is
    translucent or coloured gives the picture alpha or colour. It fills the new area only: it does not shine through
    the picture's own transparency.

    Source: `PIL.Image.paste`.
    """

    width: Annotated[int | None, SIDE, "width of the canvas, in pixels"] = None
    height: Annotated[int | None, SIDE, "height of the canvas, in pixels"] = None
    gravity: Annotated[Gravity, "where the picture lies on the canvas"] = "center"
    background: Annotated[str, COLOUR, "colour of the canvas"] = "#ffffff"

    def validate(self) -> str:
        """Insist on a side."""
        return "" if self.width or self.height else "give width, height or both, as pad:800x600"

    @classmethod
    def from_positional(cls, words: list[str]) -> dict[str, object]:
        """Read `800x600` as the first value."""
        return super().from_positional(box_words(words))

    def plan(self, info: ImageInfo) -> ImageInfo:
        """Return the size of the canvas, and the layout that holds its colour."""
        if self.is_identity(info):
            return info
        return info.resized(*self._canvas(info.width, info.height)).in_mode(canvas_mode(info.mode, self.background))

    def apply(self, frame: Frame) -> Frame:
        """Paste the picture onto the canvas."""
        size = (frame.width, frame.height)
        canvas = self._canvas(*size)
        return on_canvas(frame, canvas, placed(canvas, size, self.gravity), self.background)

    def is_identity(self, info: ImageInfo) -> bool:
        """Whether the picture is as large as the canvas."""
        return self._canvas(info.width, info.height) == (info.width, info.height)

    def _canvas(self, width: int, height: int) -> tuple[int, int]:
        return max(self.width or 1, width), max(self.height or 1, height)
