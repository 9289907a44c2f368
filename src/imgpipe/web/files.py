"""Files: answers with a file, or the part of it that was asked for, or the news that it has not changed (RFC 9110)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, BinaryIO

from imgpipe.web.http import FilePart, Response
from imgpipe.web.problems import Refused

if TYPE_CHECKING:
    from imgpipe.web.digests import Digests
    from imgpipe.web.http import Headers, Request

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


def file_response(request: Request, file: BinaryIO, media: str, digests: Digests) -> Response:
    """Answer with an open file, which the answer then owns. Raises `Refused` for a range beyond its end."""
    size = os.fstat(file.fileno()).st_size
    tag = f'"{digests.of(file)}"'
    headers: Headers = (
        ("Content-Type", media),
        ("ETag", tag),
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "no-cache"),
    )
    known = request.headers.get("if-none-match")
    if known is not None and is_known(known, tag):
        file.close()
        return Response(status=304, headers=headers[1:])
    if request.method != "GET" or request.headers.get("if-range", tag) != tag:
        part = None
    else:
        part = _part(request.headers.get("range", ""), size)
    if part is None:
        return Response(headers=headers, body=FilePart(file=file, start=0, length=size))
    start, end = part
    if start >= end:
        file.close()
        beyond = (("Content-Range", f"bytes */{size}"),)
        raise Refused(416, "range-not-satisfiable", f"the file has {size} bytes", headers=beyond)
    headers = (*headers, ("Content-Range", f"bytes {start}-{end - 1}/{size}"))
    return Response(status=206, headers=headers, body=FilePart(file=file, start=start, length=end - start))


def is_known(known: str, tag: str) -> bool:
    """Whether `If-None-Match` names a tag; it does not matter here whether one of them is weak."""
    tags = (one.strip().removeprefix("W/") for one in known.split(","))
    return known.strip() == "*" or tag.removeprefix("W/") in tags


def _part(text: str, size: int) -> tuple[int, int] | None:
    """Return where a range begins and ends; None for none, and for what may be ignored: several, or nonsense."""
    match = _RANGE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:  # the last so many bytes
        return max(size - int(match[2]), 0), size if int(match[2]) else 0
    start, end = int(match[1]), int(match[2]) + 1 if match[2] else size
    if start >= end and match[2]:
        return None
    return start, min(end, size)
