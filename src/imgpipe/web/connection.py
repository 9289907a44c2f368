"""Connection: one client's socket, and how far its present request is."""

from __future__ import annotations

import contextlib
import socket
import time
from enum import Enum, auto
from typing import TYPE_CHECKING

from imgpipe.web.http import FilePart, Stream
from imgpipe.web.wire import head_bytes

if TYPE_CHECKING:
    from imgpipe.web.app import View
    from imgpipe.web.http import Piece, Request, Response
    from imgpipe.web.wire import Head

_PIECE_BYTES = 256 << 10
_MOST_DROPPED_BYTES = 64 << 20


class Phase(Enum):
    """What a connection is waiting for."""

    HEAD = auto()
    """A request, or the rest of its head."""
    BODY = auto()
    """The rest of a request's body."""
    WORK = auto()
    """A view, or until it is time to call one."""
    ANSWER = auto()
    """The client, to take the answer."""
    PAUSE = auto()
    """Until it is time to ask a stream for more."""
    LINGER = auto()
    """The client, to close: what it is still sending is dropped, or it might never see the answer."""
    CLOSED = auto()
    """Nothing any more."""


class Connection:
    """A socket that never blocks.

    `deadline` is when its phase has lasted too long, `begun` when its request began, on the monotonic clock; `watched`
    are the events that the selector reports; `held_bytes` of all large bodies are this one's.
    """

    def __init__(self, sock: socket.socket, peer: str, deadline: float) -> None:
        sock.settimeout(0)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket, self.peer, self.deadline = sock, peer, deadline
        self.phase, self.since = Phase.HEAD, time.monotonic()
        self.begun: float | None = self.since
        self.incoming = bytearray()
        self.head: Head | None = None
        self.request: Request | None = None
        self.view: View | None = None
        self.lane = ""
        self.status = self.watched = self.held_bytes = self.sent_bytes = 0
        self.closes = False
        self.last_deadline = 0.0
        self.stream: Stream | None = None
        self.pause_seconds = 0.0
        self._outgoing = memoryview(b"")
        self._file: FilePart | None = None
        self._file_bytes = self._dropped_bytes = 0

    def enter(self, phase: Phase, deadline: float) -> None:
        """Begin another phase."""
        self.phase, self.deadline, self.since = phase, deadline, time.monotonic()

    def next_request(self, deadline: float) -> None:
        """Forget the request that has been answered. What the client has sent beyond it stays."""
        self.head = self.request = self.view = None
        self.sent_bytes = 0
        self.begun = time.monotonic() if self.incoming else None
        self.enter(Phase.HEAD, deadline)

    def receive(self) -> bool:
        """Take what has come in; False when nothing more will come, or too much that nobody wants."""
        try:
            data = self.socket.recv(_PIECE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self.phase is Phase.LINGER:
            self._dropped_bytes += len(data)
            return bool(data) and self._dropped_bytes < _MOST_DROPPED_BYTES
        if self.begun is None:
            self.begun = time.monotonic()
        self.incoming += data
        return bool(data)

    def take(self, size: int) -> bytes:
        """Take so many bytes of what has come in. They are copied once: there may be many of them."""
        with memoryview(self.incoming) as whole, whole[:size] as part:
            data = bytes(part)
        del self.incoming[:size]
        return data

    def has_left(self) -> bool:
        """Whether the client, of whom something has been heard, has gone."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def say(self, data: bytes) -> None:
        """Send a few bytes in between, if there is room for them: who takes nothing does not wait for them either."""
        with contextlib.suppress(OSError):
            self.socket.send(data)

    def begin(self, response: Response, *, without_body: bool, closes: bool, deadline: float) -> None:
        """Begin an answer, which `send` sends piece by piece."""
        self.status, self.closes, self.last_deadline = response.status, closes, deadline
        data = head_bytes(response, close=closes)
        if without_body or response.length == 0:
            response.close()
        elif isinstance(response.body, Stream):
            self.stream, self.pause_seconds = response.body, 0.0
        elif isinstance(response.body, FilePart):
            self._file, self._file_bytes = response.body, response.body.length
            self._file.file.seek(self._file.start)
        else:
            data += response.body
        self._outgoing = memoryview(data)
        self.enter(Phase.ANSWER, deadline)

    def go_on(self, piece: Piece, deadline: float) -> None:
        """Begin to send the next piece of a stream."""
        self._outgoing, self.pause_seconds, self.last_deadline = memoryview(piece.data), piece.seconds, deadline
        self.enter(Phase.ANSWER, deadline)

    def end_stream(self) -> None:
        """Close the stream, if there is one; not while somebody asks it."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()

    def send(self) -> bool:
        """Send what the client takes now; whether that was all. Raises `OSError` when the client has gone."""
        if not self._outgoing and self._file is not None:
            self._outgoing = memoryview(self._next_piece(self._file))
        try:
            sent = self.socket.send(self._outgoing)
        except BlockingIOError:
            return False
        self.sent_bytes += sent
        self._outgoing = self._outgoing[sent:]
        return not self._outgoing and self._file is None

    def half_close(self) -> None:
        """Tell the client that nothing more comes."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket, and the file of an answer that was not sent to its end."""
        self._drop_file()
        self.socket.close()

    def _next_piece(self, part: FilePart) -> bytes:
        data = part.file.read(min(self._file_bytes, _PIECE_BYTES))
        if not data:
            raise OSError("the file has become shorter while it was sent")
        self._file_bytes -= len(data)
        if not self._file_bytes:
            self._drop_file()
        return data

    def _drop_file(self) -> None:
        if self._file is not None:
            self._file.file.close()
            self._file = None
