"""Advising: hands what a look has found to the advice, every few seconds, and keeps what it said until the next."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgpipe.advice import AdviceSettings, Host, Objective, Signals, WorkerSignal, advise_all
from imgpipe.advice.histogram import Histogram
from imgpipe.advice.signals import Pool
from imgpipe.monitor.classes import able_workers
from imgpipe.monitor.rates import arrived
from imgpipe.queue.values import DURATION_BOUNDS_SECONDS, ClassCounters, class_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.advice import Advice
    from imgpipe.monitor.fleet import Fleet
    from imgpipe.monitor.reading import Reading
    from imgpipe.monitor.values import ClassQueue
    from imgpipe.monitor.values import Host as SeenHost
    from imgpipe.queue.values import JobStatus, WorkerStatus

_REMEMBERED_SECONDS = 600.0
_HEARD_SECONDS = 10.0  # three beats
_LARGE = 200  # pictures: a job like this, when it is most of what there is, makes a batch


class Adviser:
    """Remembers what was seen and advised of each class.

    A run without a queue (`is_local`) is a batch, however small; nobody knows how long its pictures have waited.
    """

    def __init__(self, settings: AdviceSettings | None = None, *, is_local: bool = False) -> None:
        self._settings = settings or AdviceSettings()
        self._is_local = is_local
        self._most = int(_REMEMBERED_SECONDS / self._settings.sample_seconds) + 1
        self._seen: dict[str, deque[Signals]] = {}
        self._advices: dict[str, Advice] = {}
        self._advised_at: float | None = None

    def advise(
        self, reading: Reading, queues: Sequence[ClassQueue], hosts: Sequence[SeenHost], fleet: Fleet, wall: float
    ) -> tuple[dict[str, Any], ...]:
        """Return the advice on each class, as `scaling[]` of the document."""
        last = self._advised_at
        if last is None or wall < last or wall - last >= self._settings.sample_seconds:
            self._advised_at = wall
            for queue in queues:
                seen = self._seen.setdefault(queue.capability, deque(maxlen=self._most))
                signals = _signals(queue, reading, hosts, fleet, wall)
                if self._is_local:
                    signals = replace(signals, objective=Objective.BATCH, waited_seconds_total=None)
                seen.append(signals)
            self._seen = {queue.capability: self._seen[queue.capability] for queue in queues}
            histories = {name: tuple(seen) for name, seen in self._seen.items()}
            self._advices = advise_all(histories, self._settings, self._advices)
        return tuple(advice.to_data() for advice in self._advices.values())

    def forget(self) -> None:
        """Begin anew: it is another queue."""
        self._seen, self._advices, self._advised_at = {}, {}, None


def _signals(queue: ClassQueue, reading: Reading, hosts: Sequence[SeenHost], fleet: Fleet, wall: float) -> Signals:
    able = able_workers(queue.capability, reading.seen.workers)
    jobs = [job for job in reading.seen.jobs if job.task_class == queue.capability and not job.is_over]
    counters = reading.seen.counters.classes.get(queue.capability, ClassCounters())
    sizes = Counter(worker.slots for worker in able)
    total, heard = sum(worker.slots for worker in able), [w for w in able if w.beat_seconds < _HEARD_SECONDS]
    redis = reading.info or {}
    limit = float(redis.get("maxmemory", 0))
    return Signals(
        task_class=queue.capability,
        at_seconds=wall,
        objective=Objective.BATCH if _is_batch(jobs) else Objective.STREAM,
        remaining=_remaining(jobs),
        paused=queue.paused,
        enqueued_total=arrived(counters),
        done_total=counters.done,
        failed_total=counters.failed + counters.lost,
        retried_total=counters.retried,
        lost_total=counters.lost,
        busy_seconds_total=counters.busy_seconds,
        waited_seconds_total=counters.waited_seconds,
        durations=Histogram(DURATION_BOUNDS_SECONDS, counters.durations),
        ready=queue.ready,
        running=queue.running,
        oldest_wait_seconds=queue.oldest_wait_seconds,
        slots=total,
        slots_per_worker=sizes.most_common(1)[0][0] if sizes else 1,
        coverage=sum(worker.slots for worker in heard) / total if total else None,
        workers=tuple(
            WorkerSignal(
                id=worker.id,
                slots=worker.slots,
                idle_seconds=fleet.idle_seconds(worker.id, reading.seen.counters.at_seconds),
                memory_bytes=worker.load.memory_bytes,
            )
            for worker in able
        ),
        pools=tuple(Pool(labels=labels, slots=slots) for labels, slots in _pools(able).items()),
        hosts=_hosts(able, hosts),
        cpu_share_of_busy=_cpu_share_of_busy(able),
        redis_latency_seconds=reading.ping_seconds,
        redis_memory_share=float(redis.get("used_memory", 0)) / limit if limit else None,
    )


def _is_batch(jobs: Sequence[JobStatus]) -> bool:
    """Whether most of what is left belongs to one large job: that waits on purpose; many small ones are a stream."""
    totals = [max(job.submitted, job.total or 0) for job in jobs]
    left = [(total - job.settled, total) for total, job in zip(totals, jobs, strict=True)]
    most, total = max(left, default=(0, 0))
    return total >= _LARGE and 2 * most >= sum(count for count, _ in left)


def _remaining(jobs: Sequence[JobStatus]) -> int | None:
    left = [job.left for job in jobs if job.left is not None]
    return sum(left) if len(left) == len(jobs) else None


def _pools(workers: Sequence[WorkerStatus]) -> Mapping[str, int]:
    pools: Counter[str] = Counter()
    for worker in workers:
        pools[class_of(worker.labels)] += worker.slots
    return pools


def _hosts(workers: Sequence[WorkerStatus], hosts: Sequence[SeenHost]) -> tuple[Host, ...]:
    """Return the machines of these workers. Of one that cannot be looked into, as many cores as slots are assumed."""
    names = {worker.host for worker in workers}
    return tuple(
        Host(
            name=host.name,
            cores=max(int(host.cpu_cores or host.slots), 1),
            cpu_share=host.cpu_of_quota,
            throttled_share=host.throttled_ratio,
            memory_share=_share(host.memory.used_bytes, host.memory.limit_bytes),
        )
        for host in hosts
        if host.name in names
    )


def _cpu_share_of_busy(workers: Sequence[WorkerStatus]) -> float | None:
    """Return how much of their time in work these workers compute."""
    told = [worker.load for worker in workers if worker.load.cpu_percent is not None and worker.load.busy]
    busy = sum(load.busy for load in told)
    return sum(load.cpu_percent or 0.0 for load in told) / 100 / busy if busy else None


def _share(used: int | None, limit: int | None) -> float | None:
    return used / limit if used is not None and limit else None
