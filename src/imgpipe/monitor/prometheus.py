"""Prometheus: a snapshot in the text format that Prometheus reads, version 0.0.4; counters are the queue's own."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from typing import TYPE_CHECKING

from imgpipe.queue.values import DURATION_BOUNDS_SECONDS, WAIT_BOUNDS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imgpipe.monitor.values import ClassQueue, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STATES = ("idle", "busy", "draining", "lost")
_Sample = tuple["Mapping[str, str]", float | None]


def to_text(snapshot: Snapshot | None) -> str:
    """Return all metrics; of None, a queue that could not be reached, only those that need none.

    No label holds a name that a user, a picture or a worker chose, but for the labels of workers and the hosts' names.
    """
    return "".join(f"{line}\n" for line in _lines(snapshot))


def _lines(snapshot: Snapshot | None) -> Iterator[str]:
    version = sys.modules["imgpipe"].__version__  # it is there: we are a part of it, and may not import upwards
    build = {"version": version, "python": platform.python_version()}
    yield from _metric("imgpipe_build_info", "gauge", "The imgpipe that tells this.", [(build, 1)])
    yield from _metric("imgpipe_queue_up", "gauge", "Whether the queue answers.", [({}, int(snapshot is not None))])
    if snapshot is None:
        return
    queues = snapshot.queues
    for name, what, field in (
        ("enqueued", "Tasks that were handed over.", "enqueued_total"),
        ("completed", "Tasks that are done.", "completed_total"),
        ("failed", "Tasks that failed: the picture's fault.", "failed_total"),
        ("lost", "Tasks that were given up because their workers died.", "lost_total"),
        ("retried", "Tries after one that failed in a way that may pass.", "retried_total"),
        ("requeued", "Tasks that were taken from workers that died.", "requeued_total"),
    ):
        yield from _metric(f"imgpipe_jobs_{name}_total", "counter", what, _of_classes(queues, field))
    for name, what, field in (
        ("jobs_ready", "Tasks that wait.", "ready"),
        ("jobs_retrying", "Tasks that wait for another try.", "retry"),
        ("jobs_running", "Tasks in workers' hands.", "running"),
        ("jobs_dead", "Tasks that failed or were lost, and are still known.", "dead"),
        ("queue_paused", "Whether all jobs are paused.", "paused"),
    ):
        yield from _metric(f"imgpipe_{name}", "gauge", what, _of_classes(queues, field))
    yield from _metric(
        "imgpipe_queue_oldest_enqueued_timestamp_seconds", "gauge", "When the task was handed over that waits longest.",
        [({"capability": queue.capability}, snapshot.wall_seconds - queue.oldest_wait_seconds)
         for queue in queues if queue.oldest_wait_seconds is not None],
    )  # fmt: skip
    yield from _histogram("imgpipe_job_duration_seconds", "Time in work.", DURATION_BOUNDS_SECONDS,
                          [(queue, queue.duration_counts, queue.busy_seconds_total) for queue in queues])  # fmt: skip
    yield from _histogram("imgpipe_job_wait_seconds", "Time in the queue.", WAIT_BOUNDS_SECONDS,
                          [(queue, queue.wait_counts, queue.waited_seconds_total) for queue in queues])  # fmt: skip
    yield from _pictures(snapshot)
    yield from _workers(snapshot)
    yield from _advice(snapshot)
    yield from _hosts(snapshot)
    yield from _metric("imgpipe_exporter_scrape_duration_seconds", "gauge", "How long it took to read all this.",
                       [({}, snapshot.took_seconds)])  # fmt: skip


def _pictures(snapshot: Snapshot) -> Iterator[str]:
    jobs = snapshot.jobs
    for name, what, value in (
        ("pixels", "Pixels that were decoded.", jobs.pixels_total),
        ("read_bytes", "Bytes that were read.", jobs.read_bytes_total),
        ("written_bytes", "Bytes that were written.", jobs.written_bytes_total),
    ):
        yield from _metric(f"imgpipe_{name}_total", "counter", what, [({}, value)])


def _workers(snapshot: Snapshot) -> Iterator[str]:
    workers: Counter[tuple[str, str]] = Counter()
    slots: Counter[tuple[str, str]] = Counter()
    for worker in snapshot.workers:
        workers[worker.capability, worker.state] += 1
        if worker.state != "lost":
            slots[worker.capability, "busy"] += worker.busy
            slots[worker.capability, "idle"] += worker.concurrency - worker.busy
    kinds = sorted({capability for capability, _ in workers})
    yield from _metric("imgpipe_workers", "gauge", "Workers, by what they can run.", _states(workers, kinds, _STATES))
    yield from _metric("imgpipe_slots", "gauge", "Pictures that live workers can work on at once.",
                       _states(slots, kinds, _STATES[:2]))  # fmt: skip
    able = [({"capability": queue.capability}, queue.slots.total) for queue in snapshot.queues]
    yield from _metric("imgpipe_able_slots", "gauge", "Live slots that can take tasks of a class.", able)
    yield from _metric("imgpipe_worker_lost_total", "counter", "Workers that died.",
                       [({}, snapshot.lost_workers_total)])  # fmt: skip


def _advice(snapshot: Snapshot) -> Iterator[str]:
    advice = [(entry, {"capability": str(entry["capability"])}) for entry in snapshot.scaling]
    yield from _metric("imgpipe_recommended_workers", "gauge", "Workers that there should be.",
                       [(labels, entry["recommended_workers"]) for entry, labels in advice])  # fmt: skip
    yield from _metric("imgpipe_recommendation_confidence", "gauge", "How sure its direction is.",
                       [(labels, entry["confidence"]) for entry, labels in advice])  # fmt: skip
    yield from _metric(
        "imgpipe_recommendation_info", "gauge", "What is recommended, and why.",
        [({**labels, "action": str(entry["action"]), "urgency": str(entry["urgency"]),
           "code": str(entry["reason"]["code"])}, 1) for entry, labels in advice],
    )  # fmt: skip


def _hosts(snapshot: Snapshot) -> Iterator[str]:
    for name, what, values in (
        ("cpu_usage_ratio", "Share of its cores that is busy.", [host.cpu_of_quota for host in snapshot.hosts]),
        ("cpu_throttled_ratio", "Share of periods in which its quota stopped it.",
         [host.throttled_ratio for host in snapshot.hosts]),
        ("memory_working_set_bytes", "Memory in use, without the file cache.",
         [host.memory.used_bytes for host in snapshot.hosts]),
        ("memory_limit_bytes", "Memory that may be used.", [host.memory.limit_bytes for host in snapshot.hosts]),
    ):  # fmt: skip
        samples = [({"host": host.name}, value) for host, value in zip(snapshot.hosts, values, strict=True)]
        yield from _metric(f"imgpipe_host_{name}", "gauge", what, samples)


def _of_classes(queues: Sequence[ClassQueue], field: str) -> list[_Sample]:
    return [({"capability": queue.capability}, getattr(queue, field)) for queue in queues]


def _states(counts: Mapping[tuple[str, str], int], kinds: Sequence[str], states: Sequence[str]) -> list[_Sample]:
    return [({"capability": kind, "state": state}, counts[kind, state]) for kind in kinds for state in states]


def _metric(name: str, kind: str, what: str, samples: Iterable[_Sample]) -> Iterator[str]:
    """Write one metric; what is not known is left out, and a metric without samples is still described."""
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        if value is not None:
            yield f"{name}{_labels(labels)} {float(value)!r}"


def _histogram(
    name: str, what: str, bounds: Sequence[float], entries: Iterable[tuple[ClassQueue, Sequence[int], float]]
) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} histogram"
    for queue, counts, total_seconds in entries:
        seen = 0
        for bound, count in zip((*bounds, float("inf")), counts, strict=True):
            seen += count
            le = "+Inf" if bound == float("inf") else repr(bound)
            yield f"{name}_bucket{_labels({'capability': queue.capability, 'le': le})} {seen}"
        yield f"{name}_sum{_labels({'capability': queue.capability})} {float(total_seconds)!r}"
        yield f"{name}_count{_labels({'capability': queue.capability})} {seen}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = (
        (name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for name, value in labels.items()
    )
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"
