"""TIFF fields: adds EXIF and XMP to a TIFF file that Pillow has written, every value as the bytes that it was."""

from __future__ import annotations

import os
import struct
from typing import IO

from imgpipe.pictures.tiff import Tiff, TiffField

_EXIF, _GPS, _INTEROP, _XMP = 34665, 34853, 40965, 700
# What describes the picture; the rest of EXIF's first directory describes the file that it came from.
_DESCRIPTIVE = frozenset({270, 271, 272, 274, 305, 306, 315, 316, 18246, 33432, *range(40091, 40096)})
_WIDTHS = {3: 2, 8: 2, 4: 4, 5: 4, 9: 4, 10: 4, 11: 4, 13: 4, 12: 8}  # bytes that swap with the byte order, by kind


def add_fields(file: IO[bytes], exif: bytes | None, xmp: bytes | None) -> None:
    """Append a directory that has the fields of the first one and those of `exif` and `xmp`, and make it the first.

    Pillow itself would serialise EXIF afresh, and cannot write it at all beside compressed pixels.
    """
    tiff, source = Tiff.of(file), Tiff.of(exif)
    if tiff is None or (source is None and xmp is None):
        return
    rows = {field.tag: tiff.read(field.at, 12) for field in tiff.fields(tiff.first)}
    following = tiff.next_of(tiff.first)
    end = file.seek(0, os.SEEK_END)
    added = _Appended(tiff.order, end + end % 2)
    if xmp is not None:
        rows[_XMP] = added.row(_XMP, 1, len(xmp), xmp)
    if source is not None:
        rows |= _described(added, source)
    first = added.directory(rows, following)
    file.seek(0, os.SEEK_END)
    file.write(bytes(end % 2) + added.data)
    file.seek(4)
    file.write(struct.pack(f"{tiff.order}I", first))


def _described(added: _Appended, source: Tiff) -> dict[int, bytes]:
    rows = {}
    for field in source.fields(source.first):
        if field.tag in _DESCRIPTIVE:
            rows[field.tag] = added.copied(source, field)
        elif field.tag in (_EXIF, _GPS):
            inner = source.fields(source.integer(field) or 0)
            at = added.directory({item.tag: added.copied(source, item) for item in inner if item.tag != _INTEROP})
            rows[field.tag] = added.row(field.tag, 4, 1, struct.pack(f"{added.order}I", at))
    return rows


class _Appended:
    """Bytes that are to stand at `start` of a file."""

    def __init__(self, order: str, start: int) -> None:
        self.order, self._start = order, start
        self.data = bytearray()

    def directory(self, rows: dict[int, bytes], following: int = 0) -> int:
        """Append a directory and return where it stands."""
        at = self._start + len(self.data)
        table = b"".join(rows[tag] for tag in sorted(rows))
        self.data += struct.pack(f"{self.order}H", len(rows)) + table + struct.pack(f"{self.order}I", following)
        return at

    def copied(self, source: Tiff, field: TiffField) -> bytes:
        """Return the row of a field of another file, in this one's byte order."""
        raw = source.value(field)
        width = _WIDTHS.get(field.kind, 1)
        if width > 1 and source.order != self.order:
            raw = b"".join(raw[at : at + width][::-1] for at in range(0, len(raw), width))
        return self.row(field.tag, field.kind, field.count, raw)

    def row(self, tag: int, kind: int, count: int, raw: bytes) -> bytes:
        """Return the row of a field; a value that has no room in it is appended."""
        if len(raw) > 4:
            at = self._start + len(self.data)
            self.data += raw + bytes(len(raw) % 2)
            raw = struct.pack(f"{self.order}I", at)
        return struct.pack(f"{self.order}HHI", tag, kind, count) + raw.ljust(4, b"\0")
