"""Fleet: the workers as they are seen from one look to the next: how fast each is, and for how long at what."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgpipe.machine import MachineSample
from imgpipe.monitor.values import Current, Host, Memory, Worker
from imgpipe.queue.values import class_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgpipe.queue.values import WorkerStatus

_RATE_SECONDS = 10.0
# A picture is stuck after ten times what nearly every picture takes, but not before five seconds.
_STUCK_TIMES, _STUCK_SECONDS = 10.0, 5.0
_UNKNOWN_SECONDS = 60.0  # where nobody knows what a picture takes
_MOST = 1 << 60  # of anything: more is no number of a machine


@dataclass(slots=True)
class _Seen:
    """`older` and `newer` are times with the number of pictures done then, at least `_RATE_SECONDS` apart."""

    older: tuple[float, int]
    newer: tuple[float, int]
    task: str
    task_since: float | None
    idle_since: float | None = None


class Fleet:
    """Compares workers with what they were; forgets those that are not there any more."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def note(self, workers: Sequence[WorkerStatus], at: float) -> None:
        """Look at all workers, at this time of the queue's clock."""
        first = not self._seen
        seen = {}
        for worker in workers:
            done, task = worker.load.done, worker.load.now
            entry = self._seen.get(worker.id)
            if entry is None or done < entry.newer[1]:
                # Of what was there before us, nobody knows how long.
                entry = _Seen((at, done), (at, done), task, None if first else at)
            elif entry.task != task:
                entry.task, entry.task_since = task, at
            if worker.held:
                entry.idle_since = None
            elif entry.idle_since is None:
                entry.idle_since = at
            if at - entry.newer[0] >= _RATE_SECONDS:
                entry.older, entry.newer = entry.newer, (at, done)
            seen[worker.id] = entry
        self._seen = seen

    def workers(
        self, workers: Sequence[WorkerStatus], at: float, p95_seconds: float | None, name: Callable[[str], str | None]
    ) -> tuple[Worker, ...]:
        """Return all workers, by name. `p95_seconds` is what nearly every picture takes; `name` knows some of them."""
        return tuple(
            sorted(
                (self._worker(status, at, p95_seconds, name) for status in workers),
                key=lambda worker: (worker.name, worker.id),
            )
        )

    def stuck(self, workers: Sequence[WorkerStatus], at: float, p95_seconds: float | None) -> list[str]:
        """Return the tasks that take far too long, the longest first."""
        ages = [(age, status.load.now) for status in workers if (age := self._age(status, at)) is not None]
        return [task for age, task in sorted(ages, reverse=True) if age > _limit(p95_seconds)]

    def idle_seconds(self, worker: str, at: float) -> float | None:
        """Return for how long a worker has been seen without a task; 0 while it has one, None if it is not known."""
        entry = self._seen.get(worker)
        if entry is None:
            return None
        return 0.0 if entry.idle_since is None else at - entry.idle_since

    def _worker(
        self, status: WorkerStatus, at: float, p95_seconds: float | None, name: Callable[[str], str | None]
    ) -> Worker:
        load, age = status.load, self._age(status, at)
        busy = busy_slots(status)
        working = status.is_alive and bool(status.held)
        current = None
        if working and load.now:
            stuck = age is not None and age > _limit(p95_seconds)
            current = Current(task_id=load.now, item=name(load.now), age_seconds=age, stuck=stuck)
        state = status.state if status.state in ("lost", "draining") else ("busy" if busy else "idle")
        return Worker(
            id=status.id,
            name=status.name,
            host=status.host,
            pid=status.pid,
            version=status.version,
            capability=class_of(status.labels),
            routing=status.routing,
            concurrency=status.slots,
            state=state,
            age_seconds=status.age_seconds,
            heartbeat_age_seconds=status.beat_seconds,
            held=status.held,
            busy=busy,
            current=current,
            done_total=load.done,
            failed_total=load.failed,
            rate_per_second=self._rate(status, at) if status.is_alive else None,
            cpu_cores=None if load.cpu_percent is None or not status.is_alive else load.cpu_percent / 100,
            rss_bytes=load.memory_bytes if status.is_alive else None,
        )

    def _rate(self, status: WorkerStatus, at: float) -> float | None:
        entry = self._seen.get(status.id)
        if entry is None or at <= entry.older[0]:
            return None
        return (status.load.done - entry.older[1]) / (at - entry.older[0])

    def _age(self, status: WorkerStatus, at: float) -> float | None:
        entry = self._seen.get(status.id)
        if entry is None or entry.task_since is None or not status.load.now or not status.is_alive:
            return None
        return max(at - status.beat_seconds - entry.task_since, 0.0)


def busy_slots(status: WorkerStatus) -> int:
    """Return how many slots of a worker are in work: it may hold more tasks than it has slots, fetched ahead."""
    return min(status.held, status.slots) if status.is_alive else 0


def hosts(workers: Sequence[WorkerStatus], machine: MachineSample) -> tuple[Host, ...]:
    """Return all machines with live workers, as far as these are known, and this one, which `machine` is about.

    What another one is doing is what the worker says that was heard of last.
    """
    here = socket.gethostname()
    live = sorted((worker for worker in workers if worker.is_alive), key=lambda worker: worker.beat_seconds)
    found = []
    for name in sorted({worker.host for worker in live if worker.host} | {here}):
        own = [worker for worker in live if worker.host == name]
        cores = [worker.load.cpu_percent / 100 for worker in own if worker.load.cpu_percent is not None]
        sizes = [worker.load.memory_bytes for worker in own if worker.load.memory_bytes is not None]
        host = Host(
            name=name,
            workers=len(own),
            slots=sum(worker.slots for worker in own),
            worker_cores=sum(cores) if cores else None,
            worker_bytes=sum(sizes) if sizes else None,
        )
        told = (sample for worker in own if (sample := machine_of(worker.load.machine)) is not None)
        sample = machine if name == here else next(told, None)
        found.append(host if sample is None else _with_machine(host, sample))
    return tuple(found)


def machine_of(text: str) -> MachineSample | None:
    """Read what `imgpipe.worker.load` has written; None for anything else, as for what older workers say."""
    try:
        cores, cpu, throttled, load, used, limit, source = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    known = [number for number in (cpu, throttled, load, used, limit) if number is not None] + [cores]
    if not all(type(number) in (int, float) and 0 <= number < _MOST for number in known) or not cores:
        return None
    if type(source) is not str or any(type(size) is float for size in (used, limit)):
        return None
    return MachineSample(cores, cpu, throttled, load, used, limit, source)


def _with_machine(host: Host, machine: MachineSample) -> Host:
    return replace(
        host,
        cpu_cores=machine.cores,
        cpu_of_quota=machine.cpu_share,
        throttled_ratio=machine.throttled_share,
        load1=machine.load,
        memory=Memory(
            used_bytes=machine.memory_used_bytes,
            limit_bytes=machine.memory_limit_bytes,
            limit_source=machine.memory_source,
        ),
    )


def _limit(p95_seconds: float | None) -> float:
    return _UNKNOWN_SECONDS if p95_seconds is None else max(_STUCK_SECONDS, _STUCK_TIMES * p95_seconds)
