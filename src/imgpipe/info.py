"""ImageInfo: what is known about a picture from its header alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Mode = Literal["L", "LA", "RGB", "RGBA", "La", "RGBa"]
"""The pixel layouts that pipelines work in; a small `a` means that colour is premultiplied by alpha."""

BYTES_PER_PIXEL = {"L": 1, "LA": 4, "La": 4, "RGB": 4, "RGBA": 4, "RGBa": 4}
"""What one pixel costs in memory: Pillow pads everything but greyscale to four bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """A picture as its header describes it; no pixel has been decoded.

    `width` and `height` (pixels) are those of the upright picture, after its orientation is applied. `mode` is the
    layout that filters will see, `stored_mode` the one on disk. `bits` is the depth of one channel on disk.
    """

    width: int
    height: int
    mode: Mode
    format: str = ""
    stored_mode: str = ""
    bits: int = 8
    frames: int = 1
    paged: bool = False
    orientation: int = 1
    progressive: bool = False
    has_profile: bool = False
    file_bytes: int = 0

    @property
    def pixels(self) -> int:
        """Pixels of one frame."""
        return self.width * self.height

    @property
    def megapixels(self) -> float:
        """Millions of pixels, all frames together."""
        return self.pixels * self.frames / 1e6

    @property
    def has_alpha(self) -> bool:
        """Whether the picture has an alpha channel."""
        return self.mode[-1] in "Aa"

    @property
    def frame_bytes(self) -> int:
        """Memory of one decoded frame."""
        return self.pixels * BYTES_PER_PIXEL[self.mode]

    def resized(self, width: int, height: int) -> ImageInfo:
        """Return the same picture with another size."""
        return replace(self, width=width, height=height)

    def in_mode(self, mode: Mode) -> ImageInfo:
        """Return the same picture with another pixel layout."""
        return replace(self, mode=mode)
