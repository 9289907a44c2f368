"""Machine: how many cores and how much memory this process may really use, container limits included."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_SHARE = 0.6
"""What part of the usable memory pictures in work may take by default."""

_CGROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60  # cgroup v1 writes "no limit" as a huge number


@dataclass(frozen=True, slots=True)
class MachineSample:
    """What the machine is doing, or the container that this process is in. None is unknown, never 0.

    `cores` are those that may be used, `cpu_share` is what part of them was busy since the sample before, 0 to 1, and
    `throttled_share` in what part of the periods the quota was used up. Used memory is without the file cache;
    `memory_source` says whose limit it is: `cgroup v2`, `cgroup v1` or `machine`.
    """

    cores: float
    cpu_share: float | None
    throttled_share: float | None
    load: float | None
    memory_used_bytes: int | None
    memory_limit_bytes: int | None
    memory_source: str


class Sampler:
    """Looks at the machine whenever its owner asks; it never raises. `clock` gives seconds.

    The first sample has no share of the cores, for there is nothing to compare with. One owner, in any thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: _CpuReading | None = None

    def sample(self) -> MachineSample:
        """Look now."""
        before, reading = self._before, _read_cpu(self._clock())
        self._before = reading
        used, limit, source = _memory()
        return MachineSample(
            cores=reading.cores,
            cpu_share=_share(before, reading),
            throttled_share=_throttled(before, reading),
            load=_load(),
            memory_used_bytes=used,
            memory_limit_bytes=limit,
            memory_source=source,
        )


@dataclass(frozen=True, slots=True)
class _CpuReading:
    """Counters that only go up: core time used and core time that there was, periods of the quota and those throttled.

    None is unknown; where the core time that there was is not counted, the clock tells.
    """

    at: float
    cores: float
    used_seconds: float | None
    possible_seconds: float | None = None
    periods: tuple[float, float] | None = None


def usable_cores() -> int:
    """Return the number of cores that this process may use: affinity and CPU quota, not what the machine has."""
    cores, quota = len(_own_cores()), quota_cores()
    return max(1, min(cores, math.ceil(quota)) if quota else cores)


def quota_cores() -> float | None:
    """Return the quota of this process's container in cores, or None if there is none."""
    return min((quota for folder in _own_cgroups() if (quota := _quota_of(folder))), default=None)


def busy_share(seconds: float) -> float:
    """Return what share of all cores, 0 to 1, was busy during the next `seconds`, whoever used them."""
    return float(psutil.cpu_percent(interval=seconds)) / 100


def usable_memory_bytes() -> int:
    """Return the memory that is free for this process now: the system's, or what its container still has."""
    free = int(psutil.virtual_memory().available)
    limit = memory_limit_bytes()
    if limit is not None:
        free = min(free, limit - psutil.Process().memory_info().rss)
    return max(free, 1)


def memory_limit_bytes() -> int | None:
    """Return the memory limit of this process's container, or None if there is none."""
    limits = []
    for folder in _own_cgroups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            value = _number(folder / name)
            if value is not None and value < _UNLIMITED:
                limits.append(int(value))
    return min(limits, default=None)


def default_memory_bytes() -> int:
    """Return the default budget for pictures in work."""
    return int(usable_memory_bytes() * MEMORY_SHARE)


def rss_bytes_of(pid: int | None) -> int:
    """Return the memory that a process uses now, 0 if it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.Error:
        return 0


def _own_cores() -> set[int]:
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not on macOS and Windows
        return set(range(os.cpu_count() or 1))


def _read_cpu(now: float) -> _CpuReading:
    folders, cores = _own_cgroups(), len(_own_cores())
    quota, folder = min(((quota, folder) for folder in folders if (quota := _quota_of(folder))), default=(None, None))
    if quota is None or folder is None or quota >= cores:  # a quota that cannot be reached limits nothing
        used, possible = _core_seconds()
        return _CpuReading(now, cores, used, possible)
    stat = _table(folder / "cpu.stat")
    used = stat["usage_usec"] / 1e6 if "usage_usec" in stat else None
    if used is None:
        nanoseconds = (_number(place / "cpuacct.usage") for place in (folder, *folders))
        used = next((value / 1e9 for value in nanoseconds if value is not None), None)
    counted = "nr_periods" in stat and "nr_throttled" in stat
    return _CpuReading(now, quota, used, periods=(stat["nr_periods"], stat["nr_throttled"]) if counted else None)


def _share(before: _CpuReading | None, now: _CpuReading) -> float | None:
    if before is None or before.cores != now.cores or before.used_seconds is None or now.used_seconds is None:
        return None
    possible = now.cores * (now.at - before.at)
    if before.possible_seconds is not None and now.possible_seconds is not None:
        possible = now.possible_seconds - before.possible_seconds
    used = now.used_seconds - before.used_seconds
    return min(max(used / possible, 0.0), 1.0) if possible > 0 else None


def _throttled(before: _CpuReading | None, now: _CpuReading) -> float | None:
    if before is None or before.periods is None or now.periods is None:
        return None
    periods, throttled = (new - old for new, old in zip(now.periods, before.periods, strict=True))
    return min(max(throttled / periods, 0.0), 1.0) if periods > 0 else 0.0


def _core_seconds() -> tuple[float | None, float | None]:
    """Return how long the cores that this process may use were busy so far, whoever used them, and how long in all."""
    try:
        every, own = psutil.cpu_times(percpu=True), _own_cores()
        times = [each for number, each in enumerate(every) if number in own] or every
    except (psutil.Error, OSError, RuntimeError):
        return None, None
    idle = sum(each.idle + getattr(each, "iowait", 0.0) for each in times)
    # The time of guests is in that of users, too.
    total = sum(sum(each) - getattr(each, "guest", 0.0) - getattr(each, "guest_nice", 0.0) for each in times)
    return total - idle, total


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):  # not on Windows
        return None


def _memory() -> tuple[int | None, int | None, str]:
    """Return how much is used, of how much, and whose limit that is."""
    try:
        machine = psutil.virtual_memory()
    except (psutil.Error, OSError, RuntimeError):
        return None, None, "machine"
    limit, source, used = int(machine.total), "machine", int(machine.total - machine.available)
    for folder in _own_cgroups():
        for name, use, cache, kind in (
            ("memory.max", "memory.current", "inactive_file", "cgroup v2"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "cgroup v1"),
        ):
            most, held = _number(folder / name), _number(folder / use)
            if most is not None and held is not None and most < limit:
                limit, source = int(most), kind
                used = max(int(held - _table(folder / "memory.stat").get(cache, 0)), 0)
    return used, limit, source


def _own_cgroups() -> list[Path]:
    """Return the folders that may limit this process, from its own up to the root."""
    folders: list[Path] = []
    for line in _own_cgroup_lines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        root = _CGROUPS / controllers if controllers else _CGROUPS
        own = root / path.lstrip("/")
        folders.extend(folder for folder in (own, *own.parents) if folder.is_relative_to(root))
    return folders


def _own_cgroup_lines() -> list[str]:
    try:
        return Path("/proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _quota_of(folder: Path) -> float | None:
    """Return the quota of a control group in cores, or None."""
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        allowed, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        return allowed / period_us if allowed and period_us and allowed > 0 else None


def _table(path: Path) -> dict[str, float]:
    """Return the numbers of a file with a name and a number in each line; none if it cannot be read."""
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        return {line[0]: float(line[1]) for line in lines if len(line) == 2}
    except (OSError, ValueError):
        return {}


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
