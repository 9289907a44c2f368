"""Interrupt: Ctrl-C once finishes what is in work, twice drops it; nothing half-written stays either way."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from imgpipe.pictures.staging import discard_open
from imgpipe_cli.codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    Handler = Callable[[int, FrameType | None], None]

ENDS = (signal.SIGINT, signal.SIGTERM)
"""The signals by which a command is asked to end."""

FINISHING = "stopping: finishing the pictures in work (Ctrl-C again to drop them)"
DROPPED = "dropped what was in work; nothing half-written is left"


@contextlib.contextmanager
def handled(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    """Let signals have handlers for the `with` block."""
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Interrupt:
    """Whether somebody asked the run to end, and how.

    The first signal calls `leave`, the second `drop`, and ends the process. `words` is what is announced then.
    """

    def __init__(
        self,
        announce: Callable[[str], None],
        drop: Callable[[], None],
        *,
        leave: Callable[[], None] = lambda: None,
        words: tuple[str, str] = (FINISHING, DROPPED),
    ) -> None:
        self._announce, self._drop, self._leave, self._words = announce, drop, leave, words
        self.code: ExitCode | None = None

    def reason(self) -> str:
        """Return why to stop, or ""."""
        return "" if self.code is None else "interrupted"

    def listening(self) -> contextlib.AbstractContextManager[None]:
        """Handle SIGINT and SIGTERM for the `with` block."""
        return handled(dict.fromkeys(ENDS, self._handle))

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.code is not None:
            self._drop()
            discard_open()
            self._announce(self._words[1])
            # Threads cannot be stopped, and the interpreter would wait for them.
            os._exit(self.code)
        self.code = ExitCode.TERMINATED if number == signal.SIGTERM else ExitCode.INTERRUPTED
        self._announce(self._words[0])
        self._leave()
