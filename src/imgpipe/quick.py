"""Quick: makes JPEGs without Pillow where that is sooner done: by libvips from file to file, by OpenCV from arrays.

Both have libjpeg-turbo inside, as Pillow has: told the same, they write the same bytes.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from imgpipe.filters._opencv import opencv
from imgpipe.filters.blur import Blur
from imgpipe.filters.point import PointFilter, table_of
from imgpipe.filters.resize import Resize
from imgpipe.frame import Frame
from imgpipe.pictures import vips
from imgpipe.pictures.decode import decoding, kept_profile
from imgpipe.pictures.encode import Encoded, target_format
from imgpipe.pictures.encoders import JPEG_QUALITY, has_full_colour
from imgpipe.shortcut import KERNELS

if TYPE_CHECKING:
    from imgpipe.info import ImageInfo
    from imgpipe.pictures.header import Header
    from imgpipe.pictures.options import WriteOptions
    from imgpipe.pipeline import Pipeline
    from imgpipe.recipe import Recipe
    from imgpipe.shortcut import Shortcut


def encodes(frame: Frame, info: ImageInfo, write: WriteOptions) -> bool:
    """Whether `encoded` makes of such a frame what Pillow would: if it is an array and wants nothing special."""
    return (
        isinstance(frame.buffer, np.ndarray)
        and frame.mode in ("L", "RGB")
        and _fits_jpeg(info, frame.width, frame.height, write)
        and not write.optimize
        and not write.progressive
    )


def encoded(frame: Frame, write: WriteOptions) -> Encoded:
    """Encode an array."""
    cv2, quality = opencv(), write.quality or JPEG_QUALITY
    pixels = frame.array if frame.mode == "L" else cv2.cvtColor(frame.array, cv2.COLOR_RGB2BGR)
    subsampling = "4:4:4" if has_full_colour(write, quality) else write.subsampling.replace("auto", "4:2:0")
    factors = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{subsampling.replace(':', '')}")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factors]
    _, body = cv2.imencode(".jpg", pixels, options)
    return Encoded(
        body.tobytes(), frame.width, frame.height, "L" if frame.mode == "L" else "RGB", frame.icc, frame.notes
    )


def stream(header: Header, recipe: Recipe, taken: Shortcut, decoded: Frame | None) -> Encoded | Frame:
    """Let libvips apply the filters that are its own to an array, or without one to the file, which it then decodes.

    If nothing is left to be done with the pixels, and JPEG is wanted, it encodes them too: then no more than some rows
    of the picture are ever in memory. Raises what `decode` raises.
    """
    if decoded is not None:
        return _result(vips.of_array(decoded.array), decoded.icc, decoded.notes, header, recipe, taken)
    with decoding(header):
        header.file.seek(0)
        image = vips.of_jpeg(header.file.read())
        mode: Literal["L", "RGB"] = "L" if header.info.stored_mode == "L" else "RGB"
        if (image.width, image.height, image.bands) != (header.info.width, header.info.height, len(mode)):
            raise ValueError("libvips and Pillow do not see the same picture in it")
        return _result(image, *kept_profile(header, mode), header, recipe, taken)


def ends_in_jpeg(info: ImageInfo, recipe: Recipe, taken: Shortcut) -> bool:
    """Whether `stream` encodes as well."""
    last = recipe.pipeline.stages(info)[-1]
    return (
        taken.streamed == len(recipe.pipeline.filters)
        and _fits_jpeg(info, last.width, last.height, recipe.write)
        and recipe.write.subsampling != "4:2:2"  # unknown to libvips
    )


def _fits_jpeg(info: ImageInfo, width: int, height: int, write: WriteOptions) -> bool:
    format_ = target_format(info, write)
    return format_.name == "jpeg" and max(width, height) <= format_.max_side


def _result(
    image: Any, icc: bytes | None, notes: tuple[str, ...], header: Header, recipe: Recipe, taken: Shortcut
) -> Encoded | Frame:
    seen = header.info.in_mode("L") if taken.luma else header.info
    image = _filtered(image, seen, recipe.pipeline, taken)
    if not ends_in_jpeg(header.info, recipe, taken):
        return replace(Frame.of_array(vips.array_of(image), icc), notes=notes)
    quality = recipe.write.quality or JPEG_QUALITY
    body = vips.jpeg_of(
        image,
        quality,
        full_colour=has_full_colour(recipe.write, quality),
        optimize=recipe.write.optimize,
        progressive=recipe.write.progressive,
    )
    return Encoded(body, image.width, image.height, "L" if image.bands == 1 else "RGB", icc, notes)


def _filtered(image: Any, info: ImageInfo, pipeline: Pipeline, taken: Shortcut) -> Any:
    """Promise what `run_filters` does: neighbours that look values up in a table share one."""
    steps = [
        (step, before)
        for step, before in zip(pipeline.filters[: taken.streamed], pipeline.stages(info), strict=False)
        if not step.is_identity(before)
    ]
    for fuses, group in groupby(steps, lambda pair: isinstance(pair[0], PointFilter)):
        if fuses:
            image = vips.looked_up(image, table_of([cast("PointFilter", step) for step, _ in group]))
            continue
        for step, before in group:
            if isinstance(step, Resize):
                image = vips.resized(image, step.geometry(before.width, before.height).scaled, KERNELS[step.kernel])
            elif isinstance(step, Blur):
                image = vips.blurred(image, step.radius)
    return image
