"""Classes: what is said of each class of tasks, from its counters now and some time ago."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.monitor.rates import add, arrived, change, little, percentiles, settled
from imgpipe.monitor.values import ClassQueue, JobTimes, Percentiles, Slots
from imgpipe.queue.values import DURATION_BOUNDS_SECONDS, WAIT_BOUNDS_SECONDS, ClassCounters, needs_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.monitor.history import History
    from imgpipe.monitor.reading import Reading
    from imgpipe.queue.values import WorkerStatus

_WINDOWS_SECONDS = (60.0, 120.0, 240.0, 600.0)
_ENOUGH = 30  # pictures in a window: with fewer, a longer one is taken
_RATE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is compared from one look to the next."""

    classes: Mapping[str, ClassCounters]
    waiting: Mapping[str, int]
    totals: Mapping[str, int]

    @classmethod
    def of(cls, reading: Reading) -> Pulse:
        """Take it from a reading."""
        waiting = {entry.name: entry.pending for entry in reading.seen.classes}
        return cls(reading.seen.counters.classes, waiting, reading.seen.counters.totals)

    def can_lead_to(self, later: Pulse) -> bool:
        """Whether nothing has gone down, as it does when a queue is emptied or replaced."""
        return all(
            change(counters, later.classes.get(name, ClassCounters())) is not None
            for name, counters in self.classes.items()
        )


def class_queue(name: str, reading: Reading, pulses: History[Pulse]) -> ClassQueue:
    """Return all that is known of a class."""
    status = next((entry for entry in reading.seen.classes if entry.name == name), None)
    jobs = [job for job in reading.seen.jobs if job.task_class == name]
    open_jobs = [job for job in jobs if not job.is_over]
    counters = reading.seen.counters.classes.get(name, ClassCounters())
    running = sum(job.running for job in open_jobs)
    slots = sum(worker.slots for worker in able_workers(name, reading.seen.workers))
    lately, seconds = _since([name], _RATE_SECONDS, pulses)
    times, times_seconds = _enough([name], pulses)
    entries = pulses.within(times_seconds or 0.0)
    waiting = [(at, pulse.waiting.get(name, 0)) for at, pulse in entries]
    return ClassQueue(
        capability=name,
        ready=status.pending if status else 0,
        running=running,
        retry=sum(job.retrying for job in open_jobs),
        dead=sum(job.failed + job.lost for job in jobs),
        paused=bool(open_jobs) and all(job.state == "paused" for job in open_jobs),
        oldest_wait_seconds=status.oldest_seconds if status else None,
        stuck_seconds=status.stuck_seconds if status else None,
        enqueued_total=counters.enqueued,
        completed_total=counters.done,
        failed_total=counters.failed,
        lost_total=counters.lost,
        retried_total=counters.retried,
        requeued_total=counters.requeued,
        busy_seconds_total=counters.busy_seconds,
        waited_seconds_total=counters.waited_seconds,
        duration_counts=counters.durations,
        wait_counts=counters.waits,
        arrival_rate_per_second=arrived(lately) / seconds if lately and seconds else None,
        completion_rate_per_second=settled(lately) / seconds if lately and seconds else None,
        wait_seconds=_waits(times),
        duration_seconds=_durations(times),
        slots=Slots(total=slots, busy=min(running, slots)),
        utilization=min(running, slots) / slots if slots else None,
        little=little(waiting, times, times_seconds) if times and times_seconds else None,
    )


def job_times(pulses: History[Pulse]) -> JobTimes:
    """Return how long pictures take, all classes together."""
    newest = pulses.last()
    assert newest is not None  # a reading was noted before anything was asked
    names, totals = list(newest[1].classes), newest[1].totals
    times, _ = _enough(names, pulses)
    oldest = pulses.oldest(_WINDOWS_SECONDS[0])
    stages, pixels_per_second = {}, None
    if oldest is not None:
        stages = _stages(oldest[1].totals, totals)
        if "pixels" in totals:
            pixels_per_second = (totals["pixels"] - oldest[1].totals.get("pixels", 0)) / (newest[0] - oldest[0])
    return JobTimes(
        duration_seconds=_durations(times),
        duration_total_seconds=_durations(add(list(newest[1].classes.values()))),
        stages=stages,
        megapixels_per_second=None if pixels_per_second is None else pixels_per_second / 1e6,
        pixels_total=totals.get("pixels"),
        read_bytes_total=totals.get("bytes_in"),
        written_bytes_total=totals.get("bytes_out"),
    )


def able_workers(task_class: str, workers: Sequence[WorkerStatus]) -> list[WorkerStatus]:
    """Return the live workers that take tasks of a class, and are not draining."""
    needs = needs_of(task_class)
    return [
        worker
        for worker in workers
        if worker.is_alive and worker.state != "draining" and (worker.routing == "fifo" or needs <= worker.labels)
    ]


def _stages(older: Mapping[str, int], newer: Mapping[str, int]) -> dict[str, float]:
    """Return the share of each stage in the time that workers have added up, as `stage_decode_ms` and so on."""
    added = {
        name.removeprefix("stage_").removesuffix("_ms"): number - older.get(name, 0)
        for name, number in newer.items()
        if name.startswith("stage_") and name.endswith("_ms")
    }
    total = sum(added.values())
    return {name: number / total for name, number in added.items()} if total > 0 else {}


def _enough(names: list[str], pulses: History[Pulse]) -> tuple[ClassCounters | None, float | None]:
    """Return what has happened in the shortest window in which enough did, else in the longest."""
    done: tuple[ClassCounters | None, float | None] = None, None
    for seconds in _WINDOWS_SECONDS:
        done = _since(names, seconds, pulses)
        if done[0] is not None and settled(done[0]) >= _ENOUGH:
            break
    return done


def _since(names: list[str], seconds: float, pulses: History[Pulse]) -> tuple[ClassCounters | None, float | None]:
    """Return what has happened in the last `seconds`, and how many of them have been seen; None if there is but one."""
    oldest, newest = pulses.oldest(seconds), pulses.last()
    if oldest is None or newest is None:
        return None, None
    nothing = ClassCounters()
    changes = [change(oldest[1].classes.get(name, nothing), newest[1].classes.get(name, nothing)) for name in names]
    return add([each for each in changes if each is not None]), newest[0] - oldest[0]


def _waits(counters: ClassCounters | None) -> Percentiles:
    if counters is None:
        return Percentiles()
    return percentiles(counters.waits, WAIT_BOUNDS_SECONDS, counters.waited_seconds)


def _durations(counters: ClassCounters | None) -> Percentiles:
    if counters is None:
        return Percentiles()
    return percentiles(counters.durations, DURATION_BOUNDS_SECONDS, counters.busy_seconds)
