"""Row: what a row of the scorecard is given, what it answers, and the tools that several rows use."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from benchmarks.measure import family, held_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent.parent
TESTS = ROOT / "tests"
IMGPIPE = [sys.executable, "-m", "imgpipe"]
MEBIBYTE = 1 << 20
_SAMPLE_SECONDS = 0.05
_TAIL = 1500


@dataclass(frozen=True)
class Order:
    """What is asked for. `work` is a folder for this row alone, empty at the start."""

    seed: int
    short: bool
    work: Path

    def size(self, full: int, short: int) -> int:
        """Return how many of something there are to be."""
        return short if self.short else full


@dataclass(frozen=True)
class Found:
    """What came of a row: the figures in words, and for each thing that can be wrong how often it was.

    `skipped` says why nothing could be tried here.
    """

    facts: str = ""
    misses: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""

    @property
    def missed(self) -> dict[str, Any]:
        """What was wrong."""
        return {what: count for what, count in self.misses.items() if count}


class Weigher:
    """Watches, inside of a `with` block, what a process and all its children weigh together, shared pages once."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, held_bytes(self._pid))


def decoders(root: psutil.Process) -> list[psutil.Process]:
    """Return the children in which pictures are opened: those of the fork server."""
    found = []
    for process in family(root.pid):
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in (root.pid, root.ppid()) and "resource_tracker" not in str(process.cmdline()):
                found.append(process)
    return found


def environment(**more: str) -> dict[str, str]:
    """Return an environment for commands: this checkout, without anybody's settings; tests can be imported."""
    path = os.pathsep.join(str(ROOT / part) for part in ("src", "cli", ".", "tests"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IMGPIPE_")}
    return {**kept, "PYTHONPATH": path, **more}


def command(*words: object, seconds: float = 600, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """Run `imgpipe` with these words to its end."""
    settings: dict[str, Any] = {"env": environment(), "stdin": subprocess.DEVNULL, "capture_output": True} | more
    return subprocess.run([*IMGPIPE, *map(str, words)], timeout=seconds, check=False, **settings)


def tested(*nodes: str) -> tuple[str, dict[str, Any]]:
    """Run tests that the suite has already; return what they said in their last line, and what is wrong."""
    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{node}" for node in nodes)]
    done = subprocess.run(asked, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    last = done.stdout.strip().rpartition("\n")[2]
    said = re.sub(r" in [\d.]+s.*", "", last.strip("= ")).replace("passed", "tests passed")
    return said, {"failed tests": (done.stdout + done.stderr)[-_TAIL:] if done.returncode else ""}


@contextlib.contextmanager
def started(words: Sequence[object], log: Path, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run `imgpipe` with these words beside the block, in a session of its own; all of it ends with the block."""
    settings: dict[str, Any] = {"env": environment(), "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE} | more
    with log.open("wb") as errors:
        process = subprocess.Popen([*IMGPIPE, *map(str, words)], stderr=errors, start_new_session=True, **settings)
    try:
        yield process
    finally:
        members = family(process.pid) if process.poll() is None else []
        for member in members:
            with contextlib.suppress(psutil.Error):
                member.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
