"""Files: answers with a file, or the part of it that was asked for, or the news that it has not changed (RFC 9110)."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, BinaryIO

from imgpipe.web.http import FilePart, Response
from imgpipe.web.problems import Refused

if TYPE_CHECKING:
    from imgpipe.web.http import Headers, Request

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)
_MOST_DIGESTS = 1000
_PIECE_BYTES = 1 << 20


class Digests:
    """The SHA-256 of the files that were asked for last, computed once for each state of a file. Safe in threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, ...], str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, file: BinaryIO) -> str:
        """Return the digest of an open file, in hexadecimal."""
        status = os.fstat(file.fileno())
        state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        with self._lock:
            if state in self._known:
                self._known.move_to_end(state)
                return self._known[state]
        file.seek(0)
        sha256 = hashlib.sha256()
        while data := file.read(_PIECE_BYTES):
            sha256.update(data)
        with self._lock:
            self._known[state] = sha256.hexdigest()
            if len(self._known) > _MOST_DIGESTS:
                self._known.popitem(last=False)
        return sha256.hexdigest()


def file_response(request: Request, path: str, media: str, digests: Digests) -> Response:
    """Answer with a file. Raises `Refused` for one that cannot be opened, and for a range beyond its end."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - the answer owns it, see FilePart
    except OSError as error:
        raise Refused(404, "not-found", f"the picture is not on this machine: {error.strerror}") from error
    try:
        response = _answer(request, file, media, digests)
    except BaseException:
        file.close()
        raise
    if not isinstance(response.body, FilePart):
        file.close()
    return response


def is_known(known: str, tag: str) -> bool:
    """Whether `If-None-Match` names a tag; it does not matter here whether one of them is weak."""
    tags = (one.strip().removeprefix("W/") for one in known.split(","))
    return known.strip() == "*" or tag.removeprefix("W/") in tags


def _answer(request: Request, file: BinaryIO, media: str, digests: Digests) -> Response:
    size = os.fstat(file.fileno()).st_size
    tag = f'"{digests.of(file)}"'
    headers: Headers = (("ETag", tag), ("Accept-Ranges", "bytes"), ("Cache-Control", "no-cache"))
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status=304, headers=headers)
    headers = (("Content-Type", media), *headers)
    part = None
    if request.method == "GET" and request.headers.get("if-range", tag) == tag:
        part = _part(request.headers.get("range", ""), size)
    if part is None:
        return Response(headers=headers, body=FilePart(file=file, start=0, length=size))
    start, end = part
    if start >= end:
        beyond = (("Content-Range", f"bytes */{size}"),)
        raise Refused(416, "range-not-satisfiable", f"the file has {size} bytes", headers=beyond)
    headers = (*headers, ("Content-Range", f"bytes {start}-{end - 1}/{size}"))
    return Response(status=206, headers=headers, body=FilePart(file=file, start=start, length=end - start))


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
