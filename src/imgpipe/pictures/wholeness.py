"""Wholeness: finds files that were cut off where Pillow would not notice: behind the last pixel, between frames."""

from __future__ import annotations

import os
from typing import IO

from imgpipe.errors import FailureCode, PictureError

_BLOCK_BYTES = 1 << 20
_MOST_SEGMENTS = 50_000


def check_whole(file: IO[bytes], format_name: str) -> None:
    """Raise `PictureError` TRUNCATED if the end of the picture is not in the file.

    What follows the end is nobody's business: cameras put previews, videos and notes there. The position of the file
    stays as it is. Formats whose decoders need the whole file are not looked at.
    """
    check = _CHECKS.get(format_name)
    position = file.tell()
    try:
        whole = check is None or check(file)
    finally:
        file.seek(position)
    if not whole:
        message = "the file is incomplete: its end is missing"
        raise PictureError(FailureCode.TRUNCATED, message, "get the whole file again")


def _jpeg(file: IO[bytes]) -> bool:
    """Look for the end marker behind the first scan; before it, the EXIF thumbnail has one of its own."""
    file.seek(-2, os.SEEK_END)
    if file.read(2) == b"\xff\xd9":
        return True
    position = 2
    for _ in range(_MOST_SEGMENTS):
        file.seek(position)
        head = file.read(4)
        if len(head) < 4 or head[:2] == b"\xff\xda":
            break
        is_segment = head[0] == 0xFF and head[1] not in (0, 1, 0xFF) and not 0xD0 <= head[1] <= 0xD9
        position += 2 + int.from_bytes(head[2:], "big") if is_segment else 1
    return _contains(file, b"\xff\xd9", position)


def _png(file: IO[bytes]) -> bool:
    return _contains(file, b"\0\0\0\0IEND\xaeB`\x82", 8)


def _gif(file: IO[bytes]) -> bool:
    """Go from block to block, as far as the trailer."""
    file.seek(10)
    flags = file.read(3)[:1]
    file.seek(_table_bytes(flags), os.SEEK_CUR)
    while kind := file.read(1):
        if kind == b",":
            file.seek(_table_bytes(file.read(9)[8:]) + 1, os.SEEK_CUR)
        elif kind == b"!":
            file.seek(1, os.SEEK_CUR)
        else:
            return True  # the trailer, or junk that the decoder has to judge
        while (length := file.read(1)) > b"\0":
            file.seek(length[0], os.SEEK_CUR)
    return False


def _table_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _bmp(file: IO[bytes]) -> bool:
    """Compare with the length in the header where pixels are compressed: the decoder fills in what is missing."""
    file.seek(0)
    head = file.read(34)
    compressed = len(head) == 34 and int.from_bytes(head[30:34], "little") in (1, 2)
    return not compressed or int.from_bytes(head[2:6], "little") <= file.seek(0, os.SEEK_END)


def _contains(file: IO[bytes], wanted: bytes, start: int) -> bool:
    file.seek(start)
    before = b""
    while block := file.read(_BLOCK_BYTES):
        if wanted in before + block:
            return True
        before = block[-len(wanted) + 1 :]
    return False


_CHECKS = {"jpeg": _jpeg, "png": _png, "gif": _gif, "bmp": _bmp}
