"""Values: what a fleet is doing at one moment, as frozen values. None is unknown, never 0."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """How long something takes, from counts by size: exact to the width of a bound, None where too few were counted.

    `beyond` of the `count` took longer than the largest bound: a percentile that lies among them is None as well.
    """

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    mean: float | None = None
    count: int = 0
    beyond: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often something happens each second: in the last few seconds, in the last minute, in the last ten."""

    now: float | None = None
    one_minute: float | None = None
    ten_minutes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """Seconds until the end: sooner than `p10` in one of ten cases, later than `p90` in one of ten."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One job. `total` is what its submitter expects while it hands tasks over, None if it does not say.

    `finishing` says that no task waits any more. `done` are at their end: `ok`, `failed`, `lost` with their workers, or
    `cancelled`. `retried` counts tries.
    """

    id: str
    capability: str
    state: str
    why: str
    total: int | None
    submitted: int
    pending: int
    running: int
    retrying: int
    done: int
    ok: int
    failed: int
    lost: int
    cancelled: int
    retried: int
    age_seconds: float
    started_at: str
    rate_per_second: Rates
    finishing: bool
    eta_seconds: Eta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Pictures that live workers could work on at once, and those that they do; `busy` is never above `total`."""

    total: int
    busy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Little:
    """Little's law for those that wait: on average as many (`waiting`) as arrive in the time that one waits.

    Where the two differ, a number on the screen is wrong; `mismatch` is by how much, as a share.
    """

    waiting: float
    lambda_w: float
    mismatch: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassQueue:
    """Tasks that need the same labels. Totals count since the queue began and only go up.

    `dead` are failed or lost, and could be tried again. `stuck_seconds` is how long tasks have been waiting with nobody
    there for them. Waits and durations are of the last minute, or ten if there were few; the counts behind them are by
    the bounds of `imgpipe.queue.values`, with one more for those above all.
    """

    capability: str
    ready: int
    running: int
    retry: int
    dead: int
    paused: bool
    oldest_wait_seconds: float | None
    stuck_seconds: float | None
    enqueued_total: int
    completed_total: int
    failed_total: int
    lost_total: int
    retried_total: int
    requeued_total: int
    busy_seconds_total: float
    waited_seconds_total: float
    duration_counts: tuple[int, ...]
    wait_counts: tuple[int, ...]
    arrival_rate_per_second: float | None
    completion_rate_per_second: float | None
    wait_seconds: Percentiles
    duration_seconds: Percentiles
    slots: Slots
    utilization: float | None
    little: Little | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """How long pictures are in work, all classes together, and how much of that goes into each stage (0 to 1)."""

    duration_seconds: Percentiles
    duration_total_seconds: Percentiles
    stages: dict[str, float]
    megapixels_per_second: float | None
    pixels_total: int | None
    read_bytes_total: int | None
    written_bytes_total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What a worker is doing, as far as it has told; `item` is the path.

    `age_seconds` is for how long it has told so while we looked; the task may be older.
    """

    task_id: str
    item: str | None
    age_seconds: float | None
    stuck: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker. `state` is idle, busy, draining or lost; `cpu_cores` and `rss_bytes` are of all its processes."""

    id: str
    name: str
    host: str
    pid: int
    version: str
    capability: str
    routing: str
    concurrency: int
    state: str
    age_seconds: float
    heartbeat_age_seconds: float
    held: int
    busy: int
    current: Current | None
    done_total: int
    failed_total: int
    rate_per_second: float | None
    cpu_cores: float | None
    rss_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory in use, without the file cache, and the limit that it has; `limit_source` says whose."""

    used_bytes: int | None = None
    limit_bytes: int | None = None
    limit_source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine with workers, or this one. What others are doing is what a worker there has said with its last beat.

    `worker_cores` and `worker_bytes` are what the workers there use, as far as they tell.
    """

    name: str
    workers: int
    slots: int
    worker_cores: float | None = None
    worker_bytes: int | None = None
    cpu_cores: float | None = None
    cpu_of_quota: float | None = None
    throttled_ratio: float | None = None
    load1: float | None = None
    memory: Memory = Memory()


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """The server, as it speaks of itself. `poll_seconds` is how long it took to read all this from it."""

    version: str
    used_memory_bytes: int | None
    maxmemory_bytes: int | None
    policy: str | None
    ops_per_second: float | None
    clients: int | None
    aof_enabled: bool | None
    ping_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """All failures with the same code; one of them as an example, and what can be done about it."""

    code: str
    count: int
    last_at: str | None
    example: str | None
    hint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All of it. `source` is redis, memory or local; `scaling` is the advice, as JSON-like data."""

    wall_seconds: float
    took_seconds: float
    source: str
    namespace: str
    uptime_seconds: float | None
    runs: tuple[Run, ...]
    queues: tuple[ClassQueue, ...]
    jobs: JobTimes
    workers: tuple[Worker, ...]
    lost_workers_total: int
    hosts: tuple[Host, ...]
    redis: RedisServer | None
    errors: tuple[ErrorGroup, ...]
    scaling: tuple[dict[str, Any], ...] = field(default=())
