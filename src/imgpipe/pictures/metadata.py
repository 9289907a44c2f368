"""Metadata: reads EXIF, XMP, resolution and comment as raw bytes, and cleans them by patching, not by rewriting."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Literal

from imgpipe.pictures.exif import (
    ARTIST,
    COPYRIGHT,
    EXIF,
    GPS,
    MAX_BYTES,
    ORIENTATION,
    patched,
    remove_field,
    serialised,
)
from imgpipe.pictures.tiff import Tiff
from imgpipe.pictures.xmp import ORIENTATION as XMP_ORIENTATION
from imgpipe.pictures.xmp import cleaned_xmp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import ImageFile

_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296
# What describes the picture in a TIFF file; the rest describes how its pixels are stored.
_DESCRIPTIVE = (270, 271, 272, ORIENTATION, 305, 306, ARTIST, 316, 18246, COPYRIGHT, *range(40091, 40096))

_PNG_TAIL_BYTES = 64 * 1024
_SEGMENT_BYTES = 65_533  # of a JPEG segment, of which EXIF needs 6 for its name and XMP 29


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
        xmp = XMP_ORIENTATION.sub(rb"\g<1>1", xmp)  # an AVIF is turned by its container alone, whatever XMP says
    notes = ("extended-xmp-dropped",) if format_name == "jpeg" and b"HasExtendedXMP" in (xmp or b"") else ()
    comment = _bytes(info.get("comment")) if format_name in {"jpeg", "gif"} else None
    return Metadata(exif or None, xmp or None, _resolution(image, format_name, exif), comment or None, notes)


def orientation_of(metadata: Metadata) -> int:
    """Return how the picture has to be turned, 1 (not at all) to 8: by its EXIF, else by its XMP; 1 if unclear."""
    value = None
    if tiff := Tiff.of(metadata.exif):
        value = next((tiff.integer(field) for field in tiff.fields(tiff.first) if field.tag == ORIENTATION), None)
    if value is None and (match := XMP_ORIENTATION.search(metadata.xmp or b"")):
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
    tiff = Tiff.of(metadata.exif) if metadata.exif and len(metadata.exif) <= MAX_BYTES else None
    lost = ["exif-dropped"] if metadata.exif and not tiff else []
    if policy == "copyright":
        exif = serialised(tiff, (ARTIST, COPYRIGHT), ()) if tiff else None
        return replace(metadata, exif=exif, xmp=None, comment=None, notes=(*metadata.notes, *lost))
    exif = patched(metadata.exif, tiff, strip_gps=strip_gps) if metadata.exif and tiff else None
    xmp = cleaned_xmp(metadata.xmp, strip_gps=strip_gps) if metadata.xmp else None
    lost += ["xmp-dropped"] if metadata.xmp and xmp is None else []
    return replace(metadata, exif=exif, xmp=xmp, notes=(*metadata.notes, *lost))


def fitted(metadata: Metadata, format_name: str) -> Metadata:
    """Return what a file of this format can hold of cleaned metadata; the rest is dropped with notes.

    An AVIF loses the orientation field, which is 1 by now: Pillow would serialise EXIF afresh to take it out.
    """
    most = _SEGMENT_BYTES if format_name == "jpeg" else 0 if format_name in {"gif", "bmp"} else MAX_BYTES
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
        remove_field(data, tiff, tiff.first, ORIENTATION)
        exif = bytes(data)
    return replace(metadata, exif=exif, xmp=xmp, comment=comment, notes=tuple(notes))


def _exif_of_tiff(file: IO[bytes]) -> bytes | None:
    position = file.tell()
    try:
        tiff = Tiff.of(file)
        return serialised(tiff, _DESCRIPTIVE, (EXIF, GPS)) if tiff else None
    finally:
        file.seek(position)


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
