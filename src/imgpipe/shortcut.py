"""Shortcut: lets the decoder do part of the pipeline's work, where its format can: shrink, and leave colour out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True)
class Shortcut:
    """What is asked of the decoder: sides divided by `scale` (1, 2, 4 or 8, rounded up), luma alone, an array."""

    scale: int = 1
    luma: bool = False
    array: bool = False

    def seen(self, info: ImageInfo) -> ImageInfo:
        """Return the picture that filters get instead of the whole one."""
        shrunk = info.resized(-(-info.width // self.scale), -(-info.height // self.scale))
        return shrunk.in_mode("L") if self.luma else shrunk


def shortcut(info: ImageInfo, recipe: Recipe) -> Shortcut:
    """Return what the decoder can do for a picture. Only JPEG decoders can do anything."""
    steps = [step for step in recipe.pipeline.filters if not step.is_identity(info)]
    if info.format != "jpeg" or not steps:
        return Shortcut()
    # An array is worth it only where the first filter wants one: otherwise it would have to be copied into an image.
    turbo = recipe.read.engine == "turbo" and info.stored_mode in ("L", "RGB")
    array = turbo and steps[0].spec.backend == "numpy"
    if recipe.read.decode_quality == "exact":
        return Shortcut(array=array)
    scale = 1
    if isinstance(steps[0], Resize) and steps[0].kernel != "nearest":
        scale = _scale(steps[0], info, _MARGIN[recipe.read.decode_quality])
        steps = steps[1:]
    # The luma of a JPEG is the grey of its pixels in the file's own colours, so no profile may be due.
    luma = bool(steps) and info.stored_mode == "RGB" and not info.has_profile and _starts_with_grey(steps[0])
    return Shortcut(scale, luma, array)


def apply(pipeline: Pipeline, frame: Frame, info: ImageInfo, taken: Shortcut) -> Frame:
    """Send a frame that was decoded with a shortcut through the pipeline; `info` is the whole picture."""
    if taken.scale == 1:
        return pipeline.apply(frame)
    steps = [step for step in pipeline.filters if not step.is_identity(info)]
    resize = steps[0]
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
    return Pipeline(steps[1:]).apply(frame)


def _scale(resize: Resize, info: ImageInfo, margin: float) -> int:
    geometry = resize.geometry(info.width, info.height)
    left, top, right, bottom = geometry.region
    factor = min((right - left) / geometry.scaled[0], (bottom - top) / geometry.scaled[1])
    return next((scale for scale in (8, 4, 2) if factor >= scale * margin), 1)


def _starts_with_grey(step: Filter) -> bool:
    return step.spec.name == "grayscale" or step.spec.modes == {"L"}
