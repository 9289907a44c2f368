"""Fleet samples: a queue in memory with workers and a clock that the test moves; a snapshot that never changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgpipe.machine import MachineSample
from imgpipe.monitor import Snapshot, Watch
from imgpipe.monitor.values import (
    ClassQueue,
    Current,
    ErrorGroup,
    Eta,
    Host,
    JobTimes,
    Little,
    Memory,
    Percentiles,
    Rates,
    RedisServer,
    Run,
    Slots,
    Worker,
)
from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.values import Claim, Item, JobSpec, Load, Settled, Verdict, WorkerSpec
from manual_clock import ManualClock

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MACHINE = MachineSample(
    cores=2,
    cpu_share=0.305,
    throttled_share=None,
    load=1.5,
    memory_used_bytes=5_560_000_000,
    memory_limit_bytes=8_000_000_000,
    memory_source="machine",
)


class SteadySampler:
    """Stands for the machine, which never changes."""

    def sample(self) -> MachineSample:
        """Return what it is always like."""
        return MACHINE


class SampleFleet:
    """A queue in memory, workers that do what the test says, and somebody who watches."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.queue = MemoryQueue(self.clock)
        sampler: Any = SteadySampler()
        self.watch = Watch(self.queue, source="memory", sampler=sampler, wall=self.clock, **settings)

    def worker(self, name: str, labels: str = "cpu", slots: int = 1, host: str = "node-a") -> None:
        """Let a worker present itself."""
        needs = frozenset(labels.split("+"))
        self.queue.register(WorkerSpec(id=name, name=name, labels=needs, slots=slots, host=host, pid=4212), 15.0)

    def submit(self, count: int, job: str = "thumbs", labels: str = "cpu", *, last: bool = True) -> None:
        """Hand over tasks of a job, at most 1000 at once."""
        needs = frozenset(labels.split("+"))
        known = self.queue.status(job)
        first = known.next if known else 0
        if known is None:
            self.queue.create(JobSpec(id=job, needs=needs, window=10_000_000))
        numbers = range(first, first + count)
        for at in range(0, count, 1000):
            part = [Item(number, b'{"s":"a/%d.jpg"}' % number) for number in numbers[at : at + 1000]]
            self.queue.submit(job, part, after=first + at, last=last and at + 1000 >= count)

    def work(self, worker: str, count: int, seconds: float = 0.1, verdict: Verdict = Verdict.DONE) -> None:
        """Let a worker do tasks, one after the other, while the clock goes on."""
        for _ in range(count):
            claims = self.queue.claim(worker, 1, starting=1).tasks
            self.clock.advance(seconds)
            self.finish(worker, claims, seconds, verdict)

    def finish(
        self, worker: str, claims: tuple[Claim, ...], seconds: float = 0.1, verdict: Verdict = Verdict.DONE
    ) -> None:
        """Let a worker hand in what it has."""
        code = "" if verdict is Verdict.DONE else "UNREADABLE"
        self.queue.finish(worker, [Settled(claim, verdict, b"", code, seconds) for claim in claims])

    def beat(self, worker: str, **load: Any) -> None:
        """Let a worker say how it is."""
        self.queue.beat(worker, Load(**load))


DURATIONS = Percentiles(p50=0.048, p90=0.09, p95=0.131, p99=0.31, mean=0.06, count=24_000)
QUEUE = ClassQueue(
    capability="cpu",
    ready=3912,
    running=24,
    retry=3,
    dead=7,
    paused=False,
    oldest_wait_seconds=9.8,
    stuck_seconds=None,
    enqueued_total=6_845_000,
    completed_total=6_839_880,
    failed_total=1300,
    lost_total=24,
    retried_total=211,
    requeued_total=24,
    busy_seconds_total=410_000.0,
    waited_seconds_total=60_000_000.0,
    duration_counts=(0, 10, 2000, 12_000, 8000, 2000, 100, 4, 2, 0, 0, 0, 0, 0, 0),
    wait_counts=(0, 0, 100, 400, 1000, 9000, 13_000, 100, 0, 0, 0, 0),
    arrival_rate_per_second=401.0,
    completion_rate_per_second=398.0,
    wait_seconds=Percentiles(p50=9.6, p90=9.8, p95=9.9, p99=10.0, mean=9.5, count=24_000),
    duration_seconds=DURATIONS,
    slots=Slots(total=24, busy=24),
    utilization=1.0,
    little=Little(waiting=3936.0, lambda_w=3871.0, mismatch=-0.017),
)
RUN = Run(
    id="thumbs-2024",
    capability="cpu",
    state="running",
    why="",
    total=10_000_000,
    submitted=10_000_000,
    pending=3912,
    running=24,
    retrying=3,
    done=6_841_204,
    ok=6_839_880,
    failed=1300,
    lost=24,
    cancelled=0,
    retried=211,
    age_seconds=17_190.0,
    started_at="2026-03-01T09:16:51.000Z",
    rate_per_second=Rates(now=402.0, one_minute=398.0, ten_minutes=396.0),
    finishing=False,
    eta_seconds=Eta(p10=7800.0, p50=7920.0, p90=9060.0),
)
ADVICE: dict[str, Any] = {
    "capability": "cpu",
    "objective": "batch",
    "action": "SCALE_UP",
    "current_workers": 12,
    "recommended_workers": 17,
    "urgency": "low",
    "confidence": 0.93,
    "confidence_caps": ["COVERAGE"],
    "reason": {
        "code": "SPARE_CORES",
        "text": "node-b has 5 idle cores, and the batch would be shorter.",
        "numbers": {},
    },
    "what_if": [{"workers": 17, "eta_s": 5580.0, "basis": "linear"}],
}


