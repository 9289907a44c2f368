"""Allocator: tells the C library to keep the large buffers that pictures free, because the next picture wants them."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # from glibc's malloc.h
_KEPT_BYTES = 256 << 20


def keep_freed_buffers() -> None:
    """Let this process keep up to 256 MB that it has freed, for all threads that work on pictures.

    By default glibc gives a buffer of 4K pixels back at once, and the kernel fills the next one with zeros page by
    page: that costs as much as many a filter. Elsewhere than under glibc nothing happens. It concerns the whole
    process, so the command line and children do it, and the library leaves it to the program that uses it.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(AttributeError, OSError):  # another C library has no such function
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        # A heap of a thread's own holds 64 MB at most and is given back as soon as it is empty; the common one stays.
        mallopt(_M_ARENA_MAX, 1)
