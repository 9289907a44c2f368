"""Tiff: reads the directories of a TIFF structure, a file or EXIF, without trusting a single offset."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

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
