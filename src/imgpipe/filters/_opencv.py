"""The door to OpenCV: imported when a filter first needs it, with one thread, because each worker is one already."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def opencv() -> Any:
    """Return the `cv2` module. It is loaded on the first call: it takes a tenth of a second."""
    import cv2  # noqa: PLC0415 - most pipelines never need it

    cv2.setNumThreads(1)
    return cv2
