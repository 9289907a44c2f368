"""Exif: cleans EXIF by patching its bytes, and makes EXIF of some fields of a TIFF; values stay the bytes they were."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imgpipe.pictures.tiff import Tiff, TiffField

    Field = tuple[int, int, bytes]  # kind, count and raw value of a TIFF field
    Span = tuple[int, int]

ORIENTATION, ARTIST, COPYRIGHT = 274, 315, 33432
EXIF, GPS, INTEROP = 34665, 34853, 40965  # these fields hold offsets of directories of their own
MAX_BYTES = 8 << 20  # of EXIF or XMP that is carried over; real ones have kilobytes
_MAX_VALUE_BYTES = 1 << 20  # of one field of a TIFF
_MOST_DIRECTORIES = 3


def patched(exif: bytes, tiff: Tiff, *, strip_gps: bool) -> bytes:
    """Set the orientation to 1, take thumbnail and GPS fields out; every byte that stays keeps its place.

    A MakerNote may refer to other bytes by their offset, in ways that only the maker of its camera knows.
    """
    data = bytearray(exif)
    directories = [tiff.first, *_below(tiff, tiff.first, EXIF)]
    kept = [(0, 8)]
    removed = _thumbnail_spans(tiff, tiff.next_of(tiff.first))
    for directory in directories:
        kept += _spans(tiff, directory)
        for tag, spans in ((INTEROP, kept), (GPS, removed if strip_gps else kept)):
            for offset in _below(tiff, directory, tag):
                spans.extend(_spans(tiff, offset))
    for field in tiff.fields(tiff.first):
        if field.tag == ORIENTATION:
            struct.pack_into(f"{tiff.order}HHIHH", data, field.at, ORIENTATION, 3, 1, 1, 0)
    if tiff.next_of(tiff.first):
        struct.pack_into("4x", data, tiff.end_of(tiff.first))
    for directory in directories if strip_gps else ():
        remove_field(data, tiff, directory, GPS)
    return _zeroed(data, removed, kept)


def _below(tiff: Tiff, directory: int, tag: int) -> list[int]:
    """Return the directories that fields of one tag lead to: one in a sound EXIF, a few at most in a hostile one."""
    found = [tiff.integer(field) or 0 for field in tiff.fields(directory) if field.tag == tag]
    return found[:_MOST_DIRECTORIES]


def _spans(tiff: Tiff, directory: int) -> list[Span]:
    """Return where the bytes of a directory and of its values are."""
    fields = tiff.fields(directory)
    table = [(directory, min(tiff.end_of(directory) + 4, tiff.size))] if fields else []
    return table + [(field.value_at, field.value_at + field.size) for field in fields if field.size > 4]


def _thumbnail_spans(tiff: Tiff, directory: int) -> list[Span]:
    """Return where the second directory and its picture, in one JPEG or in strips, are."""
    spans = _spans(tiff, directory)
    numbers = {field.tag: tiff.integers(field) for field in tiff.fields(directory) if field.tag in (513, 514, 273, 279)}
    for starts, lengths in ((513, 514), (273, 279)):
        for start, length in zip(numbers.get(starts, ()), numbers.get(lengths, ()), strict=False):
            spans.append((min(start, tiff.size), min(start + length, tiff.size)))
    return spans


def remove_field(data: bytearray, tiff: Tiff, directory: int, tag: int) -> None:
    """Take the fields of one tag out of a directory in `data`; those behind them, and the end, move up."""
    start, end = directory + 2, min(tiff.end_of(directory), len(data))
    rows = [bytes(data[at : at + 12]) for at in range(start, end - 11, 12)]
    stay = [row for row in rows if struct.unpack_from(f"{tiff.order}H", row)[0] != tag]
    if len(stay) < len(rows):
        table = b"".join(stay) + bytes(data[end : end + 4])
        struct.pack_into(f"{tiff.order}H", data, directory, len(stay))
        data[start : min(end + 4, len(data))] = table.ljust(min(end + 4, len(data)) - start, b"\0")


def _zeroed(data: bytearray, removed: list[Span], kept: list[Span]) -> bytes:
    """Zero what is removed but not kept; where the data end with it, they are cut off."""
    stay = [(start, bytes(data[start:end])) for start, end in _merged(kept)]
    gone = _merged(removed)
    for start, end in gone:
        data[start:end] = bytes(end - start)
    for start, original in stay:
        data[start : start + len(original)] = original
    if gone and gone[-1][1] == len(data):
        del data[max(gone[-1][0], *(start + len(original) for start, original in stay)) :]
    return bytes(data)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap: hostile ones then cost no more than the data have bytes."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def serialised(tiff: Tiff, tags: tuple[int, ...], pointers: tuple[int, ...]) -> bytes | None:
    """Make EXIF of some fields of the first directory, and of those directories whole that `pointers` lead to.

    Values are copied as they are. Returns None if there are none.
    """
    main: dict[int, Field] = {}
    below: dict[int, dict[int, Field]] = {}
    for field in tiff.fields(tiff.first):
        if field.tag in tags and (copied := _copied(tiff, field)):
            main[field.tag] = copied
        elif field.tag in pointers and field.tag not in below:
            inner = tiff.fields(tiff.integer(field) or 0)
            small = sum(item.size for item in inner) <= MAX_BYTES  # together: they may all claim the same bytes
            found = {item.tag: _copied(tiff, item) for item in inner if small and item.tag != INTEROP}
            below[field.tag] = {tag: copied for tag, copied in found.items() if copied}
            main[field.tag] = (4, 1, bytes(4))
    body = b""
    for tag, fields in below.items():
        at = 8 + len(_directory(tiff.order, main, 0)) + len(body)
        main[tag] = (4, 1, struct.pack(f"{tiff.order}I", at))
        body += _directory(tiff.order, fields, at)
    head = struct.pack(f"{tiff.order}2sHI", b"II" if tiff.order == "<" else b"MM", 42, 8)
    return head + _directory(tiff.order, main, 8) + body if main else None


def _copied(tiff: Tiff, field: TiffField) -> Field | None:
    """Return a field's value, unless it is too large for a description, or of a kind that only BigTIFF has."""
    fits = 0 < field.size <= _MAX_VALUE_BYTES and field.kind <= 13
    return (field.kind, field.count, tiff.value(field)) if fits else None


def _directory(order: str, fields: Mapping[int, Field], offset: int) -> bytes:
    """Serialise a directory that is to stand at `offset`, its values behind it."""
    rows, values = bytearray(), bytearray()
    at = offset + 2 + 12 * len(fields) + 4
    for tag, (kind, count, raw) in sorted(fields.items()):
        inline = raw.ljust(4, b"\0")
        if len(raw) > 4:
            inline = struct.pack(f"{order}I", at + len(values))
            values += raw + bytes(len(raw) % 2)
        rows += struct.pack(f"{order}HHI", tag, kind, count) + inline
    return struct.pack(f"{order}H", len(fields)) + rows + bytes(4) + values
