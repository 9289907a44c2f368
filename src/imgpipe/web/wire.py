"""Wire: how HTTP/1 is spelt: bytes become a head, strictly, and an answer becomes bytes.

Where a message can be read in two ways, somebody before us may read it in the other one and let a second request pass
inside of the first; so it is refused, and the connection closed (RFC 9112, sections 5, 6 and 11).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from imgpipe.web.http import Request
from imgpipe.web.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.web.http import Response

MAX_LINE_BYTES = 8 << 10
MAX_HEAD_BYTES = 32 << 10
MAX_FIELDS = 100
_MAX_PARAMETERS = 32

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_REQUEST_LINE = re.compile(rb"(%b{1,32}) ([!-~]+) HTTP/([0-9])\.([0-9])" % _TOKEN)
_START = re.compile(_TOKEN)
_FIELD_NAME = re.compile(_TOKEN + rb"+")
_FIELD_VALUE = re.compile(rb"[\t -~\x80-\xff]*")
_LONE_BREAK = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_LENGTH = re.compile(r"[0-9]{1,19}")
_REPEATABLE = {"accept", "accept-encoding", "accept-language", "cache-control", "connection", "cookie", "if-none-match",
               "via", "x-forwarded-for"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request, before anything of it is believed. Names of headers are in lower case."""

    method: str
    target: str
    version: tuple[int, int]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The request line, for the log."""
        return f"{self.method} {self.target} HTTP/{self.version[0]}.{self.version[1]}"

    @property
    def keeps_alive(self) -> bool:
        """Whether the client may send another request afterwards."""
        asked = {word.strip().lower() for word in self.headers.get("connection", "").split(",")}
        return self.version >= (1, 1) and "close" not in asked

    @property
    def body_bytes(self) -> int:
        """How many bytes follow."""
        return int(self.headers.get("content-length", "0"))


def take_head(incoming: bytearray) -> Head | None:
    """Take a head from the bytes that have come in; None while it is incomplete.

    Raises `Refused` as soon as it cannot become a head any more.
    """
    if incoming[:2] == b"\r\n":  # some clients end a body with a line break too many
        del incoming[:2]
    end = incoming.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    if end < 0:
        _check_beginning(incoming)
        return None
    head = _head(bytes(incoming[:end]))
    del incoming[: end + 4]
    return head


def read_request(head: Head, *, peer: str) -> Request:
    """Read the target of a head. Raises `Refused`."""
    target, headers = head.target, head.headers
    if target.lower().startswith(("http://", "https://")):
        authority, slash, rest = target.partition("://")[2].partition("/")
        target, headers = slash + rest or "/", {**headers, "host": authority}
    if not target.startswith("/") and not (target == "*" and head.method == "OPTIONS"):
        raise _malformed(f"the target {target[:80]!r} is not a path")
    path, _, query = target.partition("?")
    return Request(
        method=head.method,
        path=decoded(path),
        query=parameters(query),
        headers=headers,
        id=request_id(headers),
        peer=peer,
    )


def request_id(headers: Mapping[str, str]) -> str:
    """Return the name that the client has given to its request, if it is one, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else secrets.token_hex(8)


def decoded(path: str) -> str:
    """Undo percent-encoding. Raises `Refused` where that gives no text."""
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError as error:
        raise _malformed("the path is not UTF-8 once decoded") from error


def parameters(query: str) -> dict[str, str]:
    """Read the query. Raises `Refused`, for a parameter that is given twice too."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise _malformed(f"the query cannot be read: {error}") from error
    if len(dict(pairs)) < len(pairs):
        raise Refused(400, "bad-parameter", "a parameter of the query is given twice")
    return dict(pairs)


def check_length(text: str) -> str:
    """Return what Content-Length says, if that is a number. Raises `Refused`."""
    if not _LENGTH.fullmatch(text):
        raise _malformed("Content-Length is not a number of bytes")
    return text


def head_bytes(response: Response, *, close: bool) -> bytes:
    """Return status line and headers of an answer."""
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}", f"Date: {formatdate(usegmt=True)}"]
    if response.status not in (204, 304) and response.length is not None:
        lines.append(f"Content-Length: {response.length}")
    lines += [f"{name}: {value}" for name, value in response.headers]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _check_beginning(incoming: bytearray) -> None:
    """Refuse what cannot become a head, without waiting for the rest of it."""
    line, complete, _ = incoming[: MAX_LINE_BYTES + 2].partition(b"\r\n")
    if incoming and not _START.match(incoming):
        raise _malformed("this is no request line; is it meant for https?")
    if _LONE_BREAK.search(incoming.removesuffix(b"\r")):  # which may be half of a line break
        raise _malformed("lines end with CR and LF")
    if complete:
        _request_line(bytes(line))
    elif len(incoming) > MAX_LINE_BYTES:
        raise Refused(414, "head-too-large", f"the request line has more than {MAX_LINE_BYTES} bytes")
    if len(incoming) >= MAX_HEAD_BYTES:
        raise Refused(431, "head-too-large", f"the head has more than {MAX_HEAD_BYTES} bytes")


def _head(data: bytes) -> Head:
    if _LONE_BREAK.search(data):
        raise _malformed("lines end with CR and LF")
    first, *rest = data.split(b"\r\n")
    method, target, version = _request_line(first)
    if len(rest) > MAX_FIELDS:
        raise Refused(431, "head-too-large", f"there are more than {MAX_FIELDS} headers")
    headers: dict[str, str] = {}
    for line in rest:
        name, value = _field(line)
        if name not in headers:
            headers[name] = value
        elif name in _REPEATABLE:
            headers[name] += f", {value}"
        else:
            raise _malformed(f"the header {name} is given twice")
    _check_framing(headers, version)
    return Head(method, target, version, headers)


def _request_line(line: bytes) -> tuple[str, str, tuple[int, int]]:
    if len(line) > MAX_LINE_BYTES:
        raise Refused(414, "head-too-large", f"the request line has more than {MAX_LINE_BYTES} bytes")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _malformed("the request line is not METHOD /path HTTP/1.1")
    if match[3] != b"1":
        raise Refused(505, "unsupported-version", "this server speaks HTTP/1.1")
    return match[1].decode(), match[2].decode(), (1, int(match[4]))


def _field(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _FIELD_NAME.fullmatch(name):  # that excludes folded lines and spaces before the colon
        raise _malformed("a header is not written as Name: value, on one line")
    value = value.strip(b" \t")
    if not _FIELD_VALUE.fullmatch(value):
        raise _malformed("a header holds control characters")
    return name.decode().lower(), value.decode("latin-1")


def _check_framing(headers: Mapping[str, str], version: tuple[int, int]) -> None:
    """Make sure that everybody finds the end of this message in the same place."""
    if version >= (1, 1) and "host" not in headers:
        raise _malformed("the header Host is missing")
    length = headers.get("content-length")
    if length is not None:
        check_length(length)
    if "transfer-encoding" in headers:
        if length is not None or version < (1, 1):
            raise _malformed("Transfer-Encoding where it may not be")
        raise Refused(411, "length-required", "bodies are not read in chunks: send Content-Length")


def _malformed(detail: str) -> Refused:
    return Refused(400, "malformed-request", detail)
