"""Metadata: reads EXIF, XMP, resolution and comment as raw bytes, and cleans them by patching, not by rewriting."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Literal

from imgpipe.pictures.formats import Tiff

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from PIL import ImageFile

    from imgpipe.pictures.formats import TiffField

    Field = tuple[int, int, bytes]  # kind, count and raw value of a TIFF field
    Span = tuple[int, int]

_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT, _ARTIST, _COPYRIGHT = 274, 282, 283, 296, 315, 33432
_EXIF, _GPS, _INTEROP = 34665, 34853, 40965  # these fields hold offsets of directories of their own
# What describes the picture in a TIFF file; the rest describes how its pixels are stored.
_DESCRIPTIVE = (270, 271, 272, _ORIENTATION, 305, 306, _ARTIST, 316, 18246, _COPYRIGHT, *range(40091, 40096))

_MAX_BYTES = 8 << 20  # of EXIF or XMP that is carried over; real ones have kilobytes
_MAX_VALUE_BYTES = 1 << 20  # of one field of a TIFF
_MOST_DIRECTORIES = 3
_PNG_TAIL_BYTES = 64 * 1024
_SEGMENT_BYTES = 65_533  # of a JPEG segment, of which EXIF needs 6 for its name and XMP 29

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)([0-9]+)")
_XMP_THUMBNAILS = re.compile(rb"<(xmp:Thumbnails)(?=[\s/>])[^<>]*>")
_GPS_ELEMENT = re.compile(rb"<([\w.-]{1,64}:GPS\w{0,64})(?=[\s/>])[^<>]*>", re.IGNORECASE)
_GPS_ATTRIBUTE = re.compile(rb"\s[\w.-]{1,64}:GPS\w{0,64}\s*=\s*(?:\"[^\"<]*\"|'[^'<]*')", re.IGNORECASE)
_GPS_LEFT = re.compile(rb"GPS[a-z]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a picture carries beside its pixels and its colour profile.

    `exif` is the raw TIFF structure, without the `Exif` prefix; `dpi` are pixels per inch across and down; `comment`
    is that of a JPEG or GIF. `notes` name what could not be read or carried over.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None
    notes: tuple[str, ...] = ()


def read_metadata(image: ImageFile.ImageFile, format_name: str) -> Metadata:
    """Read the metadata of a picture that Pillow has opened; no pixel is decoded.

    EXIF and XMP behind the pixels of a PNG are found if they are in its last 64 KiB. Of a TIFF, EXIF is put together
    from the descriptive fields of its first page.
    """
    info = image.info
    exif, xmp = _bytes(info.get("exif")), _bytes(info.get("xmp"))
    if format_name == "png":
        exif, xmp = _png_extras(image, exif, xmp)
    elif format_name == "tiff" and image.fp is not None:
        exif = _exif_of_tiff(image.fp)
    exif = re.sub(rb"^(?:Exif\0\0){1,2}", b"", exif) if exif else None
    if format_name == "avif" and xmp:
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)  # an AVIF is turned by its container alone, whatever XMP says
    notes = ("extended-xmp-dropped",) if format_name == "jpeg" and b"HasExtendedXMP" in (xmp or b"") else ()
    comment = _bytes(info.get("comment")) if format_name in {"jpeg", "gif"} else None
    return Metadata(exif or None, xmp or None, _resolution(image, format_name, exif), comment or None, notes)


def orientation_of(metadata: Metadata) -> int:
    """Return how the picture has to be turned, 1 (not at all) to 8: by its EXIF, else by its XMP; 1 if unclear."""
    value = None
    if tiff := Tiff.of(metadata.exif):
        value = next((tiff.integer(field) for field in tiff.fields(tiff.first) if field.tag == _ORIENTATION), None)
    if value is None and (match := _XMP_ORIENTATION.search(metadata.xmp or b"")):
        value = int(match[2][:2])
    return value if value is not None and 1 <= value <= 8 else 1


def cleaned(metadata: Metadata, policy: Literal["keep", "copyright", "none"], *, strip_gps: bool) -> Metadata:
    """Return what goes into the output of a picture that has been made upright.

    `keep` carries over everything but the thumbnails, which still show the picture as it was; the orientation becomes
    1. `copyright` keeps artist and copyright of EXIF, and no XMP and no comment; `none` keeps neither. The resolution
    always stays: it tells nothing about anybody. `strip_gps` takes the GPS fields out of EXIF and XMP; what a camera
    hides in its MakerNote, and names of places, it does not find.

    What cannot be edited safely is dropped, with the note `exif-dropped` or `xmp-dropped`.
    """
    if policy == "none":
        return replace(metadata, exif=None, xmp=None, comment=None)
    tiff = Tiff.of(metadata.exif) if metadata.exif and len(metadata.exif) <= _MAX_BYTES else None
    lost = ["exif-dropped"] if metadata.exif and not tiff else []
    if policy == "copyright":
        exif = _serialised(tiff, (_ARTIST, _COPYRIGHT), ()) if tiff else None
        return replace(metadata, exif=exif, xmp=None, comment=None, notes=(*metadata.notes, *lost))
    exif = _patched(metadata.exif, tiff, strip_gps=strip_gps) if metadata.exif and tiff else None
    xmp = _clean_xmp(metadata.xmp, strip_gps=strip_gps) if metadata.xmp else None
    lost += ["xmp-dropped"] if metadata.xmp and xmp is None else []
    return replace(metadata, exif=exif, xmp=xmp, notes=(*metadata.notes, *lost))


def fitted(metadata: Metadata, format_name: str) -> Metadata:
    """Return what a file of this format can hold of cleaned metadata; the rest is dropped with notes.

    An AVIF loses the orientation field, which is 1 by now: Pillow would serialise EXIF afresh to take it out.
    """
    most = _SEGMENT_BYTES if format_name == "jpeg" else 0 if format_name in {"gif", "bmp"} else _MAX_BYTES
    exif = metadata.exif if metadata.exif and len(metadata.exif) <= most - 6 else None
    xmp = metadata.xmp if metadata.xmp and len(metadata.xmp) <= most - 29 else None
    comment = metadata.comment if format_name in {"jpeg", "gif"} else None
    if format_name == "jpeg" and len(comment or b"") > most:
        comment = None
    notes = list(metadata.notes)
    for name, before, after in (
        ("exif", metadata.exif, exif),
        ("xmp", metadata.xmp, xmp),
        ("comment", metadata.comment, comment),
    ):
        if before and not after:
            notes.append(f"{name}-dropped")
    if format_name == "avif" and exif and (tiff := Tiff.of(exif)):
        data = bytearray(exif)
        _remove_field(data, tiff, tiff.first, _ORIENTATION)
        exif = bytes(data)
    return replace(metadata, exif=exif, xmp=xmp, comment=comment, notes=tuple(notes))


def _patched(exif: bytes, tiff: Tiff, *, strip_gps: bool) -> bytes:
    """Set the orientation to 1, take thumbnail and GPS fields out; every byte that stays keeps its place.

    A MakerNote may refer to other bytes by their offset, in ways that only the maker of its camera knows.
    """
    data = bytearray(exif)
    directories = [tiff.first, *_below(tiff, tiff.first, _EXIF)]
    kept = [(0, 8)]
    removed = _thumbnail_spans(tiff, tiff.next_of(tiff.first))
    for directory in directories:
        kept += _spans(tiff, directory)
        for tag, spans in ((_INTEROP, kept), (_GPS, removed if strip_gps else kept)):
            for offset in _below(tiff, directory, tag):
                spans.extend(_spans(tiff, offset))
    for field in tiff.fields(tiff.first):
        if field.tag == _ORIENTATION:
            struct.pack_into(f"{tiff.order}HHIHH", data, field.at, _ORIENTATION, 3, 1, 1, 0)
    if tiff.next_of(tiff.first):
        struct.pack_into("4x", data, tiff.end_of(tiff.first))
    for directory in directories if strip_gps else ():
        _remove_field(data, tiff, directory, _GPS)
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


def _remove_field(data: bytearray, tiff: Tiff, directory: int, tag: int) -> None:
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


def _clean_xmp(xmp: bytes, *, strip_gps: bool) -> bytes | None:
    if len(xmp) > _MAX_BYTES or b"\0" in xmp[:64]:  # the zeros of UTF-16 and UTF-32, which hardly anybody writes
        return None
    clean = _without_elements(_XMP_ORIENTATION.sub(rb"\g<1>1", xmp), _XMP_THUMBNAILS)
    if clean is not None and strip_gps:
        clean = _without_elements(_GPS_ATTRIBUTE.sub(b"", clean), _GPS_ELEMENT)
    return None if clean is None or (strip_gps and _GPS_LEFT.search(clean)) else clean


def _without_elements(xmp: bytes, opening: re.Pattern[bytes]) -> bytes | None:
    """Cut elements out with their contents; None if one has no end, or if another of its name is inside."""
    kept, position = [], 0
    while match := opening.search(xmp, position):
        kept.append(xmp[position : match.start()])
        position = match.end()
        if not match[0].endswith(b"/>"):
            at = xmp.find(b"</" + match[1], position)
            end = xmp.find(b">", at)
            if at < 0 or end < 0 or xmp.find(b"<" + match[1], position, at) >= 0:
                return None
            position = end + 1
    return b"".join([*kept, xmp[position:]])


def _exif_of_tiff(file: IO[bytes]) -> bytes | None:
    position = file.tell()
    try:
        tiff = Tiff.of(file)
        return _serialised(tiff, _DESCRIPTIVE, (_EXIF, _GPS)) if tiff else None
    finally:
        file.seek(position)


def _serialised(tiff: Tiff, tags: tuple[int, ...], pointers: tuple[int, ...]) -> bytes | None:
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
            small = sum(item.size for item in inner) <= _MAX_BYTES  # together: they may all claim the same bytes
            found = {item.tag: _copied(tiff, item) for item in inner if small and item.tag != _INTEROP}
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


def _png_extras(image: Any, exif: bytes | None, xmp: bytes | None) -> tuple[bytes | None, bytes | None]:
    """Look for EXIF and XMP where PNG files keep them beside Pillow's places: in old texts, and behind the pixels."""
    exif = exif or _raw_profile(image.info, "exif") or _raw_profile(image.info, "APP1")
    xmp = xmp or _raw_profile(image.info, "xmp")
    if exif and exif.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        xmp = xmp or exif[29:]
        exif = None
    if exif and xmp:
        return exif, xmp
    position = image.fp.tell()
    image.fp.seek(max(image.fp.seek(0, 2) - _PNG_TAIL_BYTES, 0))
    tail = image.fp.read(_PNG_TAIL_BYTES)
    image.fp.seek(position)
    for match, _ in zip(re.finditer(rb"eXIf|iTXtXML:com\.adobe\.xmp\0\0\0", tail), range(16), strict=False):
        at = match.start()
        end = at + 4 + int.from_bytes(tail[max(at - 4, 0) : at], "big")
        if at >= 4 and tail[end : end + 4] == zlib.crc32(tail[at:end]).to_bytes(4, "big"):
            if match[0] == b"eXIf":
                exif = exif or tail[at + 4 : end]
            else:  # two more texts, language and translated keyword, stand before the packet
                xmp = xmp or tail[match.end() : end].split(b"\0", 2)[-1]
    return exif, xmp


