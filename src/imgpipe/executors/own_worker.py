"""OwnWorker: an `imgpipe worker` that we start on this machine, and that ends when we do, however that comes about."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe.errors import ExecutorError
from imgpipe.executors._patience import pause

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import IO

    from imgpipe.queue.base import TaskQueue

_START_SECONDS = 30.0
_LOOK_SECONDS = 0.02
_STOP_SECONDS = 5.0
_LAST_WORDS = 3  # lines

_LAUNCHER = """
exec 3<&0
{ read -r _ <&3 || { kill -TERM $$ && sleep 2 && kill -TERM $$ && sleep 3 && kill -KILL $$; }; } >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
"""
"""A shell that becomes the worker, and leaves a watcher behind: `read` ends with a line when the worker has ended, and
without one when we are gone. Then the worker is told to finish what it has, to drop it, and to end, until it is gone:
its queue may be gone for good as well, and it would wait for it for ever."""


class OwnWorker:
    """A worker process with a name. Its Redis is told by the environment: arguments can be read by everybody.

    It lives in a session of its own, so that Ctrl-C reaches us first. `output` takes what it says.
    """

    def __init__(self, name: str, url: str, arguments: Sequence[str], *, output: int | IO[bytes]) -> None:
        self.name = name
        self._url, self._arguments, self._output = url, tuple(arguments), output
        self.process = self._launch()

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self.process.pid

    def has_ended(self) -> int | None:
        """Return its exit code, None while it lives."""
        code = self.process.poll()
        if code is not None:
            self._dismiss_watcher()
        return code

    def ask_to_end(self) -> None:
        """Ask it to finish what it has and to end."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end and wait for that; after the time of grace it drops what it has."""
        for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGTERM, _STOP_SECONDS)):
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                break
        self.kill()

    def kill(self) -> None:
        """End it at once; its children end with it."""
        self.process.kill()
        self.process.wait()
        self._dismiss_watcher()

    def _words(self) -> list[str]:
        """Return the command, without the program."""
        return ["worker", "--name", self.name, *self._arguments]

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "imgpipe", *self._words()]
        try:
            return subprocess.Popen(  # noqa: S603 - our own program
                ["/bin/sh", "-c", _LAUNCHER, "imgpipe", *command],
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env={**os.environ, "IMGPIPE_REDIS": self._url},
                start_new_session=True,
            )
        except OSError as error:
            raise ExecutorError(f"a worker cannot be started here: {error}") from error

    def _dismiss_watcher(self) -> None:
        """Tell the watcher that the worker has ended, or it would end whoever has its number by then."""
        assert self.process.stdin is not None
        if not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(b"\n")
            self.process.stdin.close()


def await_workers(queue: TaskQueue, workers: Collection[OwnWorker], output: IO[bytes]) -> None:
    """Wait until the queue knows them all. Raises `ExecutorError` with the end of their `output` if one ends before."""
    names, deadline = {worker.name for worker in workers}, time.monotonic() + _START_SECONDS
    while not names <= {worker.name for worker in queue.workers()}:
        if any(worker.has_ended() is not None for worker in workers) or time.monotonic() > deadline:
            raise ExecutorError(f"the worker{'s' * (len(names) > 1)} did not start: {last_words(output)}")
        pause(_LOOK_SECONDS)


def last_words(output: IO[bytes]) -> str:
    """Return the last lines that workers have written, in one."""
    output.seek(0)
    lines = output.read().decode("utf-8", "replace").splitlines()
    return display_name(" / ".join(lines[-_LAST_WORDS:])) or "no reason was written"
