"""Million: a million tasks through a window: what Redis holds meanwhile, and whether each is counted exactly once."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

import redis

from benchmarks.chaos.fleet import Fleet
from benchmarks.queue.rates import WORKERS, counted
from imgpipe.queue import open_queue
from imgpipe.queue.server import RedisServer
from imgpipe.queue.values import MOST_ITEMS, Item, JobSpec, SubmitKind

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.queue.systems import System
    from imgpipe.queue.base import TaskQueue

JOB = "million"
WINDOW = 20_000
MOST_BYTES = 60_000_000
_SAMPLE_SECONDS = 0.25
_READ = 10_000


def million(system: System, tasks: int, work: Path) -> dict[str, Any]:
    """Hand over tasks as the window allows, read their results, forget them, and watch the memory."""
    folder = work / "million"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        queue = open_queue(server.url)
        client.config_set("slowlog-log-slower-than", 5000)
        client.config_set("slowlog-max-len", 10_000)
        client.slowlog_reset()
        environment = system.environment(server.url, folder)
        command = system.worker
        with Fleet(
            WORKERS, lambda name: command(system.python, "noop", name), folder / "logs", environment=environment
        ):
            start = time.monotonic()
            seen, held = _run(queue, client, tasks)
            seconds = time.monotonic() - start
        status = queue.status(JOB)
        assert status is not None
        info = client.info("memory")
        slow = client.slowlog_get(10_000)
        wrong = queue.fsck(JOB)
        queue.close()
    half = held[len(held) // 4 :]
    misses = {
        "not once": sum(count != 1 for count in seen),
        "wrong counts": len(wrong) + (status.done != tasks) + (status.submitted != tasks) + status.duplicates,
        "too much memory": int(info["used_memory_peak"] > MOST_BYTES),
    }
    return {
        "tasks": tasks,
        "misses": misses,
        "executions": counted(folder),
        "seconds": round(seconds, 1),
        "per second": round(tasks / seconds),
        "redis peak bytes": info["used_memory_peak"],
        "redis bytes, lowest and highest after the first quarter": [min(half), max(half)],
        "calls above 5 ms": len(slow),
        "slowest call ms": round(max((entry["duration"] for entry in slow), default=0) / 1000, 1),
    }


def _run(queue: TaskQueue, client: redis.Redis, tasks: int) -> tuple[bytearray, list[int]]:
    queue.create(JobSpec(id=JOB, window=WINDOW))
    seen, held = bytearray(tasks), []
    after = cursor = settled = 0
    sample_at = 0.0
    while settled < tasks:
        after = _submit(queue, after, tasks)
        results = queue.results(JOB, _READ, start=cursor)
        for index, _, _ in results.records:
            seen[index] += 1
        settled += len(results.records)
        cursor = results.first + len(results.records)
        if results.records:
            queue.forget(JOB, cursor)
        else:
            queue.wait_for_results(JOB, cursor, _SAMPLE_SECONDS)
        if time.monotonic() > sample_at:
            sample_at = time.monotonic() + _SAMPLE_SECONDS
            held.append(client.info("memory")["used_memory"])
    return seen, held


def _submit(queue: TaskQueue, after: int, tasks: int) -> int:
    """Hand over until the window is full; return what comes next."""
    while after < tasks:
        end = min(after + MOST_ITEMS, tasks)
        items = [Item(index, b"%07d.jpg" % index) for index in range(after, end)]
        answer = queue.submit(JOB, items, after=after, last=end == tasks)
        if answer.kind is SubmitKind.FULL:
            break
        assert answer.kind is SubmitKind.ACCEPTED
        after = answer.next
    return after