def _raw_profile(info: Mapping[Any, Any], kind: str) -> bytes | None:
    """Decode the hexadecimal text in which ImageMagick hid metadata before PNG had a place for them."""
    lines = str(info.get(f"Raw profile type {kind}", "")).split("\n", 3)
    try:
        return bytes.fromhex(lines[3]) if len(lines) == 4 else None
    except ValueError:
        return None


def _resolution(image: ImageFile.ImageFile, format_name: str, exif: bytes | None) -> tuple[float, float] | None:
    """Return pixels per inch, where the file states them: Pillow makes some up."""
    dpi: Any = image.info.get("dpi")
    if format_name == "jpeg" and image.info.get("jfif_unit") not in (1, 2):
        dpi = _resolution_of_exif(exif)
    elif format_name == "tiff" and _X_RESOLUTION not in getattr(image, "tag_v2", {}):
        dpi = None
    try:
        across, down = (float(value) for value in dpi or ())
    except (TypeError, ValueError, ArithmeticError):
        return None
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


def _resolution_of_exif(exif: bytes | None) -> tuple[float, ...] | None:
    tiff = Tiff.of(exif)
    fields = {field.tag: field for field in tiff.fields(tiff.first)} if tiff else {}
    if tiff is None or _X_RESOLUTION not in fields or _Y_RESOLUTION not in fields:
        return None
    unit = tiff.integer(fields[_UNIT]) if _UNIT in fields else 2
    per_inch = {2: 1.0, 3: 2.54}.get(unit or 0, 0.0)
    raw = [tiff.value(fields[tag])[:8].ljust(8, b"\0") for tag in (_X_RESOLUTION, _Y_RESOLUTION)]
    pairs = [struct.unpack(f"{tiff.order}II", value) for value in raw]
    return tuple(above / below * per_inch if below else 0.0 for above, below in pairs)


def _bytes(value: object) -> bytes | None:
    """Return bytes: a PNG's texts stand among Pillow's own facts and may have their names."""
    return value if isinstance(value, bytes) else None
