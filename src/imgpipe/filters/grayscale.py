"""grayscale: takes the colour out of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.filters.base import Filter

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo


class Grayscale(Filter, name="grayscale", kind="io", alpha="native", gil="releases", scratch=1.0):
    """Turn colours into grey, alpha kept. The result has one channel of colour, not three equal ones.

    Grey is the luma of ITU-R 601, `0.299 R + 0.587 G + 0.114 B`, of the picture in sRGB: a picture with another
    profile is converted first. A picture that is grey already stays as it is, its profile too.

    Source: `PIL.Image.convert`.
    """

    def plan(self, info: ImageInfo) -> ImageInfo:
        """Return a grey picture of the same size."""
        return info.in_mode("LA" if info.has_alpha else "L") if info.mode[0] != "L" else info

    def apply(self, frame: Frame) -> Frame:
        """Convert."""
        return frame.in_colours("L")

    def is_identity(self, info: ImageInfo) -> bool:
        """Whether such a picture is grey already."""
        return info.mode[0] == "L"
