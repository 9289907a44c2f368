"""The table of formats: names, extensions, what each can hold, and how a complete file of it ends."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.pictures.options import FormatName


@dataclass(frozen=True, slots=True)
class Format:
    """One file format.

    `pillow` is Pillow's name for it, `sequence` what several frames in one file mean (`animation`, `pages` or
    nothing), `max_side` the longest side that it can store, `complete` a check that a file has been written to its end.
    """

    name: FormatName
    pillow: str
    mime: str
    extensions: tuple[str, ...]
    alpha: bool
    icc: bool
    sequence: Literal["animation", "pages", ""]
    max_side: int
    complete: Callable[[BinaryIO], bool]


def _ends_with(*endings: bytes) -> Callable[[BinaryIO], bool]:
    longest = max(len(ending) for ending in endings)

    def check(file: BinaryIO) -> bool:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - longest, 0))
        return file.read().endswith(endings)

    return check


def _riff(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(12)
    return head[8:] == b"WEBP" and 8 + int.from_bytes(head[4:8], "little") == file.seek(0, os.SEEK_END)


def _bmp(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(6)
    return head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == file.seek(0, os.SEEK_END)


def _tiff(file: BinaryIO) -> bool:
    """The header points to a first directory inside the file, and the directory to the next or to none."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(16)
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    if int.from_bytes(head[2:4], order) == 43:
        offset = int.from_bytes(head[8:16], order)
        file.seek(offset)
        end = offset + 8 + 20 * int.from_bytes(file.read(8), order) + 8
    else:
        offset = int.from_bytes(head[4:8], order)
        file.seek(offset)
        end = offset + 2 + 12 * int.from_bytes(file.read(2), order) + 4
    return 8 <= offset < end <= size


def _isobmff(file: BinaryIO) -> bool:
    """The boxes of the file add up to its length."""
    size = file.seek(0, os.SEEK_END)
    position = 0
    while position < size:
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:
            return True
        if length < 8:
            return False
        position += length
    return position == size > 0


_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"

_FORMATS = (
    Format("jpeg", "JPEG", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), False, True, "", 65_535, _ends_with(b"\xff\xd9")),
    Format("png", "PNG", "image/png", (".png", ".apng"), True, True, "animation", 2**31 - 1, _ends_with(_PNG_END)),
    Format("webp", "WEBP", "image/webp", (".webp",), True, True, "animation", 16_383, _riff),
    Format("tiff", "TIFF", "image/tiff", (".tif", ".tiff"), True, True, "pages", 2**31 - 1, _tiff),
    Format("gif", "GIF", "image/gif", (".gif",), True, False, "animation", 65_535, _ends_with(b";")),
    Format("bmp", "BMP", "image/bmp", (".bmp", ".dib"), False, False, "", 2**31 - 1, _bmp),
    Format("avif", "AVIF", "image/avif", (".avif", ".avifs"), True, True, "animation", 65_536, _isobmff),
)  # fmt: skip
BY_NAME: dict[str, Format] = {entry.name: entry for entry in _FORMATS}
BY_PILLOW: dict[str, Format] = {entry.pillow: entry for entry in _FORMATS} | {
    "MPO": BY_NAME["jpeg"],
    "DIB": BY_NAME["bmp"],
}
BY_EXTENSION: dict[str, Format] = {extension: entry for entry in _FORMATS for extension in entry.extensions}


def extension_of(name: str) -> str:
    """Return the usual extension of a format, with its dot."""
    return BY_NAME[name].extensions[0]


def sniff(head: bytes) -> str:
    """Return the format that the first bytes of a file promise, or "" if it is none of ours. 32 bytes are enough."""
    if head[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return "tiff"
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        return "gif"
    if head[:2] == b"BM":
        return "bmp"
    # The brands of a file follow its first box header; AVIF names itself among them.
    if head[4:8] == b"ftyp" and (head[8:12] in {b"avif", b"avis"} or b"avif" in head[12:] or b"avis" in head[12:]):
        return "avif"
    return ""
