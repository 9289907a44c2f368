"""Fleet: worker processes that are replaced when they die, and what is done to them: killed, frozen, thawed, ended.

Each is a process group of its own; only processes that were started here are ever signalled, by their numbers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_FAREWELL_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class Member:
    """A worker process. Its name is never used again; what it writes is kept in `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None


class Fleet:
    """So many workers at any time. `command` makes the command of a worker from its name."""

    def __init__(
        self,
        count: int,
        command: Callable[[str], list[str]],
        logs: Path,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._count, self._command, self._logs = count, command, logs
        self._environment, self._folder = environment or {}, folder
        self._started = 0
        self.members: list[Member] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self.fill()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            self.kill(member)

    def fill(self) -> None:
        """Start workers for those that are gone."""
        self.members = [member for member in self.members if member.is_alive]
        while len(self.members) < self._count:
            self._started += 1
            name = f"worker-{self._started}"
            log = self._logs / f"{name}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    self._command(name),
                    cwd=self._folder,
                    env={**os.environ, **self._environment, "CHAOS_WORKER": name},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            self.members.append(Member(name, process, log))

    def kill(self, member: Member) -> None:
        """End a worker with everything that it has started, as a machine does that loses its power."""
        family = _family(member)
        _signal(member, signal.SIGKILL)
        for process in family:  # some put themselves into groups of their own
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        member.process.wait()

    def freeze(self, member: Member) -> None:
        """Stop a worker where it is."""
        _signal(member, signal.SIGSTOP)

    def thaw(self, member: Member) -> None:
        """Let a frozen one go on."""
        _signal(member, signal.SIGCONT)

    def end(self) -> list[Member]:
        """Tell all to end, and wait until they have; return those that did so by themselves."""
        for member in self.members:
            member.process.send_signal(signal.SIGTERM)
        ended = []
        for member in self.members:
            with contextlib.suppress(subprocess.TimeoutExpired):
                member.process.wait(_FAREWELL_SECONDS)
                ended.append(member)
        return ended


def leave_nothing_behind() -> None:
    """Have a program that is told to end do so by an exception, so that its fleets and servers end with it."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _signal(member: Member, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(member.process.pid, number)


def _family(member: Member) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(member.process.pid).children(recursive=True)
    return []
