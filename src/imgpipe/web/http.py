"""Http: what a view is given and what it returns: values that know nothing of sockets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Headers: TypeAlias = tuple[tuple[str, str], ...]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. Names of `headers` are in lower case; `peer` is the client's address, "" for a unix socket.

    `query` holds the parameters after the question mark: their text, and once it has been let in, all that the route
    knows, as values. `variables` are those that the route's path names. `body` is empty until it has been let in.
    """

    method: str
    path: str
    id: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    body: bytes = b""

    @property
    def content_length(self) -> int | None:
        """Bytes of the body as announced, None where nothing is. Whoever made the request has checked that."""
        text = self.headers.get("content-length")
        return None if text is None else int(text)

    @property
    def media_type(self) -> str:
        """The type of the body, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """`length` bytes of an open file from `start` on. Whoever sends it, or drops it, closes the file."""

    file: BinaryIO
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a stream, and in how many seconds to ask for the next ones."""

    data: bytes
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A body that is made while it is sent. Its length is not known before, so it ends with the connection.

    `pieces` is asked on the threads of the route's lane, never twice at a time. Whoever sends it, or drops it, calls
    `close`, once, while nobody asks.
    """

    pieces: Iterator[Piece]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer. Raises `ValueError` for a header that would not stay one."""

    status: int = 200
    headers: Headers = ()
    body: bytes | FilePart | Stream = b""

    def __post_init__(self) -> None:
        """Refuse headers that hold line breaks or other control characters: they could pass for another answer."""
        for name, value in self.headers:
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(f"not a header: {name!r}: {value!r}")

    @property
    def length(self) -> int | None:
        """Bytes of the body, None for a stream."""
        if isinstance(self.body, Stream):
            return None
        return self.body.length if isinstance(self.body, FilePart) else len(self.body)

    def header(self, name: str) -> str | None:
        """Return the value of a header, None without it."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_headers(self, *more: tuple[str, str]) -> Response:
        """Return the answer with further headers; those that are there stay as they are."""
        return replace(self, headers=self.headers + tuple(item for item in more if self.header(item[0]) is None))

    def close(self) -> None:
        """Close what a body has that will not be sent."""
        if isinstance(self.body, FilePart):
            self.body.file.close()
        elif isinstance(self.body, Stream):
            self.body.close()


def json_response(data: Any, *, status: int = 200, headers: Headers = (), media: str = "application/json") -> Response:
    """Return `data` as JSON. There is no NaN in it: JSON has no word for that."""
    body = json.dumps(data, allow_nan=False, indent=1).encode() + b"\n"
    return Response(status=status, headers=(("Content-Type", media), *headers), body=body)
