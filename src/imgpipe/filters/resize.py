"""resize: makes pictures fit a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from PIL import Image

from imgpipe.errors import FailureCode, PictureError
from imgpipe.filters._canvas import COLOUR, MAX_SIDE, SIDE, box_words, canvas_mode, on_canvas, placed
from imgpipe.filters.base import Filter

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a resize does to pictures of one size.

    `region` (left, top, right, bottom; source pixels, may be fractional) is scaled to `scaled` (width, height), which
    is then centred on a canvas of size `canvas`.
    """

    region: tuple[float, float, float, float]
    scaled: Size
    canvas: Size

    @property
    def only_crops(self) -> bool:
        """Whether every pixel stays as it is and some are left out."""
        left, top, right, bottom = self.region
        return (right - left, bottom - top) == self.scaled


class Resize(Filter, name="resize", kind="io", alpha="premultiply", gil="releases", scratch=1.0):
    """Make the picture fit a box of `width` x `height` pixels. `resize:800x600`, `resize:800x`, `resize:x600`.

    - `inside`: as big as fits into the box; the aspect stays.
    - `outside`: as small as covers the box; the aspect stays.
    - `cover`: as `outside`, then cropped to the box, centred.
    - `contain`: as `inside`, then padded to exactly the box with `background`, centred.
    - `fill`: exactly the box; the aspect is lost.

    With one side only, the other follows from the aspect, whatever `fit` is. A side that follows is rounded, half up,
    and is at least 1. Without `enlarge`, no pixel is ever made from nothing: `inside` and `outside` leave a smaller
    picture alone, `contain` pads it, `fill` shrinks each side by itself, and `cover` crops to the aspect of the box.

    Source: `PIL.Image.resize`; the kernel is widened when shrinking, so nothing is skipped. `auto` is lanczos to
    shrink and bicubic to enlarge.
    """

    width: Annotated[int | None, SIDE, "width of the box, in pixels"] = None
    height: Annotated[int | None, SIDE, "height of the box, in pixels"] = None
    fit: Annotated[Literal["inside", "cover", "contain", "fill", "outside"], "how the picture meets the box"] = "inside"
    enlarge: Annotated[bool, "whether small pictures may grow"] = False
    kernel: Annotated[
        Literal["auto", "lanczos", "bicubic", "bilinear", "box", "hamming", "nearest"], "how pixels are mixed"
    ] = "auto"
    background: Annotated[str, COLOUR, "what `contain` pads with"] = "#ffffff"

    def validate(self) -> str:
        """Insist on a side."""
        return "" if self.width or self.height else "give width, height or both, as resize:800x600"

    @classmethod
    def from_positional(cls, words: list[str]) -> dict[str, object]:
        """Read `800x600` as the first value."""
        return super().from_positional(box_words(words))

    def plan(self, info: ImageInfo) -> ImageInfo:
        """Return the size that `geometry` gives; padding may add colour or alpha."""
        geometry = self.geometry(info.width, info.height)
        padded = geometry.canvas != geometry.scaled
        mode = canvas_mode(info.mode, self.background) if padded else info.mode
        return info.resized(*geometry.canvas).in_mode(mode)

    def apply(self, frame: Frame) -> Frame:
        """Crop and scale in one step, then pad."""
        return self.apply_geometry(frame, self.geometry(frame.width, frame.height))

    def apply_geometry(self, frame: Frame, geometry: Geometry) -> Frame:
        """Do what `apply` does with a geometry of the caller's, for one who has decoded a smaller picture."""
        if geometry.only_crops:
            left, top, right, bottom = (int(edge) for edge in geometry.region)
            frame = frame.with_image(frame.image.crop((left, top, right, bottom)))
        else:
            frame = frame.with_image(self._scale(frame.image, geometry))
        if geometry.canvas == geometry.scaled:
            return frame
        return on_canvas(frame, geometry.canvas, placed(geometry.canvas, geometry.scaled, "center"), self.background)

    def is_identity(self, info: ImageInfo) -> bool:
        """Whether such a picture has the right size already."""
        geometry = self.geometry(info.width, info.height)
        return geometry.only_crops and geometry.scaled == geometry.canvas == (info.width, info.height)

    def scratch(self, info: ImageInfo) -> float:
        """Return more for `contain`, which holds the scaled picture beside the canvas."""
        return super().scratch(info) + (self.fit == "contain")

    def geometry(self, width: int, height: int) -> Geometry:
        """Return what happens to pictures of that size. Raises TOO_LARGE for a side above 65535."""
        scaled = canvas = self._scaled(width, height)
        region = (0.0, 0.0, float(width), float(height))
        if self.width and self.height:
            if self.fit == "cover":
                region = _centred(width, height, scaled)
            if self.fit == "contain":
                canvas = (self.width, self.height)
        if max(scaled) > MAX_SIDE:
            message = f"{self} would make a side of {max(scaled)} pixels from {width}x{height}"
            raise PictureError(FailureCode.TOO_LARGE, message, f"at most {MAX_SIDE} are possible")
        return Geometry(region, scaled, canvas)

    def _scaled(self, width: int, height: int) -> Size:
        size = (width, height)
        if self.width and self.height:
            box = (self.width, self.height)
            if self.fit == "fill":
                return box if self.enlarge else (min(box[0], width), min(box[1], height))
            if self.fit == "cover":
                return box if self.enlarge or (box[0] <= width and box[1] <= height) else _inside(box, size)
            fitted = _outside(size, box) if self.fit == "outside" else _inside(size, box)
        elif self.width:
            fitted = (self.width, _share(height, self.width, width))
        else:
            assert self.height is not None  # `validate` has seen to it
            fitted = (_share(width, self.height, height), self.height)
        return fitted if self.enlarge or (fitted[0] <= width and fitted[1] <= height) else size

    def _scale(self, image: Image.Image, geometry: Geometry) -> Image.Image:
        resample = self._resample(geometry)
        left, top, right, bottom = geometry.region
        if geometry.scaled[0] > right - left and geometry.scaled[1] < bottom - top:
            # Before 13, Pillow scales along the rows first. Here that would make an intermediate picture far larger
            # than source and result: 1x65535 to 65535x1 would pass through 17 GB of RGB.
            image = image.resize((image.width, geometry.scaled[1]), resample, box=(0, top, image.width, bottom))
            top, bottom = 0, image.height
        return image.resize(geometry.scaled, resample, box=(left, top, right, bottom))

    def _resample(self, geometry: Geometry) -> Image.Resampling:
        if self.kernel != "auto":
            return Image.Resampling[self.kernel.upper()]
        left, top, right, bottom = geometry.region
        grows = geometry.scaled[0] > right - left or geometry.scaled[1] > bottom - top
        return Image.Resampling.BICUBIC if grows else Image.Resampling.LANCZOS


