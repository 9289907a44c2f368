"""Watch: looks at a queue again and again, and makes a snapshot of each look and what it remembers of those before."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from imgpipe.machine import Sampler
from imgpipe.monitor.advising import Adviser
from imgpipe.monitor.classes import Pulse, able_workers, class_queue, job_times
from imgpipe.monitor.details import Details
from imgpipe.monitor.eta import WINDOW_SECONDS, eta
from imgpipe.monitor.fleet import Fleet, hosts
from imgpipe.monitor.history import History
from imgpipe.monitor.reading import read
from imgpipe.monitor.times import rfc3339
from imgpipe.monitor.values import ErrorGroup, Rates, RedisServer, Run, Snapshot
from imgpipe.queue.values import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imgpipe.advice import AdviceSettings
    from imgpipe.monitor.reading import Reading, Server, Watched
    from imgpipe.monitor.values import ClassQueue
    from imgpipe.queue.values import JobStatus

NOW_SECONDS, MINUTE_SECONDS, TEN_MINUTES_SECONDS = 5.0, 60.0, 600.0
_MOST_ERRORS = 50
_MOST_TASKS = 1000  # of a run in this process, which costs nothing to ask


class Watch:
    """Watches a queue. One thread at a time; `take` raises `QueueUnavailable` while the queue is away.

    `server` is the Redis behind it, if there is one; `source` says what it is: redis, memory or local, which is a run
    without a queue. `wall` gives seconds since 1970, and is used where the queue's own clock does not.
    """

    def __init__(
        self,
        queue: Watched,
        *,
        server: Server | None = None,
        source: str = "redis",
        namespace: str = "default",
        sampler: Sampler | None = None,
        advice: AdviceSettings | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._queue, self._server, self._sampler = queue, server, sampler or Sampler()
        self._source, self._namespace, self._wall = source, namespace, wall
        self._pulse: History[Pulse] = History()
        self._runs: dict[str, History[int]] = {}
        self._codes: Counter[str] = Counter()
        self._code_seen: dict[str, float] = {}
        self._fleet = Fleet()
        self._is_local = source == "local"
        self._details = Details(queue, _MOST_TASKS if self._is_local else 1)
        self._adviser = Adviser(advice, is_local=self._is_local)
        self._looked_at: str | None = None

    def look_at(self, task: str | None) -> None:
        """Find out, with the next looks, which picture this task is, though it is not stuck. Any thread may call it."""
        self._looked_at = task

    def take(self) -> Snapshot:
        """Look once, and return all that can be said."""
        reading = read(self._queue, self._server, self._sampler)
        at = reading.seen.counters.at_seconds
        # The server's clock is the same for all who watch; that of a queue in memory counts from anywhere.
        wall = at if self._source == "redis" else self._wall()
        self._note(reading, at, wall)
        jobs = job_times(self._pulse)
        p95 = jobs.duration_seconds.p95 or jobs.duration_total_seconds.p95
        stuck = self._fleet.stuck(reading.seen.workers, at, p95)
        asked = [self._looked_at] if self._looked_at else []
        if self._is_local:
            asked += [worker.load.now for worker in reading.seen.workers if worker.load.now]
        self._details.look([*asked, *stuck], [job for job in reading.seen.jobs if job.codes])
        names = sorted({entry.name for entry in reading.seen.classes} | set(reading.seen.counters.classes))
        queues = tuple(class_queue(name, reading, self._pulse) for name in names)
        machines = hosts(reading.seen.workers, reading.machine)
        return Snapshot(
            wall_seconds=wall,
            took_seconds=reading.took_seconds,
            source=self._source,
            namespace=self._namespace,
            uptime_seconds=_number(reading.info, "uptime_in_seconds"),
            runs=tuple(self._run(status, reading, queues, wall) for status in reading.seen.jobs),
            queues=queues,
            jobs=jobs,
            workers=self._fleet.workers(reading.seen.workers, at, p95, self._details.picture),
            lost_workers_total=reading.seen.counters.lost_workers,
            hosts=machines,
            redis=_redis(reading),
            errors=self._errors(),
            scaling=self._adviser.advise(reading, queues, machines, self._fleet, wall),
        )

    def _note(self, reading: Reading, at: float, wall: float) -> None:
        """Remember what the next looks are to be compared with."""
        last = self._pulse.last()
        pulse = Pulse.of(reading)
        if last is not None and (at < last[0] or not last[1].can_lead_to(pulse)):
            self._pulse.clear()  # another queue has taken its place
            self._runs.clear()
            self._fleet = Fleet()
            self._adviser.forget()
        self._pulse.add(at, pulse)
        runs = {}
        for status in reading.seen.jobs:
            history = self._runs.get(status.id)
            if history is None or (history.last() or (0.0, 0))[1] > status.settled:
                history = History()
            if not status.is_over or history.last() is None:
                history.add(at, status.settled)
            runs[status.id] = history
        self._runs = runs
        self._fleet.note(reading.seen.workers, at)
        codes: Counter[str] = Counter()
        for status in reading.seen.jobs:
            codes.update(status.codes)
        # What was there before us is of no known time.
        self._code_seen |= {code: wall for code, count in codes.items() if last and count > self._codes[code]}
        self._codes = codes

    def _run(self, status: JobStatus, reading: Reading, queues: tuple[ClassQueue, ...], wall: float) -> Run:
        history = self._runs[status.id]
        waiting = status.pending + status.retrying
        finishing = status.sealed and not waiting and status.running > 0
        estimate = None
        if status.left is not None and status.state is JobState.RUNNING and not finishing:
            slots = sum(worker.slots for worker in able_workers(status.task_class, reading.seen.workers))
            times = next(queue.duration_seconds for queue in queues if queue.capability == status.task_class)
            tail = times.mean or 0.0, times.p99 or times.p95 or times.mean or 0.0
            estimate = eta(history.within(WINDOW_SECONDS), status.left, slots, tail)
        return Run(
            id=status.id,
            capability=status.task_class,
            state=status.state.value,
            why=status.why,
            total=status.total,
            submitted=status.submitted,
            pending=status.pending,
            running=status.running,
            retrying=status.retrying,
            done=status.settled,
            ok=status.done,
            failed=status.failed,
            lost=status.lost,
            cancelled=status.cancelled,
            retried=status.attempts + status.losses,
            age_seconds=status.age_seconds,
            started_at=rfc3339(wall - status.age_seconds),
            rate_per_second=Rates(
                now=_rate(history, NOW_SECONDS),
                one_minute=_rate(history, MINUTE_SECONDS),
                ten_minutes=_rate(history, TEN_MINUTES_SECONDS),
            )
            if not status.is_over
            else Rates(),
            finishing=finishing,
            eta_seconds=estimate,
        )

    def _errors(self) -> tuple[ErrorGroup, ...]:
        groups = []
        for code, count in self._codes.most_common(_MOST_ERRORS):
            example, seen = self._details.example(code), self._code_seen.get(code)
            groups.append(
                ErrorGroup(
                    code=code,
                    count=count,
                    last_at=None if seen is None else rfc3339(seen),
                    example=example.picture if example else None,
                    hint=example.hint or None if example else None,
                )
            )
        return tuple(groups)


def _rate(history: History[int], seconds: float) -> float | None:
    oldest, newest = history.oldest(seconds), history.last()
    if oldest is None or newest is None or newest[0] <= oldest[0]:
        return None
    return (newest[1] - oldest[1]) / (newest[0] - oldest[0])


def _redis(reading: Reading) -> RedisServer | None:
    info = reading.info
    if info is None:
        return None
    used, most = _number(info, "used_memory"), _number(info, "maxmemory")
    clients, aof = _number(info, "connected_clients"), _number(info, "aof_enabled")
    name = "Valkey" if "valkey_version" in info else "Redis"
    return RedisServer(
        version=f"{name} {info.get('valkey_version', info.get('redis_version', 'of unknown version'))}",
        used_memory_bytes=None if used is None else int(used),
        maxmemory_bytes=int(most) if most else None,
        policy=str(info["maxmemory_policy"]) if "maxmemory_policy" in info else None,
        ops_per_second=_number(info, "instantaneous_ops_per_sec"),
        clients=None if clients is None else int(clients),
        aof_enabled=None if aof is None else bool(aof),
        ping_seconds=reading.ping_seconds,
    )


def _number(info: Mapping[str, object] | None, name: str) -> float | None:
    try:
        return None if info is None else float(str(info[name]))
    except (KeyError, ValueError):
        return None
