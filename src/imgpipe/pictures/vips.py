"""Vips: the door to libvips, which sends a picture through its operations row by row (the extra `imgpipe[vips]`).

An image of libvips is a promise: nothing is decoded or computed before `array_of` or `jpeg_of` asks for the result.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from imgpipe.errors import BadOption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_TAIL = 2.8
"""Where the Gaussian ends, in standard deviations: behind it lies half a percent, about one level of 255 at an edge."""


def require_vips() -> None:
    """Raise `BadOption` if pyvips, or simplejpeg, which decodes for it, is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("pyvips", "simplejpeg")):
        raise BadOption("engine", "vips", "pillow, or the extra that brings it: pip install 'imgpipe[vips]'")


def version() -> str:
    """Return what it is and its version. Raises `ImportError` or `OSError` where it cannot be loaded."""
    return "libvips " + ".".join(str(_pyvips().version(part)) for part in range(3))


def of_jpeg(data: bytes) -> Any:
    """Return the picture in a JPEG of grey or of colour, as it is stored. It can be gone through once, downwards.

    Raises `ValueError` for a damaged header; damage that comes later is found when the result is asked for.
    """
    with _errors():
        return _pyvips().Image.jpegload_buffer(data, access="sequential", fail_on="warning")


def of_array(pixels: NDArray[np.uint8]) -> Any:
    """Return an array (height, width) of grey or (height, width, 3) of RGB as an image, without a copy."""
    height, width = pixels.shape[:2]
    bands = 1 if pixels.ndim == 2 else pixels.shape[2]
    image = _pyvips().Image.new_from_memory(np.ascontiguousarray(pixels).data, width, height, bands, "uchar")
    return image.copy(interpretation="b-w" if bands == 1 else "srgb")


def resized(image: Any, size: tuple[int, int], kernel: str) -> Any:
    """Shrink to `size` (width, height). `kernel` is lanczos3, cubic or linear, widened so that nothing is skipped."""
    return image.reduce(image.width / size[0], image.height / size[1], kernel=kernel)


def blurred(image: Any, sigma: float) -> Any:
    """Blur with a Gaussian of standard deviation `sigma`, in pixels; edges are continued outwards."""
    weights = _gaussian(sigma)
    mask = _pyvips().Image.new_from_array([weights], scale=float(sum(weights)))
    return image.convsep(mask, precision="integer")


def looked_up(image: Any, table: Sequence[int]) -> Any:
    """Look every value up in a table of 256."""
    return image.maplut(_pyvips().Image.new_from_memory(bytes(table), 256, 1, 1, "uchar"))


def array_of(image: Any) -> NDArray[np.uint8]:
    """Compute the pixels as an array, shaped as `of_array` takes it. Raises `ValueError` if the source is damaged."""
    with _errors():
        pixels = np.frombuffer(image.write_to_memory(), np.uint8)
    shape = (image.height, image.width)
    return pixels.reshape(shape if image.bands == 1 else (*shape, image.bands))


def jpeg_of(image: Any, quality: int, *, full_colour: bool, optimize: bool, progressive: bool) -> bytes:
    """Compute the picture as a JPEG without metadata, at 4:4:4 if `full_colour`, else at 4:2:0.

    Raises `ValueError` if the source is damaged.
    """
    with _errors():
        body: bytes = image.jpegsave_buffer(
            Q=quality,
            subsample_mode="off" if full_colour else "on",
            optimize_coding=optimize,
            interlace=progressive,
            keep="none",
        )
    return body


def _gaussian(sigma: float) -> list[int]:
    """Return the weights of a Gaussian as whole numbers that libvips can use as they are.

    It rounds weights to what eight bits hold of the largest one. If they are rounded here, the way it does, their sum
    stays a power of two and no grey gets lighter or darker.
    """
    reach = max(round(_TAIL * sigma), 1)
    curve = np.exp(-(np.arange(reach + 1) ** 2) / (2 * sigma * sigma))
    curve /= 2 * curve.sum() - curve[0]
    total = round(128 * 2.0 ** -math.ceil(math.log2(curve[0]) + 1))
    # Summed up from the end, so that no edge gets more than half a unit too much.
    ends = np.rint(np.cumsum(curve[:0:-1]) * total).astype(int)
    side = np.diff(ends, prepend=0).tolist()
    return [*side, total - 2 * int(ends[-1]), *side[::-1]]


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    pyvips = _pyvips()
    try:
        yield
    except pyvips.Error as error:
        raise ValueError(str(error.detail or error.message).strip()) from error


@cache
def _pyvips() -> Any:
    """Load pyvips on the first call, with one thread for each picture and no memory of what it did before."""
    # Its warnings come in threads of libvips' own, which Python would take for threads of ours.
    log = logging.getLogger("pyvips")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)
    import pyvips  # noqa: PLC0415 - an extra

    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    return pyvips
