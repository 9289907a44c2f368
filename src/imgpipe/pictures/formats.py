"""Formats: names and extensions, what each can hold, how its files begin and how complete ones end."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

from imgpipe.pictures.tiff import Tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    complete: Callable[[IO[bytes]], bool]


def _ends_with(*endings: bytes) -> Callable[[IO[bytes]], bool]:
    longest = max(len(ending) for ending in endings)

    def check(file: IO[bytes]) -> bool:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - longest, 0))
        return file.read().endswith(endings)

    return check


def _riff(file: IO[bytes]) -> bool:
    file.seek(0)
    head = file.read(12)
    return head[8:] == b"WEBP" and 8 + int.from_bytes(head[4:8], "little") == file.seek(0, os.SEEK_END)


def _bmp(file: IO[bytes]) -> bool:
    file.seek(0)
    head = file.read(6)
    return head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == file.seek(0, os.SEEK_END)


def _tiff(file: IO[bytes]) -> bool:
    """All pages, their fields and their pixels lie inside the file."""
    tiff = Tiff.of(file)
    page, seen = tiff.first if tiff else 0, set[int]()
    while tiff and page and page not in seen:
        seen.add(page)
        fields = {field.tag: field for field in tiff.fields(page)}
        if len(fields) != tiff.count(page) or len(tiff.read(tiff.end_of(page), 4)) < 4:
            return False
        for starts, lengths in ((273, 279), (324, 325)):  # strips, tiles
            if starts in fields and lengths in fields:
                pairs = zip(tiff.integers(fields[starts]), tiff.integers(fields[lengths]), strict=False)
                if any(start + length > tiff.size for start, length in pairs):
                    return False
        page = tiff.next_of(page)
    return bool(seen)


def _isobmff(file: IO[bytes]) -> bool:
    """The boxes of the file add up to its length."""
    size = file.seek(0, os.SEEK_END)
    return size > 0 and [end for _, _, end in _boxes(file)][-1:] == [size]


def _boxes(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind, start and end of the outer boxes of a file, as far as they lie inside."""
    size, position = file.seek(0, os.SEEK_END), 0
    while position < size:
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        end = position + length if length else size
        if len(head) < 8 or 0 < length < 8 or end > size:
            return
        yield head[4:8], position, end
        position = end


def avif_bits(file: IO[bytes]) -> int:
    """Return the depth of an AVIF's deepest channel, wherever in the file it is described."""
    bits = 8
    for kind, start, end in _boxes(file):
        if kind in {b"meta", b"moov"}:
            file.seek(start)
            box = file.read(min(end - start, _MOST_BOX_BYTES))
            for match in re.finditer(rb"av1C..(.)", box, re.DOTALL):
                flags = match[1][0]
                bits = max(bits, 8 if not flags & 0x40 else 12 if flags & 0x20 else 10)
    return bits


_MOST_BOX_BYTES = 1 << 20
_EOI = b"\xff\xd9"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"

_FORMATS = (
    Format("jpeg", "JPEG", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), False, True, "", 65_535, _ends_with(_EOI)),
    Format("png", "PNG", "image/png", (".png", ".apng"), True, True, "animation", 2**31 - 1, _ends_with(_PNG_END)),
    Format("webp", "WEBP", "image/webp", (".webp",), True, True, "animation", 16_383, _riff),
    Format("tiff", "TIFF", "image/tiff", (".tif", ".tiff"), True, True, "pages", 2**31 - 1, _tiff),
    Format("gif", "GIF", "image/gif", (".gif",), True, False, "animation", 65_535, _ends_with(b"\0;")),
    Format("bmp", "BMP", "image/bmp", (".bmp", ".dib"), False, False, "", 2**31 - 1, _bmp),
    Format("avif", "AVIF", "image/avif", (".avif", ".avifs"), True, True, "animation", 65_536, _isobmff),
)  # fmt: skip
BY_NAME: dict[str, Format] = {entry.name: entry for entry in _FORMATS}
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
    # The brands of a file fill its first box; AVIF names itself among them.
    if head[4:8] == b"ftyp":
        brands = head[8 : min(int.from_bytes(head[:4], "big"), len(head))]
        if any(brands[at : at + 4] in {b"avif", b"avis"} for at in range(0, len(brands), 4) if at != 4):
            return "avif"
    return ""
