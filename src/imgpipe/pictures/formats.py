"""Formats: what each can hold, how its files begin and end, and bounded walks over their bytes, without Pillow."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

from imgpipe.errors import FailureCode, PictureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.pictures.options import FormatName, Limits


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


TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value of each kind that a TIFF field can have; 16 to 18 exist in BigTIFF only."""


@dataclass(frozen=True, slots=True)
class TiffField:
    """One field of a directory: where its own bytes are, and where those of its value."""

    at: int
    tag: int
    kind: int
    count: int
    value_at: int
    size: int


@dataclass(frozen=True, slots=True)
class Tiff:
    """A TIFF structure, EXIF or a whole file, read without trust: what does not lie inside of it does not exist."""

    read: Callable[[int, int], bytes]
    size: int
    order: Literal["<", ">"]
    big: bool
    first: int

    @classmethod
    def of(cls, source: bytes | IO[bytes] | None) -> Tiff | None:
        """Return the structure of EXIF bytes or of a TIFF file; None if it has no readable first directory."""
        if source is None:
            return None
        if isinstance(source, bytes):
            read, size = _slices(source), len(source)
        else:
            read, size = _reads(source), source.seek(0, os.SEEK_END)
        head = read(0, 16)
        if len(head) < 8 or head[:2] not in {b"II", b"MM"}:
            return None
        order: Literal["<", ">"] = "<" if head[:2] == b"II" else ">"
        (version,) = struct.unpack_from(f"{order}H", head, 2)
        big = version == 43 and len(head) == 16 and not isinstance(source, bytes)
        if not big and version != 42:
            return None
        (first,) = struct.unpack_from(f"{order}Q", head, 8) if big else struct.unpack_from(f"{order}I", head, 4)
        found = cls(read, size, order, big, first)
        return found if found.fields(first) or found.count(first) == 0 else None

    def count(self, offset: int) -> int | None:
        """Return the number of fields that a directory claims to have; None if there is no directory."""
        prefix = 8 if self.big else 2
        raw = self.read(offset, prefix) if 8 <= offset < self.size else b""
        return int.from_bytes(raw, "little" if self.order == "<" else "big") if len(raw) == prefix else None

    def fields(self, offset: int) -> list[TiffField]:
        """Return the fields of a directory whose values lie inside; none if there is no directory."""
        layout, width, inline = ("HHQ", 20, 8) if self.big else ("HHI", 12, 4)
        start = offset + (8 if self.big else 2)
        table = self.read(start, min(self.count(offset) or 0, 65_535) * width)
        found = []
        for at in range(0, len(table) - width + 1, width):
            tag, kind, number = struct.unpack_from(self.order + layout, table, at)
            size = number * TIFF_SIZES.get(kind, 0)
            value_at = start + at + width - inline
            if size > inline:
                (value_at,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), table, at + width - inline)
            if kind in TIFF_SIZES and value_at + size <= self.size:
                found.append(TiffField(start + at, tag, kind, number, value_at, size))
        return found

    def end_of(self, offset: int) -> int:
        """Return where the fields of a directory end, and the offset of the next directory stands."""
        return offset + (8 if self.big else 2) + (20 if self.big else 12) * (self.count(offset) or 0)

    def next_of(self, offset: int) -> int:
        """Return the offset of the directory that follows this one, or 0."""
        width = 8 if self.big else 4
        raw = self.read(self.end_of(offset), width)
        return int.from_bytes(raw, "little" if self.order == "<" else "big") if len(raw) == width else 0

    def value(self, field: TiffField) -> bytes:
        """Return the bytes of a field's value."""
        return self.read(field.value_at, field.size)

    def integers(self, field: TiffField) -> tuple[int, ...]:
        """Return the values of a field of whole numbers; none if it holds something else."""
        code = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(field.kind)
        raw = self.value(field) if code else b""
        return struct.unpack(f"{self.order}{field.count}{code}", raw) if raw and len(raw) == field.size else ()

    def integer(self, field: TiffField) -> int | None:
        """Return the first value of a field of whole numbers; None if it holds something else."""
        return next(iter(self.integers(field)), None)


def _slices(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


def _reads(file: IO[bytes]) -> Callable[[int, int], bytes]:
    def read(offset: int, length: int) -> bytes:
        file.seek(min(offset, 2**62))
        return file.read(length)

    return read
