"""Walks: go over the structure of a file by its lengths, within bounds, before a decoder reads it."""

from __future__ import annotations

import os
import struct
from typing import IO, TYPE_CHECKING

from imgpipe.errors import FailureCode, PictureError
from imgpipe.pictures.tiff import Tiff

if TYPE_CHECKING:
    from imgpipe.pictures.options import Limits


def walk(name: str, file: IO[bytes], limits: Limits) -> int:
    """Walk over the structure of a file by its lengths, before a decoder reads it; return its frames, 0 if not counted.

    Pillow reads much of it piece by piece in Python, and a file can have hundreds of millions of pieces. No more than
    `limits` allow is walked over. Raises `PictureError` UNREADABLE, TRUNCATED, TOO_LARGE or TOO_MANY_FRAMES.
    """
    position = file.tell()
    try:
        return _WALKS[name](file, limits) if name in _WALKS else 0
    finally:
        file.seek(position)


def _walk_jpeg(file: IO[bytes], _limits: Limits) -> int:
    """Go from segment to segment, as far as the first scan."""
    position = 2
    for _ in range(_MOST_PIECES):
        file.seek(position)
        head = file.read(4)
        if len(head) < 4 or head[:2] == b"\xff\xda":
            return 1  # what is missing, the decoder notices
        if head[0] != 0xFF or head[1] == 0:
            found = file.read(_MOST_JUNK_BYTES).find(b"\xff")
            if found < 0:
                raise PictureError(FailureCode.UNREADABLE, "it has no picture behind its first bytes")
            position += 4 + found
        elif head[1] == 0xFF:
            position += 1
        else:
            bare = head[1] == 1 or 0xD0 <= head[1] <= 0xD9
            position += 2 if bare else 2 + int.from_bytes(head[2:], "big")
        if position > _MOST_HEADER_BYTES:
            break
    raise _too_long()


def _walk_png(file: IO[bytes], _limits: Limits) -> int:
    """Go from chunk to chunk, as far as the first pixels."""
    position = 8
    for _ in range(_MOST_PIECES):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[4:] in {b"IDAT", b"fdAT", b"IEND"}:
            return 0
        position += 12 + int.from_bytes(head[:4], "big")
        if position > _MOST_HEADER_BYTES:
            break
    raise _too_long()


def _walk_gif(file: IO[bytes], limits: Limits) -> int:
    """Count the frames by the lengths of their blocks; Pillow would decode on its way."""
    file.seek(6)
    screen = file.read(7).ljust(7, b"\0")
    width, height = struct.unpack_from("<HH", screen)
    file.seek(3 << (screen[4] & 7) + 1 if screen[4] & 0x80 else 0, os.SEEK_CUR)
    frames = blocks = 0
    while frames <= limits.max_frames:
        kind = file.read(1)
        if kind == b",":
            frames += 1
            descriptor = file.read(10)
            if len(descriptor) < 10:
                break
            left, top, across, down, flags = struct.unpack_from("<HHHHB", descriptor)
            width, height = max(width, left + across), max(height, top + down)  # frames may lie outside the screen
            check_pixels(width, height, limits, frames=frames)
            file.seek(3 << (flags & 7) + 1 if flags & 0x80 else 0, os.SEEK_CUR)
        elif kind == b"!":
            file.seek(1, os.SEEK_CUR)
        else:
            break
        while (length := file.read(1)) > b"\0":
            file.seek(length[0], os.SEEK_CUR)
            blocks += 1
            if blocks > _MOST_BLOCKS:
                raise _too_long()
    check_frames(frames, limits)
    return max(frames, 1)


def _walk_tiff(file: IO[bytes], limits: Limits) -> int:
    """Follow the chain of pages and look at their sizes."""
    tiff = Tiff.of(file)
    if tiff is None:
        raise PictureError(FailureCode.TRUNCATED, "page 1 is not in the file", "get the whole file again")
    seen: set[int] = set()
    page, pixels, fields_left = tiff.first, 0, _MOST_PIECES
    while page and page not in seen:
        check_frames(len(seen) + 1, limits)
        fields = tiff.fields(page)
        fields_left -= tiff.count(page) or 0
        if fields_left < 0:
            raise _too_long()
        if not fields:
            message = f"page {len(seen) + 1} is not in the file"
            raise PictureError(FailureCode.TRUNCATED, message, "get the whole file again")
        seen.add(page)
        numbers = {field.tag: tiff.integer(field) or 0 for field in fields if field.tag in (256, 257)}
        width, height = numbers.get(256, 0), numbers.get(257, 0)
        pixels += width * height
        check_pixels(width, height, limits, frames=len(seen), total=pixels)
        page = tiff.next_of(page)
    return max(len(seen), 1)


_WALKS = {"jpeg": _walk_jpeg, "png": _walk_png, "gif": _walk_gif, "tiff": _walk_tiff}
_MOST_PIECES = 50_000  # segments, chunks or fields before the first pixel
_MOST_HEADER_BYTES = 64 << 20
_MOST_JUNK_BYTES = 64 * 1024
_MOST_BLOCKS = 5_000_000  # a gigabyte of GIF in blocks of full length


def check_pixels(width: int, height: int, limits: Limits, *, frames: int = 1, total: int | None = None) -> None:
    """Check one frame's size, and the pixels of all frames together, which may be four times as many.

    Raises `PictureError` TOO_LARGE.
    """
    most, remedy = limits.max_pixels, "raise --max-pixels if you trust the picture"
    if width * height > most:
        message = f"{width}x{height} are {width * height / 1e6:.0f} MP, more than {most / 1e6:.0f} MP"
        raise PictureError(FailureCode.TOO_LARGE, message, remedy)
    if (total or width * height * frames) > 4 * most:
        message = f"{frames} frames of {width}x{height} are more than {4 * most / 1e6:.0f} MP"
        raise PictureError(FailureCode.TOO_LARGE, message, remedy)


def check_frames(frames: int, limits: Limits) -> None:
    """Check the number of frames. Raises `PictureError` TOO_MANY_FRAMES."""
    if frames > limits.max_frames:
        raise PictureError(FailureCode.TOO_MANY_FRAMES, f"it has more than {limits.max_frames} frames")


def _too_long() -> PictureError:
    return PictureError(FailureCode.UNREADABLE, "its header goes on and on, as in no real picture")
