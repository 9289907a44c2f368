"""FaultProxy: stands between a client and a Redis server, and does to their connection what networks do."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_SECONDS = 10.0
_HOST = "127.0.0.1"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True, eq=False)
class _Line:
    """A client's connection and ours to the server for it, with what has been read and not yet passed on.

    `held`: nothing passes. `mute`: no more replies. `doomed`: after so many bytes of the next reply, it ends.
    """

    client: socket.socket
    server: socket.socket
    requests: bytearray = field(default_factory=bytearray)
    replies: deque[tuple[float, bytes]] = field(default_factory=deque)  # due, bytes
    held: bool = False
    mute: bool = False
    doomed: int | None = None
    client_left: bool = False
    server_left: bool = False

    @property
    def over(self) -> bool:
        """Whether one side has left and the other has all that was said before."""
        return (self.client_left and not self.requests) or (self.server_left and not self.replies)

    @property
    def late_seconds(self) -> float | None:
        """How long the next reply has to wait; None if there is none."""
        return max(self.replies[0][0] - time.monotonic(), 0) if self.replies else None

    def hear_client(self) -> bytes:
        """Read a part of a request."""
        request = _read(self.client)
        self.requests += request
        self.client_left = not request
        return request

    def hear_server(self, delay_seconds: float) -> None:
        """Read a part of a reply; forget what is not to be passed on."""
        reply = _read(self.server)
        self.server_left = not reply
        if reply and self.doomed is not None:
            reply, self.doomed = reply[: self.doomed], max(self.doomed - len(reply), 0)
            self.server_left = self.doomed == 0
        if reply and not self.mute:
            self.replies.append((time.monotonic() + delay_seconds, reply))

    def pass_on(self) -> None:
        """Send what is due, as much as goes now."""
        try:
            if self.requests:
                del self.requests[: self.server.send(self.requests)]
        except BlockingIOError:
            pass
        except OSError:
            self.server_left = True
        try:
            while self.late_seconds == 0:
                due, reply = self.replies[0]
                rest = reply[self.client.send(reply) :]
                self.replies.popleft()
                if rest:
                    self.replies.appendleft((due, rest))
        except BlockingIOError:
            pass
        except OSError:
            self.client_left = True
            self.requests.clear()

    def close(self, *, reset: bool = False) -> None:
        """End both connections; with `reset`, the client gets an error rather than an end."""
        if reset:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.client.close()
        self.server.close()


class FaultProxy:
    """A proxy on a port of its own, until `close`. Each method has taken effect when it returns.

    Faults stay until `heal`, but `reset` and `half_close`, which strike once, and `cut_next_reply`, which waits for its
    moment; `cut` is set then.
    """

    def __init__(self, server_url: str) -> None:
        parts = urlsplit(server_url)
        password = parts.password or parse_qs(parts.query).get("password", [""])[0]
        self._server = unquote(parts.path) if parts.scheme == "unix" else (parts.hostname or _HOST, parts.port or 6379)
        self._door = socket.create_server((_HOST, 0))
        self._address = self._door.getsockname()
        self.url = f"redis://:{password}@{_HOST}:{self._address[1]}/0"
        self.cut = threading.Event()
        self._is_open = True
        self._hold_new = False
        self._delay_seconds = 0.0
        self._armed: tuple[bytes, int] | None = None
        self._lines: list[_Line] = []
        self._orders: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self._bell, self._button = socket.socketpair()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="fault-proxy")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what a test does to it ---------------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._lines)

    def heal(self) -> None:
        """Let everything pass again. What was held is delivered, as a network repeats what it has lost."""
        self._order(self._heal)

    def black_hole(self, *, new_too: bool = True) -> None:
        """Let nothing pass in either direction, and tell nobody.

        Without `new_too` only for connections that are open: the far machine has lost its memory of them.
        """
        self._order(lambda: self._hold(new_too=new_too))

    def reset(self) -> None:
        """Break all connections with an error. New ones are welcome."""
        self._order(lambda: self._end_all(reset=True))

    def refuse(self) -> None:
        """Refuse new connections; open ones go on."""
        self._order(lambda: self._set_door(is_open=False))

    def delay(self, milliseconds: float) -> None:
        """Deliver each reply that comes from now on so much later."""
        self._order(lambda: setattr(self, "_delay_seconds", milliseconds / 1000))

    def cut_next_reply(self, *, after_bytes: int = 0, to: bytes = b"") -> None:
        """End the connection within the reply to the next request that contains `to`; the server has executed it.

        With no byte of it, the client cannot know whether it was.
        """
        self.cut.clear()
        self._order(lambda: setattr(self, "_armed", (to, after_bytes)))

    def half_close(self) -> None:
        """Say no more to the clients, which can still talk to the server."""
        self._order(self._half_close)

    def close(self) -> None:
        """End all connections and the thread."""
        if self._running:
            self._order(lambda: setattr(self, "_running", False))
        self._thread.join(_PATIENCE_SECONDS)

    def _order(self, action: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.put((action, done))
        self._button.send(b"!")
        assert done.wait(_PATIENCE_SECONDS), "the proxy does not obey"

    # -- what its thread does -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._running:
            self._round()
        self._end_all(reset=False)
        for end in (self._door, self._bell, self._button):
            end.close()

    def _round(self) -> None:
        active = [line for line in self._lines if not line.held]
        sources = [self._bell, *([self._door] if self._is_open else [])]
        sources += [line.client for line in active if not line.client_left]
        sources += [line.server for line in active if not line.server_left]
        targets = [line.server for line in active if line.requests]
        targets += [line.client for line in active if line.late_seconds == 0]
        late = [line.late_seconds for line in active if line.late_seconds]
        ready, _, _ = select.select(sources, targets, [], min(late, default=None))
        for line in active:
            if line.client in ready:
                request = line.hear_client()
                if self._armed and request and self._armed[0] in request:
                    line.doomed, self._armed = self._armed[1], None
            if line.server in ready:
                line.hear_server(self._delay_seconds)
            line.pass_on()
            if line.over:
                self._lines.remove(line)
                if line.doomed == 0:
                    self.cut.set()
                line.close()
        if self._door in ready:
            self._welcome()
        if self._bell in ready:
            self._bell.recv(1)
            action, done = self._orders.get()
            action()
            done.set()

    def _welcome(self) -> None:
        client, _ = self._door.accept()
        server = socket.socket(socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET)
        line = _Line(client, server, held=self._hold_new)
        try:
            server.connect(self._server)
        except OSError:  # there is no server now
            line.close(reset=True)
            return
        client.settimeout(0)
        server.settimeout(0)
        self._lines.append(line)

    def _heal(self) -> None:
        self._hold_new, self._delay_seconds, self._armed = False, 0.0, None
        for line in self._lines:
            line.held = False
        self._set_door(is_open=True)

    def _hold(self, *, new_too: bool) -> None:
        self._hold_new = new_too
        for line in self._lines:
            line.held = True

    def _end_all(self, *, reset: bool) -> None:
        for line in self._lines:
            line.close(reset=reset)
        self._lines.clear()

    def _half_close(self) -> None:
        for line in self._lines:
            line.mute = True
            line.replies.clear()
            with contextlib.suppress(OSError):
                line.client.shutdown(socket.SHUT_WR)

    def _set_door(self, *, is_open: bool) -> None:
        """Open or close the door. A socket that is bound and does not listen refuses, and nobody else gets its port."""
        if is_open and not self._is_open:
            self._door.listen()
        elif self._is_open and not is_open:
            self._door.close()
            self._door = socket.socket()
            self._door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._door.bind(self._address)
        self._is_open = is_open


def _read(source: socket.socket) -> bytes:
    """Return what is there; nothing at the end, however it came about."""
    try:
        return source.recv(1 << 16)
    except OSError:
        return b""
