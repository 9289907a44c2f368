"""Turbo: the door to simplejpeg, which decodes a JPEG straight into an array (the extra `imgpipe[turbo]`)."""

from __future__ import annotations

import importlib.util
from typing import IO, TYPE_CHECKING

from imgpipe.errors import BadOption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def require_turbo() -> None:
    """Raise `BadOption` if simplejpeg is not installed."""
    if importlib.util.find_spec("simplejpeg") is None:
        raise BadOption("engine", "turbo", "pillow, or the extra that brings it: pip install 'imgpipe[turbo]'")


def version() -> str:
    """Return what it is and its version. Raises `ImportError` where it cannot be loaded."""
    import simplejpeg  # noqa: PLC0415 - an extra

    return f"simplejpeg {simplejpeg.__version__}"


def decode_array(file: IO[bytes], width: int, height: int, *, scale: int, luma: bool) -> NDArray[np.uint8]:
    """Decode a JPEG of `width` x `height` pixels, its sides divided by `scale` (1, 2, 4 or 8) and rounded up.

    Returns an array (height, width) of luma, or (height, width, 3) in the order RGB. Raises `ValueError` for a damaged
    file; unlike Pillow, it notices damage that leaves the end of the file intact.
    """
    import simplejpeg  # noqa: PLC0415 - an extra

    file.seek(0)
    array: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        file.read(),
        colorspace="GRAY" if luma else "RGB",
        min_width=-(-width // scale),
        min_height=-(-height // scale),
        min_factor=1,
    )
    return array[..., 0] if luma else array
