"""Allocator: has the C library keep the large buffers that pictures free, for the next one, or give them back."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # from glibc's malloc.h
_MOST_KEPT_BYTES = 256 << 20


def keep_freed_buffers(most_bytes: int = _MOST_KEPT_BYTES) -> None:
    """Let this process keep memory that it has freed, for all threads that work on pictures: 256 MB at most.

    By default glibc gives a buffer of 4K pixels back at once, and the kernel fills the next one with zeros page by
    page: that costs as much as many a filter. Elsewhere than under glibc nothing happens. It concerns the whole
    process, so the command line and children do it, and the library leaves it to the program that uses it.
    """
    if sys.platform != "linux":
        return
    kept_bytes = min(most_bytes, _MOST_KEPT_BYTES)
    with contextlib.suppress(AttributeError, OSError):  # another C library has no such function
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, kept_bytes)
        mallopt(_M_TRIM_THRESHOLD, kept_bytes)
        # A heap of a thread's own holds 64 MB at most and is given back as soon as it is empty; the common one stays.
        mallopt(_M_ARENA_MAX, 1)


def give_back_freed_buffers() -> None:
    """Give the system what this process keeps, because it has nothing to do. Only under glibc does it do anything."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)