def _inside(size: Size, box: Size) -> Size:
    """Return the biggest size of the same aspect inside a box: one side is the box's, the other follows."""
    if size[0] * box[1] <= size[1] * box[0]:
        return _share(size[0], box[1], size[1]), box[1]
    return box[0], _share(size[1], box[0], size[0])


def _outside(size: Size, box: Size) -> Size:
    if size[0] * box[1] <= size[1] * box[0]:
        return box[0], _share(size[1], box[0], size[0])
    return _share(size[0], box[1], size[1]), box[1]


def _share(side: int, part: int, whole: int) -> int:
    """Return side * part / whole, rounded half up, at least 1; in whole numbers, so that it is the same everywhere."""
    return max(1, (2 * side * part + whole) // (2 * whole))


def _centred(width: int, height: int, target: Size) -> tuple[float, float, float, float]:
    """Return the biggest centred region of the target's aspect; where nothing is scaled it lies on whole pixels."""
    if (target[0] == width and target[1] <= height) or (target[1] == height and target[0] <= width):
        left, top = placed((width, height), target, "center")
        return float(left), float(top), float(left + target[0]), float(top + target[1])
    across = min(float(width), height * target[0] / target[1])
    down = min(float(height), width * target[1] / target[0])
    left_edge, top_edge = (width - across) / 2, (height - down) / 2
    return left_edge, top_edge, min(float(width), left_edge + across), min(float(height), top_edge + down)