def sample_worker(name: str = "node-a:4211", **fields: Any) -> Worker:
    """Return a busy worker, or one with other fields."""
    worker = Worker(
        id=f"{name}:1f",
        name=name,
        host="node-a",
        pid=4211,
        version="0.1.0",
        capability="cpu",
        routing="labels",
        concurrency=2,
        state="busy",
        age_seconds=17_000.0,
        heartbeat_age_seconds=1.2,
        held=3,
        busy=2,
        current=Current(task_id="thumbs-2024:1293441", item=None, age_seconds=0.041, stuck=False),
        done_total=570_000,
        failed_total=110,
        rate_per_second=35.0,
        cpu_cores=0.98,
        rss_bytes=240_000_000,
    )
    return replace(worker, **fields)


WORKERS = (
    sample_worker(),
    sample_worker(
        "node-a:4212",
        current=Current(task_id="thumbs-2024:77", item="c/huge.tif", age_seconds=27.4, stuck=True),
        rate_per_second=0.0,
        cpu_cores=0.03,
        rss_bytes=812_000_000,
    ),
    sample_worker("node-b:991", capability="io", state="idle", busy=0, held=0, current=None, rate_per_second=8.0),
    sample_worker("node-c:77", state="lost", busy=0, held=0, current=None, rate_per_second=None,
                  heartbeat_age_seconds=19.0, cpu_cores=None, rss_bytes=None),
)  # fmt: skip
SNAPSHOT = Snapshot(
    wall_seconds=1_772_373_801.0,
    took_seconds=0.002,
    source="redis",
    namespace="prod",
    uptime_seconds=17_190.0,
    runs=(RUN,),
    queues=(
        QUEUE,
        replace(QUEUE, capability="io", ready=12, running=4, retry=0, dead=0, oldest_wait_seconds=0.1, little=None,
                arrival_rate_per_second=31.0, completion_rate_per_second=31.0, slots=Slots(total=8, busy=4),
                utilization=0.5, wait_seconds=Percentiles(p50=0.04, p95=0.2, mean=0.05, count=60)),
    ),
    jobs=JobTimes(
        duration_seconds=DURATIONS,
        duration_total_seconds=DURATIONS,
        stages={"decode": 0.42, "filter": 0.24, "encode": 0.34},
        megapixels_per_second=34.1,
        pixels_total=17_000_000_000,
        read_bytes_total=3_100_000_000,
        written_bytes_total=400_000_000,
    ),
    workers=WORKERS,
    lost_workers_total=1,
    hosts=(
        Host(name="node-a", workers=2, slots=4, worker_cores=1.01, cpu_cores=8, cpu_of_quota=0.98, throttled_ratio=0.2,
             load1=8.2, memory=Memory(used_bytes=3_040_000_000, limit_bytes=8_000_000_000, limit_source="cgroup v2")),
        Host(name="node-b", workers=1, slots=2, worker_cores=0.4, worker_bytes=240_000_000),
    ),
    redis=RedisServer(version="Redis 7.4.1", used_memory_bytes=31_000_000, maxmemory_bytes=None, policy="noeviction",
                      ops_per_second=1203.0, clients=14, aof_enabled=True, ping_seconds=0.0004),
    errors=(
        ErrorGroup(code="UNREADABLE", count=1102, last_at=None, example="a/b/0091.jpg", hint=None),
        ErrorGroup(code="TIMEOUT", count=211, last_at="2026-03-01T14:03:02.000Z", example="c/huge.tif",
                   hint="give it more time with --timeout"),
        ErrorGroup(code="DISK_FULL", count=11, last_at=None, example=None, hint=None),
    ),
    scaling=(ADVICE,),
)  # fmt: skip


def any_snapshot() -> SearchStrategy[Snapshot]:
    """Return snapshots with anything in them: no numbers, huge numbers, names that would act on a terminal."""
    from hypothesis import strategies as st  # a program on a terminal starts with these samples, and has to be quick

    values = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=20), st.just([]), st.just({}))
    names = st.sampled_from([*ADVICE, "odd"])
    return st.builds(
        Snapshot,
        runs=st.lists(st.from_type(Run), max_size=2).map(tuple),
        queues=st.lists(st.from_type(ClassQueue), max_size=2).map(tuple),
        workers=st.lists(st.from_type(Worker), max_size=3).map(tuple),
        hosts=st.lists(st.from_type(Host), max_size=2).map(tuple),
        errors=st.lists(st.from_type(ErrorGroup), max_size=2).map(tuple),
        scaling=st.lists(st.dictionaries(names, values, max_size=8), max_size=2).map(tuple),
    )
