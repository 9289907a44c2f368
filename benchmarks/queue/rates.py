"""Rates: one measurement of one queue: tasks in, bytes for those that wait, tasks out, and what the processors did."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import redis

from benchmarks.chaos.fleet import Fleet

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.queue.systems import System
    from imgpipe.queue.server import RedisServer

_LOOK_SECONDS = 0.01
_PATIENCE_SECONDS = 180.0
_SKIPPED = 0.1  # of the tasks: until then, workers may still be starting
WORKERS = 2


@dataclass(frozen=True)
class _Moment:
    at: float
    count: int
    workers_cpu: float
    redis_cpu: float


def measured(system: System, tasks: int, server: RedisServer, work: Path) -> dict[str, Any]:
    """Submit no-op tasks to an empty Redis, then start two workers, and time them from the first tenth to the end."""
    folder = work / system.app
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = system.environment(server.url, folder)
    names = [f"{number:06d}.jpg" for number in range(tasks)]
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        before = client.info("memory")["used_memory"]
        submit_seconds, submit_cpu = system.submit("noop", names, environment)
        waiting_bytes = client.info("memory")["used_memory"] - before
    fleet = Fleet(
        WORKERS, lambda name: system.worker(system.python, "noop", name), folder / "logs", environment=environment
    )
    with fleet:
        first = _wait(fleet, folder, server, round(tasks * _SKIPPED))
        last = _wait(fleet, folder, server, tasks)
    done = last.count - first.count
    if last.count != tasks:
        raise SystemExit(f"{system.title} did {last.count} tasks of {tasks}; see {folder / 'logs'}")
    return {
        "tasks": tasks,
        "submitted per second": round(tasks / submit_seconds),
        "processed per second": round(done / (last.at - first.at)),
        "bytes per waiting task": round(waiting_bytes / tasks),
        "submit cpu us": round(submit_cpu / tasks * 1e6, 1),
        "workers cpu us": round((last.workers_cpu - first.workers_cpu) / done * 1e6, 1),
        "redis cpu us": round((last.redis_cpu - first.redis_cpu) / done * 1e6, 1),
    }


def _wait(fleet: Fleet, folder: Path, server: RedisServer, count: int) -> _Moment:
    pause, deadline = threading.Event(), time.monotonic() + _PATIENCE_SECONDS
    while (found := counted(folder)) < count and time.monotonic() < deadline:
        pause.wait(_LOOK_SECONDS)
    at = time.monotonic()
    workers_cpu = sum(_cpu_seconds(member.process.pid, family=True) for member in fleet.members)
    return _Moment(at, found, workers_cpu, _cpu_seconds(server.pid or 0))


def counted(folder: Path) -> int:
    """Return how many tasks were done."""
    return sum(int.from_bytes(file.read_bytes(), "little") for file in folder.glob("count-*"))


def _cpu_seconds(pid: int, *, family: bool = False) -> float:
    process = psutil.Process(pid)
    processes = [process, *(process.children(recursive=True) if family else [])]
    return sum(sum(one.cpu_times()[:2]) for one in processes)
