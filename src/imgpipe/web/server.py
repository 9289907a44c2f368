"""Server: one thread that has all sockets, and calls a view only when a whole request is there.

Nobody who is slow, in sending or in taking, keeps a thread: a client costs a socket and what it has sent. Views run on
the threads of their lane. `stop` lets requests in work come to their end. Not made to face the internet: see
docs/decisions/0014.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadOption
from imgpipe.web.connection import Connection, Phase
from imgpipe.web.dispatch import log_unforeseen
from imgpipe.web.exchange import Exchange
from imgpipe.web.guard import is_loopback
from imgpipe.web.limits import ServerLimits
from imgpipe.web.problems import busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.web.app import App
    from imgpipe.web.settings import WebSettings

_DEAF_SECONDS = 0.1
_ACCEPT_AT_ONCE = 16  # clients that come again and again must not keep us from hearing that they have gone
_TO_BE_TOLD = 64  # connections beyond the limit that are told so, not just closed


class Server:
    """An HTTP server. Make it, which takes the port, then call `serve`; `stop` may be called from anywhere.

    `log` is given a line for each request, from this thread and others. Raises `BadOption` for an address that cannot
    be had, and for one that others can reach while there is no token.
    """

    def __init__(
        self, app: App, host: str, port: int, *, log: Callable[[str], None], limits: ServerLimits | None = None
    ) -> None:
        check_address(host, app.settings)
        self._app, self._limits, self._log = app, limits or ServerLimits(), log
        self._listener = _listening(host, port, self._limits.backlog)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._selector = selectors.DefaultSelector()
        self._connections: set[Connection] = set()
        self._again: deque[Connection] = deque()
        self._hearer, self._waker = socket.socketpair()
        for end in (self._hearer, self._waker):
            end.settimeout(0)
        self._exchange = Exchange(app, self._limits, self._watch, self._drop, self._again.append, self._wake, log)
        self._asked_to_stop = False
        self._stop_at: float | None = None
        self._deaf_until = 0.0
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._hearer, selectors.EVENT_READ, self._forget_wakes)

    def serve(self) -> bool:
        """Serve until `stop` is called and requests in work have ended; False if a view is left that nothing ends."""
        try:
            while not self._is_done():
                for key, _ in self._selector.select(self._patience()):
                    key.data()
                for connection, response in self._exchange.answers():
                    self._step(self._exchange.settle, connection, response)
                for connection in [self._again.popleft() for _ in range(len(self._again))]:
                    self._step(self._exchange.advance, connection)
                self._expire()
        finally:
            for connection in tuple(self._connections):
                self._drop(connection)
            self._stop_listening()
            for end in (self._hearer, self._waker, self._selector):
                end.close()
        return self._exchange.close()

    def stop(self) -> None:
        """Take no further requests, and end when those in work have. Safe in signal handlers and other threads."""
        self._asked_to_stop = True
        self._wake()

    def _is_done(self) -> bool:
        if self._asked_to_stop and self._stop_at is None:
            self._begin_to_stop()
        if self._stop_at is None:
            return False
        waited = time.monotonic() - self._stop_at
        if waited >= self._limits.grace_seconds:
            self._app.stopping.set()
        return not self._connections or waited >= self._limits.grace_seconds + self._limits.last_seconds

    def _begin_to_stop(self) -> None:
        self._stop_at = time.monotonic()
        self._exchange.stopping = True
        self._app.draining.set()
        self._accept(self._limits.backlog)  # who has connected before is still served, if the request is there
        self._stop_listening()
        for connection in tuple(self._connections):
            if connection.phase in (Phase.HEAD, Phase.BODY):
                self._ready(connection)
            if connection.phase in (Phase.HEAD, Phase.BODY, Phase.LINGER):
                self._drop(connection)
            elif connection.phase is Phase.PAUSE:
                self._step(self._exchange.settle, connection, None)

    def _stop_listening(self) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(self._listener)
        self._listener.close()

    def _patience(self) -> float | None:
        """Return for how long nothing but a client can give us something to do."""
        if self._again:
            return 0
        times = [connection.deadline for connection in self._connections]
        if self._deaf_until:
            times.append(self._deaf_until)
        if self._stop_at is not None:
            grace = self._stop_at + self._limits.grace_seconds
            times.append(grace + self._limits.last_seconds if self._app.stopping.is_set() else grace)
        first = min(times, default=float("inf"))
        return None if first == float("inf") else max(first - time.monotonic(), 0)

    def _expire(self) -> None:
        now = time.monotonic()
        for connection in [one for one in self._connections if one.deadline <= now]:
            self._step(self._exchange.expire, connection)
        if self._deaf_until and self._deaf_until <= now and self._stop_at is None:
            self._deaf_until = 0.0
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self, most: int = _ACCEPT_AT_ONCE) -> None:
        for _ in range(most):
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                self._be_deaf()
                return
            peer = str(address[0]).partition("%")[0]
            connection = Connection(sock, peer, time.monotonic() + self._limits.head_seconds)
            full = len(self._connections) >= self._limits.sockets and not self._make_room()
            if full and len(self._connections) >= self._limits.sockets + _TO_BE_TOLD:
                connection.close()
                continue
            self._connections.add(connection)
            if full:
                self._step(self._exchange.refuse, connection, busy("too many connections are open"))
            else:
                self._watch(connection, selectors.EVENT_READ)

    def _be_deaf(self) -> None:
        """Accept nobody for a moment: there is no descriptor left, and the socket would report for ever."""
        if not self._make_room() and not self._deaf_until:
            self._selector.unregister(self._listener)
            self._deaf_until = time.monotonic() + _DEAF_SECONDS

    def _make_room(self) -> bool:
        """Close the connection that has been waiting longest for the rest of a request, or for a request at all."""
        young = time.monotonic() - self._limits.young_seconds
        waiting = (Phase.HEAD, Phase.BODY, Phase.LINGER)
        old = [one for one in self._connections if one.phase in waiting and one.since < young]
        if old:
            self._drop(min(old, key=lambda one: one.since))
        return bool(old)

    def _ready(self, connection: Connection) -> None:
        """Do what a socket is ready for."""
        if connection not in self._connections:  # dropped since the selector has looked
            return
        if connection.phase is Phase.ANSWER:
            self._step(self._exchange.send, connection)
        elif connection.phase is Phase.PAUSE and not connection.has_left():
            self._watch(connection, 0)  # it says something, and will be heard when the stream has ended
        elif not connection.receive():
            self._drop(connection)
        elif connection.phase is not Phase.LINGER:
            self._step(self._exchange.advance, connection)

    def _step(self, step: Callable[..., None], connection: Connection, *more: Any) -> None:
        """Take a connection one step further. Whatever goes wrong ends this connection, and never the server."""
        if connection not in self._connections:
            return
        try:
            step(connection, *more)
        except Exception:  # noqa: BLE001 - nobody has foreseen it, and the other clients are not to blame
            log_unforeseen(self._log, "-")
            self._drop(connection)

    def _watch(self, connection: Connection, events: int) -> None:
        if events == connection.watched:
            return
        if not events:
            self._selector.unregister(connection.socket)
        elif connection.watched:
            self._selector.modify(connection.socket, events, partial(self._ready, connection))
        else:
            self._selector.register(connection.socket, events, partial(self._ready, connection))
        connection.watched = events

    def _drop(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._watch(connection, 0)
            self._exchange.forget(connection)
            connection.close()

    def _wake(self) -> None:
        with suppress(OSError):  # full: it is awake anyway; closed: it has ended
            self._waker.send(b"\0")

    def _forget_wakes(self) -> None:
        with suppress(BlockingIOError):
            while self._hearer.recv(4096):
                pass


def check_address(host: str, settings: WebSettings) -> None:
    """Raise `BadOption` for an address that others can reach while they need no token."""
    if settings.token is None and not (host and is_loopback(host)):
        raise BadOption("host", host, "127.0.0.1; to be reached from elsewhere, the server needs a --token-file")


def _listening(host: str, port: int, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=backlog)
    except (OSError, OverflowError) as error:
        raise BadOption("port", port, f"a port of {host or 'this machine'} that can be had ({error})") from error
    listener.settimeout(0)
    return listener
