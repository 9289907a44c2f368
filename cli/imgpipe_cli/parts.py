"""Parts: the processes behind `imgpipe up`: started, read aloud line by line, started again when they die, stopped."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections import deque
from typing import TYPE_CHECKING

from imgpipe.executors.own_worker import OwnWorker
from imgpipe_cli.codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_RESTARTS, RESTART_SECONDS = 5, 60.0
_LOOK_SECONDS = 0.1
_MOST_READ = 1 << 16


class Restarts:
    """How often something has been started again lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._times = clock, deque[float]()

    def may_start(self) -> bool:
        """Whether it may be started once more; this counts."""
        now = self._clock()
        while self._times and now - self._times[0] > RESTART_SECONDS:
            self._times.popleft()
        if len(self._times) >= MOST_RESTARTS:
            return False
        self._times.append(now)
        return True


class OwnServer(OwnWorker):
    """An `imgpipe serve` that ends when we do, as a worker does."""

    def _words(self) -> list[str]:
        return ["serve", *self._arguments]


class Workers:
    """Worker processes, and a server. `say(name, line)` is told what they say, and what becomes of them."""

    def __init__(self, url: str, say: Callable[[str, str], None]) -> None:
        self._url, self._say = url, say
        self._parts: dict[str, tuple[type[OwnWorker], Sequence[str], Restarts]] = {}
        self._living: dict[str, OwnWorker] = {}
        self._selector = selectors.DefaultSelector()
        self._rests: dict[int, bytes] = {}  # the beginning of a line, by the pipe that it came from

    @property
    def pids(self) -> dict[str, int]:
        """The processes that live, by name."""
        return {name: worker.pid for name, worker in self._living.items()}

    def start(self, name: str, arguments: Sequence[str], kind: type[OwnWorker] = OwnWorker) -> None:
        """Start a worker, or a server."""
        self._parts[name] = (kind, arguments, Restarts())
        self._launch(name)

    def tend(self) -> bool:
        """Listen for a moment, and start again what has died; return whether a worker lives."""
        self._listen(_LOOK_SECONDS)
        for name, worker in list(self._living.items()):
            code = worker.has_ended()
            if code is None:
                continue
            del self._living[name]
            if code == 0:
                self._say(name, "has ended, as it was told to")
            elif code == ExitCode.USAGE:  # it has said why, and would say so again
                self._say(name, "cannot be started like this: given up")
            elif self._parts[name][2].may_start():
                self._say(name, f"died ({_how(code)}), and is started again")
                self._launch(name)
            else:
                self._say(name, f"died ({_how(code)}) for the {MOST_RESTARTS + 1}th time in a minute: given up")
        return any(not isinstance(part, OwnServer) for part in self._living.values())

    def drain(self, seconds: float, is_hurried: Callable[[], bool]) -> None:
        """Ask all to finish what they have and to end, and wait for it: the server first, for it hands work over."""
        deadline = time.monotonic() + seconds
        kinds: tuple[type[OwnWorker], ...] = (OwnServer, OwnWorker)
        for kind in kinds:
            asked = [part for part in self._living.values() if isinstance(part, kind)]
            for part in asked:
                part.ask_to_end()
            while asked and time.monotonic() < deadline and not is_hurried():
                self._listen(_LOOK_SECONDS)
                asked = [part for part in asked if part.has_ended() is None]
        self._living = {name: part for name, part in self._living.items() if part.has_ended() is None}

    def close(self) -> None:
        """End what still lives, and close the pipes."""
        for name, worker in self._living.items():
            worker.kill()
            self._say(name, "was ended by force")
        self._living.clear()
        self._listen(0)
        for key in list(self._selector.get_map().values()):
            self._forget(key.fd)
        self._selector.close()

    def _launch(self, name: str) -> None:
        kind, arguments, _ = self._parts[name]
        worker = kind(name, self._url, arguments, output=subprocess.PIPE)
        assert worker.process.stdout is not None
        os.set_blocking(worker.process.stdout.fileno(), False)
        self._selector.register(worker.process.stdout, selectors.EVENT_READ, (name, worker.process.stdout))
        self._living[name] = worker

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            with contextlib.suppress(BlockingIOError):
                data = os.read(key.fd, _MOST_READ)
                *lines, rest = (self._rests.pop(key.fd, b"") + data).split(b"\n")
                self._rests[key.fd] = rest
                for line in lines if data else [rest] if rest else []:
                    self._say(key.data[0], line.decode("utf-8", "replace"))
                if not data:
                    self._forget(key.fd)

    def _forget(self, pipe: int) -> None:
        _, file = self._selector.get_key(pipe).data
        self._selector.unregister(pipe)
        self._rests.pop(pipe, None)
        file.close()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
