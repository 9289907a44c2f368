"""Xmp: cleans XMP packets by cutting pieces out of their text; one that cannot be edited safely is dropped."""

from __future__ import annotations

import re

MAX_BYTES = 8 << 20  # that are carried over; real packets have kilobytes

ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)([0-9]+)")
_THUMBNAILS = re.compile(rb"<(xmp:Thumbnails)(?=[\s/>])[^<>]*>")
_GPS_ELEMENT = re.compile(rb"<([\w.-]{1,64}:GPS\w{0,64})(?=[\s/>])[^<>]*>", re.IGNORECASE)
_GPS_ATTRIBUTE = re.compile(rb"\s[\w.-]{1,64}:GPS\w{0,64}\s*=\s*(?:\"[^\"<]*\"|'[^'<]*')", re.IGNORECASE)
_GPS_LEFT = re.compile(rb"GPS[a-z]", re.IGNORECASE)


def cleaned_xmp(xmp: bytes, *, strip_gps: bool) -> bytes | None:
    """Set the orientation to 1, take thumbnails and, with `strip_gps`, places out; None if that cannot be done."""
    if len(xmp) > MAX_BYTES or b"\0" in xmp[:64]:  # the zeros of UTF-16 and UTF-32, which hardly anybody writes
        return None
    clean = _without_elements(ORIENTATION.sub(rb"\g<1>1", xmp), _THUMBNAILS)
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
