"""Shortcut: lets the decoder do part of the pipeline's work, where its format and the engine can do it for less."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import TYPE_CHECKING

from imgpipe.filters.blur import MOST_BY_KERNEL, Blur
from imgpipe.filters.point import PointFilter
from imgpipe.filters.resize import Resize
from imgpipe.pipeline import Pipeline

if TYPE_CHECKING:
    from imgpipe.filters import Filter
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo
    from imgpipe.recipe import Recipe

_MARGIN = {"fast": 1.0, "balanced": 2.0}
"""How many times larger than its result a leading resize must get the picture. Below 2, its own kernel cannot undo what
the decoder's plain averaging does to fine detail."""

_ENDS_LEFT, _ENDS_ABOVE = {2, 3, 6, 7}, {3, 4, 7, 8}  # orientations by which the right or lower end gets there

KERNELS = {"auto": "lanczos3", "lanczos": "lanczos3", "bicubic": "cubic", "bilinear": "linear"}
"""Pillow's kernels that libvips has too, with its names. It is asked to shrink only, where `auto` is lanczos."""

# What libvips computes with whole numbers of eight bits is true to a level or two within these bounds.
_MOST_SHRINKING = 4.0
_LEAST_RADIUS = 0.8


@dataclass(frozen=True, slots=True)
class Shortcut:
    """What is asked of the decoder: sides divided by `scale` (1, 2, 4 or 8, rounded up), luma alone, an array.

    `streamed` is how many filters, from the first, libvips applies; without an array, it decodes as well.
    """

    scale: int = 1
    luma: bool = False
    array: bool = False
    streamed: int = 0

    def seen(self, info: ImageInfo) -> ImageInfo:
        """Return the picture that filters get instead of the whole one."""
        shrunk = info.resized(-(-info.width // self.scale), -(-info.height // self.scale))
        return shrunk.in_mode("L") if self.luma else shrunk


def shortcut(info: ImageInfo, recipe: Recipe) -> Shortcut:
    """Return what the decoder can do for a picture. Only decoders of JPEG can do more than give an array."""
    steps = _doing_something(recipe.pipeline, info)
    if not steps:
        return Shortcut()
    if info.format != "jpeg":
        return Shortcut(array=_wants_array(steps[0], info))
    scale, luma = 1, False
    if recipe.read.decode_quality != "exact":
        rest = steps
        if isinstance(steps[0], Resize) and steps[0].kernel != "nearest":
            scale = _scale(steps[0], info, _MARGIN[recipe.read.decode_quality])
            rest = steps[1:]
        # The luma of a JPEG is the grey of its pixels in the file's own colours, so no profile may be due.
        luma = bool(rest) and info.stored_mode == "RGB" and not info.has_profile and _starts_with_grey(rest[0])
    seen = info.in_mode("L") if luma else info
    if recipe.read.engine == "vips" and (streamed := _streamed(recipe.pipeline, seen, scale)):
        # Shrunk or turned, a picture comes from an array: simplejpeg shrinks sooner, and rows do not turn.
        return Shortcut(scale, luma, array=scale > 1 or luma or info.orientation != 1, streamed=streamed)
    return Shortcut(scale, luma, _wants_array(steps[0], seen))


def apply(pipeline: Pipeline, frame: Frame, info: ImageInfo, taken: Shortcut) -> Frame:
    """Send a frame that was decoded with a shortcut through the pipeline; `info` is the whole picture.

    What libvips was to do must have been done.
    """
    if taken.streamed:
        return Pipeline(pipeline.filters[taken.streamed :]).apply(frame)
    if taken.scale == 1:
        return pipeline.apply(frame)
    resize, *steps = _doing_something(pipeline, info)
    assert isinstance(resize, Resize)  # nothing else asks for a smaller picture
    # What size the result has follows from the whole picture; only where its pixels come from is told in smaller ones.
    geometry = resize.geometry(info.width, info.height)
    # A side that the scale does not divide ends with a pixel that is partly empty; turning may bring it to the front.
    across = frame.width - info.width / taken.scale if info.orientation in _ENDS_LEFT else 0.0
    down = frame.height - info.height / taken.scale if info.orientation in _ENDS_ABOVE else 0.0
    left, top, right, bottom = (edge / taken.scale for edge in geometry.region)
    region = (
        left + across,
        top + down,
        min(right + across, float(frame.width)),
        min(bottom + down, float(frame.height)),
    )
    frame = resize.apply_geometry(frame.in_pillow(), replace(geometry, region=region))
    return Pipeline(steps).apply(frame)


def _doing_something(pipeline: Pipeline, info: ImageInfo) -> list[Filter]:
    """Return the filters from the first one on that changes the picture. What those behind it do is not known yet."""
    return list(dropwhile(lambda step: step.is_identity(info), pipeline.filters))


def _scale(resize: Resize, info: ImageInfo, margin: float) -> int:
    geometry = resize.geometry(info.width, info.height)
    left, top, right, bottom = geometry.region
    factor = min((right - left) / geometry.scaled[0], (bottom - top) / geometry.scaled[1])
    return next((scale for scale in (8, 4, 2) if factor >= scale * margin), 1)


def _starts_with_grey(step: Filter) -> bool:
    return step.spec.name == "grayscale" or step.spec.modes == {"L"}


def _wants_array(step: Filter, info: ImageInfo) -> bool:
    """Whether a filter works on the pixels as an array just as they come, so that nobody needs them as an image."""
    return step.spec.backend == "numpy" and info.mode in step.spec.modes


def _streamed(pipeline: Pipeline, info: ImageInfo, scale: int) -> int:
    """Return how many filters, from the first, libvips does as well; those that change nothing count."""
    if info.stored_mode not in ("L", "RGB"):
        return 0
    count = 0
    for number, (step, before) in enumerate(zip(pipeline.filters, pipeline.stages(info), strict=False), start=1):
        if step.is_identity(before):
            continue
        if not _streams(step, before, scale):
            break
        count, scale = number, 1
    return count


def _streams(step: Filter, info: ImageInfo, scale: int) -> bool:
    if type(step) is Resize:
        geometry = step.geometry(info.width, info.height)
        shrinking = [
            side / scale / small for side, small in zip((info.width, info.height), geometry.scaled, strict=True)
        ]
        return (
            step.kernel in KERNELS
            and geometry.region == (0, 0, info.width, info.height)
            and geometry.canvas == geometry.scaled
            and info.width % scale == info.height % scale == 0
            and min(shrinking) >= 1
            and max(shrinking) <= _MOST_SHRINKING
        )
    if type(step) is Blur:
        return _LEAST_RADIUS <= step.radius <= MOST_BY_KERNEL
    return isinstance(step, PointFilter) and step.fuses
