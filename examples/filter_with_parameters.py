"""A filter as a class: typed parameters with limits, and a size that is known before any pixel is.

Prints:

    border:width=8,colour=gold
    (200, 150) becomes (216, 166), as planned: True
    filter 1, border.width: expected a whole number at least 1 and at most 500, got 0
    filter 1, border.colour: expected one of black, white, gold, got 'golf'; did you mean gold?
"""

from typing import Annotated, Literal

from PIL import Image, ImageOps

from imgpipe import BadPipeline, Filter, Frame, ImageInfo, Pipeline, Range, apply


class Border(Filter, name="border", modes=("RGB",), alpha="premultiply", gil="releases"):
    """Put a border around the picture."""

    width: Annotated[int, Range(1, 500), "pixels on each side"] = 10
    colour: Annotated[Literal["black", "white", "gold"], "of the border"] = "black"

    def plan(self, info: ImageInfo) -> ImageInfo:
        """Say how large the picture will be: `--dry-run`, limits and memory are counted with it."""
        return info.resized(info.width + 2 * self.width, info.height + 2 * self.width)

    def apply(self, frame: Frame) -> Frame:
        """Draw it. The frame that comes in stays as it is; `frame.array` would be the same pixels for NumPy."""
        return frame.with_image(ImageOps.expand(frame.image, self.width, self.colour))


pipeline = Pipeline.parse("border:8,gold")
print(pipeline)

picture = Image.new("RGB", (200, 150), "navy")
planned = Border(width=8).plan(ImageInfo(width=200, height=150, mode="RGB"))
framed = apply(picture, pipeline)
print(picture.size, "becomes", f"{framed.size}, as planned:", framed.size == (planned.width, planned.height))

try:
    Pipeline.parse("border:width=0,colour=golf")
except BadPipeline as error:
    print(error)
