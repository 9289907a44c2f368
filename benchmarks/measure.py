"""Measure: runs commands side by side, and says what they took: seconds, seconds of processors, memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SAMPLE_SECONDS = 0.02
_SET_CHILD_SUBREAPER = 36  # in linux/prctl.h


def adopt_orphans() -> None:
    """On Linux, become the parent of descendants whose own has ended: else their time would be nobody's."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Seconds(NamedTuple):
    """From the start of the first command to the end of the last, and of all cores together."""

    wall: float
    cpu: float


def seconds_of(commands: list[list[str]], folder: Path, environment: Mapping[str, str]) -> Seconds:
    """Return how long the commands took."""
    return _run(commands, folder, environment, sample=False)[0]


def peak_bytes_of(commands: list[list[str]], folder: Path, environment: Mapping[str, str]) -> int:
    """Return the most memory that the commands and all their children held at once, as sampled. Costs time."""
    return _run(commands, folder, environment, sample=True)[1]


def _run(
    commands: list[list[str]], folder: Path, environment: Mapping[str, str], *, sample: bool
) -> tuple[Seconds, int]:
    with tempfile.TemporaryFile() as errors:
        start_cpu, start, peak = _cpu_seconds(), time.perf_counter(), 0
        running = [
            subprocess.Popen(command, cwd=folder, env=environment, stdout=errors, stderr=errors) for command in commands
        ]
        while sample and any(process.poll() is None for process in running):
            peak = max(peak, sum(held_bytes(process.pid) for process in running))
            with contextlib.suppress(subprocess.TimeoutExpired):
                running[0].wait(SAMPLE_SECONDS)
        codes = [process.wait() for process in running]
        wall_seconds = time.perf_counter() - start
        seconds = Seconds(wall_seconds, _cpu_seconds() - start_cpu)
        if any(codes):
            errors.seek(0)
            text = errors.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{commands[0][:8]} failed with {codes}:\n{text}")
    return seconds, peak


def _cpu_seconds() -> float:
    """Return the processor time of all descendants that have ended, also of those whose parent ended before them."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def held_bytes(pid: int) -> int:
    """Return the memory of a process and its descendants; on Linux, what they share is counted once."""
    return sum(map(weight_bytes, family(pid)))


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants, as far as they live."""
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def weight_bytes(process: psutil.Process) -> int:
    """Return the memory of one process, and on Linux its part of what it shares with others; 0 if it is gone."""
    with contextlib.suppress(psutil.Error, OSError):
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", memory.uss))
    return 0
