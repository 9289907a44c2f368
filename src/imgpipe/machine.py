"""Machine: how many cores and how much memory this process may really use, container limits included."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil

MEMORY_SHARE = 0.6
"""What part of the usable memory pictures in work may take by default."""

_CGROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the number of cores that this process may use: affinity and CPU quota, not what the machine has."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    quota = quota_cores()
    return max(1, min(cores, math.ceil(quota)) if quota else cores)


def quota_cores() -> float | None:
    """Return the quota of this process's container in cores, or None if there is none."""
    return _cpu_quota(_own_cgroups())


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
            if value is not None and value < 1 << 60:  # cgroup v1 writes "no limit" as a huge number
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


def _cpu_quota(folders: list[Path]) -> float | None:
    """Return the smallest quota in cores, or None."""
    quotas = []
    for folder in folders:
        try:
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            quotas.append(float(quota) / float(period))
        except (OSError, ValueError):
            used, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
            if used is not None and period_us and used > 0:
                quotas.append(used / period_us)
    return min(quotas, default=None)


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
