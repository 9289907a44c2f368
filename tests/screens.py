"""Screens: a program on a (pseudo) terminal of its own: what it writes, and what is typed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEADLINE_SECONDS = 20.0
# The terminal has to be the one that sends signals: of Ctrl-C, and of a new size.
START = "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
COMMAND = START + "sys.argv[0] = 'imgpipe'; from imgpipe_cli.main import main; sys.exit(main(sys.argv[1:]))"


class Screen:
    """A program on a terminal: what it writes, and what is typed."""

    def __init__(self, process: subprocess.Popen[bytes], main: int) -> None:
        self.process, self._main = process, main
        self.output = b""

    def wait_for(self, text: str) -> None:
        """Read until a text has come, since the last time that this was called."""
        self._read_until(lambda: text.encode() in self.output, text)
        self.output = self.output[self.output.index(text.encode()) + len(text.encode()) :]

    def wait_for_end(self) -> int:
        """Read until the program has ended, and return its code."""
        self._read_until(lambda: self.process.poll() is not None, "the end")
        return self.process.wait()

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._main, text.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def settings(self) -> list[object]:
        """How the terminal is set."""
        return termios.tcgetattr(self._main)

    def _read_until(self, is_there: Callable[[], bool], what: str) -> None:
        for _ in range(int(DEADLINE_SECONDS / 0.05)):
            if is_there():
                return
            if select.select([self._main], [], [], 0.05)[0]:
                try:
                    self.output += os.read(self._main, 65536)
                except OSError:  # the other end is closed
                    threading.Event().wait(0.05)
        pytest.fail(f"{what!r} never came; the last of it: {self.output[-2000:]!r}")


@contextmanager
def on_a_terminal(arguments: Sequence[str], columns: int = 100, lines: int = 30) -> Iterator[Screen]:
    """Start `imgpipe` with these arguments, or Python with `-c` and a program; it ends with the block."""
    main, other = pty.openpty()
    fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    program = ["-c", START + arguments[1]] if arguments[0] == "-c" else ["-c", COMMAND, *arguments]
    process = subprocess.Popen(
        [sys.executable, *program], stdin=other, stdout=other, stderr=other, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "33", "LINES": "3"},
    )  # fmt: skip
    os.close(other)
    try:
        yield Screen(process, main)
    finally:
        process.kill()
        process.wait()
        os.close(main)
