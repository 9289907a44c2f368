"""Waker: lets any thread, and a signal's handler, wake the one thread that waits for many things at once."""

from __future__ import annotations

import contextlib
import socket


class Waker:
    """A socket that has something to read once it was rung. Nothing in it blocks or takes a lock."""

    def __init__(self) -> None:
        self.socket, self._bell = socket.socketpair()
        for end in (self.socket, self._bell):
            end.settimeout(0)

    def ring(self) -> None:
        """Wake whoever waits, now or next."""
        with contextlib.suppress(OSError):  # full: it was rung often enough; closed: nobody waits any more
            self._bell.send(b"!")

    def clear(self) -> None:
        """Take back all that was rung."""
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(1024):
                pass

    def close(self) -> None:
        """Close both ends."""
        self._bell.close()
        self.socket.close()
