"""Running: hands a filter the pixels in the form it asked for, takes its answer back, and foresees both."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from imgpipe.errors import FailureCode, ImgpipeError, PictureError
from imgpipe.filters.point import PointFilter, table_of, through_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgpipe.filters.base import Filter, FilterSpec
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo, Mode


def run_filters(steps: Iterable[Filter], frame: Frame) -> Frame:
    """Apply filters in their order. Raises `PictureError` as `run_filter` does.

    Neighbours that look values up in a table share one: that is faster, and rounds once instead of each time.
    """
    for fuses, group in groupby(steps, lambda step: isinstance(step, PointFilter) and step.fuses):
        neighbours = list(group)
        if fuses and len(neighbours) > 1:
            with _blaming(" | ".join(step.spec.name for step in neighbours)):
                table = table_of(cast("list[PointFilter]", neighbours))
                frame = through_table(frame.straight().in_pillow(), table)
        else:
            for step in neighbours:
                frame = run_filter(step, frame)
    return frame


def run_filter(step: Filter, frame: Frame) -> Frame:
    """Apply one filter. Raises `PictureError` with code FILTER_FAILED, naming the filter, if it cannot.

    A filter that would change nothing is not run, so that pixels stay bit for bit what they are.
    """
    with _blaming(step.spec.name):
        return frame if step.is_identity(frame.info) else _run(step, frame)


def plan_filter(step: Filter, info: ImageInfo) -> ImageInfo:
    """Return what `run_filter` makes of a picture, from its header alone."""
    return info if step.is_identity(info) else step.plan(_as_seen(step.spec, info))


def filter_bytes(step: Filter, info: ImageInfo, *, crosses: bool) -> int:
    """Return the most memory that `run_filter` holds at once: input, converted input, output and scratch.

    `crosses` says whether the pixels lie in the other library's buffer before.
    """
    seen, after = _as_seen(step.spec, info), plan_filter(step, info)
    # Crossing gathers the bytes in pieces and then in one; a change of colours may go by way of sRGB.
    copies = 2 * crosses + 2 * (seen.mode != info.mode) + info.has_alpha
    work = int(step.scratch(seen) * max(seen.frame_bytes, after.frame_bytes))
    return info.frame_bytes + copies * max(info.frame_bytes, seen.frame_bytes) + work + after.frame_bytes


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Turn whatever goes wrong in a filter into a failure that names it."""
    try:
        yield
    except PictureError as error:
        if error.code is not FailureCode.MODE_UNSUPPORTED:
            raise
        # What the filter returned is no picture: that is the filter's doing, not the file's.
        raise PictureError(FailureCode.FILTER_FAILED, f"{name} failed: {error.message}") from error
    except (ImgpipeError, MemoryError):
        raise
    except Exception as error:
        message = f"{name} failed: {type(error).__name__}: {error}"
        raise PictureError(FailureCode.FILTER_FAILED, message) from error


def _run(step: Filter, frame: Frame) -> Frame:
    spec = step.spec
    colours = _colours_seen(spec, frame.mode)
    frame = frame.in_colours(colours)
    if spec.alpha == "separate" and frame.mode[-1] in "Aa":
        return _with_alpha_apart(step, frame)
    frame = frame.premultiplied() if spec.alpha == "premultiply" else frame.straight()
    return _applied(step, _in_buffer(spec, frame))


def _colours_seen(spec: FilterSpec, mode: Mode) -> Literal["L", "RGB"]:
    colours: Literal["L", "RGB"] = "L" if mode[0] == "L" else "RGB"
    return colours if colours in spec.modes else "RGB" if "RGB" in spec.modes else "L"


def _as_seen(spec: FilterSpec, info: ImageInfo) -> ImageInfo:
    colours = _colours_seen(spec, info.mode)
    if info.mode.startswith(colours):
        return info
    return info.in_mode(cast("Mode", colours + "A") if info.has_alpha else colours)


def _in_buffer(spec: FilterSpec, frame: Frame) -> Frame:
    return frame.in_pillow() if spec.backend == "pillow" else frame.in_numpy()


def _with_alpha_apart(step: Filter, frame: Frame) -> Frame:
    frame = _in_buffer(step.spec, frame.straight())
    if step.spec.backend == "numpy":
        after = _applied(step, frame.with_array(frame.array[..., :-1]))
        colours = after.array if after.array.ndim == 3 else after.array[..., np.newaxis]
        if after.mode[-1] == "A":
            colours = colours[..., :-1]
        return after.with_array(np.concatenate((colours, frame.array[..., -1:]), axis=2))
    after = _applied(step, frame.in_mode("L" if frame.mode == "LA" else "RGB"))
    image = after.image.convert("LA" if after.mode[0] == "L" else "RGBA")
    image.putalpha(frame.image.getchannel("A"))
    return after.with_image(image)


def _applied(step: Filter, frame: Frame) -> Frame:
    """Apply the filter and hold it to its plan: limits and memory were checked against that."""
    after, planned = step.apply(frame), step.plan(frame.info)
    if (after.width, after.height) != (planned.width, planned.height):
        message = (
            f"{step.spec.name} made {after.width}x{after.height} pixels "
            f"where its plan says {planned.width}x{planned.height}; a filter that changes the size defines plan()"
        )
        raise PictureError(FailureCode.FILTER_FAILED, message)
    if step.spec.alpha == "separate" and (after.width, after.height) != (frame.width, frame.height):
        message = f"{step.spec.name} changes the size; declare alpha='premultiply' or 'native'"
        raise PictureError(FailureCode.FILTER_FAILED, message)
    return after
