"""run_filter: hands a filter the pixels in the form it asked for, and takes its answer back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image

from imgpipe.errors import FailureCode, ImgpipeError, PictureError

if TYPE_CHECKING:
    from imgpipe.filters.base import Filter, FilterSpec
    from imgpipe.frame import Frame
    from imgpipe.info import Mode


def run_filter(step: Filter, frame: Frame) -> Frame:
    """Apply one filter. Raises `PictureError` with code FILTER_FAILED, naming the filter, if it cannot."""
    try:
        return _run(step, frame)
    except (ImgpipeError, MemoryError):
        raise
    except Exception as error:
        message = f"{step.spec.name} failed: {type(error).__name__}: {error}"
        raise PictureError(FailureCode.FILTER_FAILED, message) from error


def _run(step: Filter, frame: Frame) -> Frame:
    spec = step.spec
    frame = _in_known_colours(spec, frame)
    if spec.alpha == "separate" and frame.mode[-1] in "Aa":
        return _with_alpha_apart(step, frame)
    frame = frame.premultiplied() if spec.alpha == "premultiply" else frame.straight()
    return step.apply(_in_buffer(spec, frame))


def _in_known_colours(spec: FilterSpec, frame: Frame) -> Frame:
    colours = frame.mode.rstrip("Aa")
    if colours in spec.modes:
        return frame
    wanted = "RGB" if "RGB" in spec.modes else "L"
    return frame.straight().in_mode(cast("Mode", wanted + "A" if frame.mode[-1] in "Aa" else wanted))


def _in_buffer(spec: FilterSpec, frame: Frame) -> Frame:
    return frame.in_pillow() if spec.backend == "pillow" else frame.in_numpy()


def _with_alpha_apart(step: Filter, frame: Frame) -> Frame:
    frame = frame.straight()
    colours = cast("Mode", frame.mode[:-1])
    if step.spec.backend == "numpy":
        whole = frame.in_numpy()
        alpha = whole.array[..., -1:]
        after = step.apply(whole.with_array(whole.array[..., :-1]))
        result = after.array if after.array.ndim == 3 else after.array[..., np.newaxis]
        _same_size(step, frame, after)
        return after.with_array(np.concatenate((result, alpha), axis=2))
    whole = frame.in_pillow()
    after = step.apply(whole.in_mode(colours))
    _same_size(step, frame, after)
    result = after.image.convert("LA" if after.mode == "L" else "RGBA")
    result.putalpha(cast("Image.Image", whole.image).getchannel("A"))
    return after.with_image(result)


def _same_size(step: Filter, before: Frame, after: Frame) -> None:
    if (before.width, before.height) != (after.width, after.height):
        message = f"{step.spec.name} changed the size of a picture with alpha; declare alpha='premultiply' or 'native'"
        raise PictureError(FailureCode.FILTER_FAILED, message)
