"""Load: what the processes of this worker use of the machine, and how busy that is, as far as the system tells."""

from __future__ import annotations

import json
import os
import time
from dataclasses import astuple
from typing import TYPE_CHECKING

from imgpipe.machine import Sampler, rss_bytes_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class LoadMeter:
    """Measures from one reading to the next."""

    def __init__(self) -> None:
        self._read_at = time.monotonic()
        self._seconds: dict[int, float] = {}
        self._sampler = Sampler()

    def read(self, pids: Sequence[int]) -> tuple[float | None, int | None]:
        """Return how busy these processes were since the last reading, in percent of a core, and their memory in bytes.

        None is unknown: everywhere but on Linux, and at the first reading.
        """
        now, before = time.monotonic(), self._seconds
        seconds = {pid: used for pid in pids if (used := cpu_seconds_of(pid)) is not None}
        known = seconds.keys() & before.keys()
        passed = now - self._read_at
        percent = 100 * sum(seconds[pid] - before[pid] for pid in known) / passed if known and passed > 0 else None
        self._read_at, self._seconds = now, seconds
        memory_bytes = sum(rss_bytes_of(pid) for pid in pids)
        return None if percent is None else round(percent, 1), memory_bytes or None

    def machine(self) -> str:
        """Return what a `MachineSample` says, in some 60 bytes, for those who watch from elsewhere."""
        values = [round(value, 3) if type(value) is float else value for value in astuple(self._sampler.sample())]
        return json.dumps(values, separators=(",", ":"))


def cpu_seconds_of(pid: int) -> float | None:
    """Return how long a process has been on a core, None if it is gone or the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
