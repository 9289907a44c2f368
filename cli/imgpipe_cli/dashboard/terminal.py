"""Terminal: the alternate screen and the keys of a terminal; it gets back what it was like, however this ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # of a frame, for terminals that know it: no half ones on a slow line
_ESCAPE_SECONDS = 0.025  # the rest of an escape sequence comes at once, or it was the key Esc
_RESIZE_SECONDS = 0.1  # while a window is drawn larger, its size changes all the time

_NAMES = {
    b"\x1b[A": "up", b"\x1b[B": "down", b"\x1bOA": "up", b"\x1bOB": "down", b"\r": "enter", b"\n": "enter",
    b"\t": "tab", b"\x7f": "backspace", b"\x08": "backspace", b"\x03": "ctrl-c", b"\x1b": "escape",
}  # fmt: skip


class Terminal:
    """Draws frames and reads keys for the `with` block. `ended` is the signal that asks for the end, if one came.

    Keys come from standard input, or from /dev/tty where that is no terminal; if there is none, there are no keys.
    """

    def __init__(self, output: int = 1, keys: int = 0) -> None:
        self._output, self._keys, self._opened = output, keys, -1
        self._settings: list[Any] | None = None
        self._handlers: dict[int, Any] = {}
        self._drawn = ""
        self._resized_at: float | None = None
        self.ended: int | None = None

    def __enter__(self) -> Self:
        if not os.isatty(self._keys):
            with contextlib.suppress(OSError):
                self._keys = self._opened = os.open("/dev/tty", os.O_RDONLY)
        for name, handler in (
            ("SIGTERM", self._end), ("SIGHUP", self._end), ("SIGINT", self._end), ("SIGWINCH", self._resize),
            ("SIGTSTP", self._suspend),
        ):  # fmt: skip
            number = getattr(signal, name, None)
            if number is not None:
                self._handlers[number] = signal.signal(number, handler)
        self._enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._opened >= 0:
            os.close(self._opened)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines. LINES and COLUMNS are not asked: exported ones would be wrong for ever."""
        try:
            columns, lines = os.get_terminal_size(self._output)
        except OSError:
            return 80, 24
        return (columns or 80), (lines or 24)

    @property
    def is_settled(self) -> bool:
        """Whether the size has not changed for a moment."""
        return self._resized_at is None or time.monotonic() - self._resized_at > _RESIZE_SECONDS

    def draw(self, lines: list[str]) -> None:
        """Show a frame, if it differs from the one that is there."""
        text = "".join(f"\x1b[{number};1H{line}" for number, line in enumerate(lines, start=1))
        if self._resized_at is not None:
            self._resized_at, self._drawn, text = None, "", "\x1b[2J" + text
        if text != self._drawn:
            self._drawn = text
            self._write(_BEGIN + text + _END)

    def read_keys(self, seconds: float) -> list[str]:
        """Return the keys that were pressed, waiting for so long at most."""
        data = self._read(seconds)
        if data.endswith(b"\x1b") or (b"\x1b" in data[-5:] and not keys_in(data)):
            data += self._read(_ESCAPE_SECONDS)
        return keys_in(data)

    def _read(self, seconds: float) -> bytes:
        if self._settings is None:
            threading.Event().wait(seconds)
            return b""
        readable, _, _ = select.select([self._keys], [], [], seconds)
        if not readable:
            return b""
        data = os.read(self._keys, 1024)
        if not data:  # the terminal is gone
            self.ended = self.ended or signal.SIGTERM
        return data

    def _enter(self) -> None:
        with contextlib.suppress(ImportError, OSError):
            import termios  # noqa: PLC0415 - not on Windows
            import tty  # noqa: PLC0415 - the same

            if os.isatty(self._keys):
                self._settings = termios.tcgetattr(self._keys)
                tty.setcbreak(self._keys, termios.TCSADRAIN)
        self._drawn = ""
        self._write(_ENTER)

    def _leave(self) -> None:
        with contextlib.suppress(OSError):  # it may be gone
            self._write(_LEAVE)
        if self._settings is not None:
            import termios  # noqa: PLC0415 - not on Windows

            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._settings)
            self._settings = None

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._output, data) :]

    def _end(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.ended = number

    def _resize(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._resized_at = time.monotonic()

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        """Give the terminal back, stop as one is used to, and take it again afterwards."""
        del frame
        self._leave()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # the process stands still in here
        signal.signal(number, self._suspend)
        self._enter()
        self._resized_at = time.monotonic()


def keys_in(data: bytes) -> list[str]:
    """Return the names of keys in what a terminal has sent; sequences that mean nothing here are left out."""
    return list(_split(data))


def _split(data: bytes) -> Iterator[str]:
    while data:
        sequence = _sequence(data)
        data = data[len(sequence) :]
        if sequence in _NAMES:
            yield _NAMES[sequence]
        elif not sequence.startswith(b"\x1b"):
            text = sequence.decode("utf-8", "replace")
            if text.isprintable():
                yield text


def _sequence(data: bytes) -> bytes:
    """Return the first key: an escape sequence, a character of one or more bytes, or a single byte."""
    if data[:2] in {b"\x1b[", b"\x1bO"}:
        end = next((at for at in range(2, len(data)) if 0x40 <= data[at] <= 0x7E), len(data) - 1)
        return data[: end + 1]
    first = data[0]
    length = 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    return data[:length]
