"""Watch: what a snapshot says of a queue, from one look and from several, and what the looks cost."""

from __future__ import annotations

import gc
import socket
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis

from fleet_samples import MACHINE, SampleFleet
from imgpipe.advice import AdviceSettings
from imgpipe.errors import QueueUnavailable
from imgpipe.machine import Sampler
from imgpipe.monitor import Watch, history
from imgpipe.monitor.fleet import machine_of
from imgpipe.monitor.values import Memory
from imgpipe.queue.connection import Connection
from imgpipe.queue.redis import RedisQueue
from imgpipe.queue.values import Item, JobSpec, Load, Verdict, WorkerSpec
from imgpipe.worker.load import LoadMeter

if TYPE_CHECKING:
    from imgpipe.monitor.values import ClassQueue, Run, Worker
    from redis_fixtures import StartRedis


@pytest.fixture
def fleet() -> SampleFleet:
    """Return an empty queue that is watched."""
    return SampleFleet()


def queue_of(fleet: SampleFleet) -> ClassQueue:
    """Look, and return the only class."""
    (queue,) = fleet.watch.take().queues
    return queue


def run_of(fleet: SampleFleet) -> Run:
    """Look, and return the only job."""
    (run,) = fleet.watch.take().runs
    return run


def worker_of(fleet: SampleFleet, name: str = "w") -> Worker:
    """Look, and return a worker."""
    return next(worker for worker in fleet.watch.take().workers if worker.name == name)


def test_empty_queue(fleet):
    """Nothing is there, nothing is known, and this machine is the only one."""
    snapshot = fleet.watch.take()

    assert ((), (), (), ()) == (snapshot.runs, snapshot.queues, snapshot.workers, snapshot.errors)
    assert [socket.gethostname()] == [host.name for host in snapshot.hosts]
    assert (None, None) == (snapshot.redis, snapshot.uptime_seconds)


def test_first_look_knows_no_rates(fleet):
    """There is nothing to compare with: unknown, not 0."""
    fleet.worker("w")
    fleet.submit(10)
    fleet.work("w", 4)

    queue, run = queue_of(fleet), run_of(fleet)

    assert (6, 0, 4) == (queue.ready, queue.running, queue.completed_total)
    assert (None, None) == (queue.arrival_rate_per_second, queue.completion_rate_per_second)
    assert (None, None) == (run.rate_per_second.now, run.eta_seconds)


def test_rates_are_what_has_changed(fleet):
    """Ten a second are done, whatever was before the first look."""
    fleet.worker("w")
    fleet.submit(100)
    fleet.work("w", 20, seconds=0.01)
    fleet.watch.take()
    fleet.work("w", 30, seconds=0.1)

    queue, run = queue_of(fleet), run_of(fleet)

    assert pytest.approx([0.0, 10.0]) == [queue.arrival_rate_per_second, queue.completion_rate_per_second]
    assert pytest.approx(10.0) == run.rate_per_second.now
    assert pytest.approx([30, 0.1]) == [queue.duration_seconds.count, queue.duration_seconds.mean]


def test_busy_slots_and_utilization(fleet):
    """A worker that has fetched ahead is no busier than it has slots; shared slots count for every class."""
    fleet.worker("w", "cpu+io", slots=2)
    fleet.submit(20)
    fleet.queue.claim("w", 5, starting=2)

    snapshot = fleet.watch.take()
    (queue,), (worker,) = snapshot.queues, snapshot.workers

    assert (2, 2, 1.0) == (queue.slots.total, queue.slots.busy, queue.utilization)
    assert ("busy", 2, 5) == (worker.state, worker.busy, worker.held)


def test_tasks_that_nobody_can_take(fleet):
    """They are stuck since they were first seen so, and there is no share of slots that are not there."""
    fleet.worker("w", "io")
    fleet.submit(3)
    fleet.watch.take()
    fleet.clock.advance(7.0)
    fleet.beat("w")

    queue = queue_of(fleet)

    assert (0, None, 7.0, 7.0) == (
        queue.slots.total, queue.utilization, queue.stuck_seconds, queue.oldest_wait_seconds
    )  # fmt: skip


def test_total_is_unknown_until_all_is_handed_over(fleet):
    """Without a total there is no estimate."""
    fleet.worker("w")
    fleet.submit(50, last=False)
    for _ in range(10):
        fleet.work("w", 2, seconds=0.5)
        fleet.watch.take()

    run = run_of(fleet)

    assert (None, 20, 50, None) == (run.total, run.done, run.submitted, run.eta_seconds)


def test_estimate_of_a_steady_run(fleet):
    """At two a second, 100 pictures take 50 seconds and a bit."""
    fleet.worker("w")
    fleet.submit(120)
    for _ in range(10):
        fleet.work("w", 2, seconds=0.5)
        fleet.watch.take()

    run = run_of(fleet)

    assert run.eta_seconds is not None
    assert pytest.approx(50, abs=2) == run.eta_seconds.p50
    assert run.eta_seconds.p10 <= run.eta_seconds.p50 <= run.eta_seconds.p90


def test_end_of_a_run_is_no_estimate(fleet):
    """When nothing waits any more, what matters is what is in work."""
    fleet.worker("w", slots=2)
    fleet.submit(12)
    fleet.work("w", 10, seconds=1.0)
    fleet.queue.claim("w", 2, starting=2)

    run = run_of(fleet)

    assert (True, 2, None) == (run.finishing, run.running, run.eta_seconds)


def test_stuck_picture_is_named(fleet):
    """A picture that takes ten times as long as others is marked, with its path."""
    fleet.worker("w")
    fleet.submit(60)
    fleet.work("w", 40, seconds=0.1)
    (claim,) = fleet.queue.claim("w", 1, starting=1).tasks
    fleet.beat("w", busy=1, now="thumbs:39")
    fleet.watch.take()
    for _ in range(5):
        fleet.clock.advance(2.0)
        fleet.beat("w", busy=1, now=claim.task_id)
        worker = worker_of(fleet)

    assert worker.current is not None
    assert (claim.task_id, "a/40.jpg", True) == (worker.current.task_id, worker.current.item, worker.current.stuck)
    assert 8.0 == worker.current.age_seconds


def test_age_of_a_task_that_was_there_before_us_is_unknown(fleet):
    """The first look does not know for how long a worker has had its task."""
    fleet.worker("w")
    fleet.submit(1)
    fleet.queue.claim("w", 1, starting=1)
    fleet.beat("w", busy=1, now="thumbs:0")

    worker = worker_of(fleet)

    assert worker.current is not None
    assert (None, False) == (worker.current.age_seconds, worker.current.stuck)


def test_silent_worker_has_no_stuck_picture(fleet):
    """Of a worker that is not heard of, nobody knows what it does: its task grows no older."""
    fleet.worker("w")
    fleet.submit(60)
    fleet.work("w", 40, seconds=0.1)
    fleet.queue.claim("w", 1, starting=1)
    fleet.watch.take()
    fleet.beat("w", busy=1, now="thumbs:40")
    fleet.watch.take()
    fleet.clock.advance(12.0)

    worker = worker_of(fleet)

    assert worker.current is not None
    assert (0.0, False, 12.0) == (worker.current.age_seconds, worker.current.stuck, worker.heartbeat_age_seconds)


def test_lost_worker_stays_visible(fleet):
    """A worker that died is in the list as lost, and in the total."""
    fleet.worker("w")
    fleet.worker("other")
    for _ in range(4):
        fleet.clock.advance(5.0)
        fleet.beat("other")
    fleet.queue.reap()

    snapshot = fleet.watch.take()

    assert [("other", "idle"), ("w", "lost")] == [(worker.name, worker.state) for worker in snapshot.workers]
    assert 1 == snapshot.lost_workers_total


def test_speed_of_a_worker(fleet):
    """It is measured by what the worker says that it has done."""
    fleet.worker("w")
    for second in range(0, 25, 5):
        fleet.beat("w", done=3 * second)
        worker = worker_of(fleet)
        fleet.clock.advance(5.0)

    assert pytest.approx(3.0) == worker.rate_per_second


def test_failures_are_grouped_with_an_example(fleet):
    """Each code has its count, a picture, and the time if it was seen to happen."""
    fleet.worker("w")
    fleet.submit(10)
    fleet.work("w", 2, verdict=Verdict.FAILED)
    (before,) = fleet.watch.take().errors
    fleet.work("w", 1, verdict=Verdict.FAILED)

    (after,) = fleet.watch.take().errors

    assert ("UNREADABLE", 2, "a/0.jpg", None) == (before.code, before.count, before.example, before.last_at)
    assert (3, True) == (after.count, after.last_at is not None)


def test_what_workers_add_up(fleet):
    """Pixels, bytes and stages come from their totals, as far as there are any."""
    fleet.worker("w")
    fleet.submit(1)
    fleet.queue.beat("w", Load(), totals={"pixels": 5_000_000, "bytes_in": 10})
    fleet.watch.take()
    fleet.clock.advance(10.0)
    totals = {"pixels": 20_000_000, "stage_decode_ms": 300, "stage_filter_ms": 100}
    fleet.queue.beat("w", Load(), totals=totals)

    jobs = fleet.watch.take().jobs

    assert (2.0, 25_000_000, 10, None) == (
        jobs.megapixels_per_second, jobs.pixels_total, jobs.read_bytes_total, jobs.written_bytes_total
    )  # fmt: skip
    assert {"decode": 0.75, "filter": 0.25} == jobs.stages


def test_emptied_queue_begins_anew(fleet):
    """Counters that went down belong to another queue: no rate is negative, and none is made of both."""
    fleet.worker("w")
    fleet.submit(50)
    fleet.work("w", 40)
    fleet.watch.take()
    fleet.queue._tally._seen.clear()
    fleet.queue._jobs.clear()
    fleet.clock.advance(1.0)

    snapshot = fleet.watch.take()

    assert [] == [queue for queue in snapshot.queues if queue.completion_rate_per_second is not None]


def test_advice_names_what_is_missing(fleet):
    """Tasks that nobody can take are urgent, from the first look on."""
    fleet.submit(5)
    fleet.watch.take()
    fleet.clock.advance(5.0)

    (advice,) = fleet.watch.take().scaling

    assert ("cpu", "SCALE_UP", "critical", "NO_CAPABLE_WORKER") == (
        advice["capability"], advice["action"], advice["urgency"], advice["reason"]["code"]
    )  # fmt: skip


def test_slot_that_two_classes_share_is_there_for_both(fleet):
    """It may be busy with the other class, but nobody can say that no worker is there."""
    fleet.worker("w", "cpu+io")
    fleet.worker("v", "io")
    fleet.submit(300, "first", "io")
    fleet.submit(300, "second", "cpu+io")
    for _ in range(5):
        fleet.work("v", 3, seconds=0.5)
        fleet.work("w", 3, seconds=0.5)
        scaling = fleet.watch.take().scaling

    assert ["cpu+io", "io"] == [advice["capability"] for advice in scaling]
    assert "NO_CAPABLE_WORKER" not in {advice["reason"]["code"] for advice in scaling}


def test_large_job_is_a_batch_and_many_small_ones_are_a_stream(fleet):
    """What waits on purpose is not a backlog."""
    fleet.worker("w")
    fleet.submit(500)
    (batch,) = fleet.watch.take().scaling
    other = SampleFleet()
    other.worker("w")
    for number in range(10):
        other.submit(20, f"job-{number}")
    (stream,) = other.watch.take().scaling

    assert ("batch", "stream") == (batch["objective"], stream["objective"])


def test_memory_is_bounded(monkeypatch):
    """When the rings are full, further looks take no more memory."""
    monkeypatch.setattr(history, "_RINGS", ((1.0, 20), (10.0, 10)))
    fleet = SampleFleet(advice=AdviceSettings(sample_seconds=100.0))
    fleet.worker("w")
    fleet.submit(3)

    def look(times: int) -> int:
        for number in range(times):
            fleet.clock.advance(10.0)
            fleet.beat("w", done=number, now=f"thumbs:{number % 3}")
            fleet.watch.take()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        full = look(50)
        later = look(100)
    finally:
        tracemalloc.stop()

    assert later < full + 20_000


def commands_of_a_look(url: str, namespace: str, count: int, workers: int = 1) -> dict[str, int]:
    """Put tasks into a queue with workers, look once, and return how often each command was called."""
    queue = RedisQueue(url, namespace=namespace)
    queue.create(JobSpec(id="job", needs=frozenset({"cpu"}), window=2_000_000))
    after = 0
    for at in range(0, count, 1000):
        items = [Item(number, b"x") for number in range(at, min(at + 1000, count))]
        after = queue.submit("job", items, after=after).next
    for number in range(workers):
        name = f"w{number}"
        queue.register(WorkerSpec(id=name, name=name, labels=frozenset({"cpu"}), slots=1), 600.0)
    server = Connection(url, "", "")
    watch = Watch(queue, server=server, sampler=Sampler())
    watch.take()
    with redis.Redis.from_url(url) as client:
        client.config_resetstat()
        assert count == watch.take().queues[0].ready
        stats: dict[str, dict[str, int]] = client.info("commandstats")
    server.close()
    queue.close()
    kept = {name: entry["calls"] for name, entry in stats.items() if "config" not in name}
    assert sum(kept.values()) > 5
    return kept


def test_cost_of_a_look_does_not_depend_on_the_length_of_the_queue(own_redis: StartRedis):
    """The same commands with one task and with a million."""
    server = own_redis()

    assert commands_of_a_look(server.url, "short", 1) == commands_of_a_look(server.url, "long", 1_000_000)


def test_cost_of_a_look_is_two_commands_for_each_worker(own_redis: StartRedis):
    """And a few for the rest, in three round trips: what the server says of itself, its answer time, all the others."""
    server = own_redis()
    few, many = (commands_of_a_look(server.url, str(count), 1, count) for count in (1, 200))

    assert 2 * 199 == sum(many.values()) - sum(few.values())
    assert sum(few.values()) <= 20
    from_outside = {name: many[f"cmdstat_{name}"] for name in ("info", "ping", "evalsha")}
    assert {"info": 1, "ping": 1, "evalsha": 1} == from_outside


def test_queue_that_is_away_is_said_to_be(own_redis: StartRedis):
    """A look raises what the queue raises; the next one works again."""
    server = own_redis()
    queue = RedisQueue(server.url)
    watch = Watch(queue)
    watch.take()
    server.kill()
    with pytest.raises(QueueUnavailable):
        watch.take()
    server.restart(keep_data=False)

    snapshot = watch.take()
    queue.close()

    assert () == snapshot.queues


def test_hosts_are_what_their_workers_say():
    """The one heard of last counts; an older worker, which says nothing, leaves its host unknown."""
    fleet = SampleFleet()
    for name, host in (("a", "node-a"), ("b", "node-a"), ("old", "node-c")):
        fleet.worker(name, host=host)
    fleet.beat("a", machine='[4,0.9,null,1.5,5,9,"machine"]')
    fleet.clock.advance(1.0)
    fleet.beat("b", machine='[4,0.25,0.5,1.5,6,9,"cgroup v2"]')
    known = {host.name: host for host in fleet.watch.take().hosts}
    told, silent = known["node-a"], known["node-c"]

    assert (4, 0.25, 0.5, 1.5) == (told.cpu_cores, told.cpu_of_quota, told.throttled_ratio, told.load1)
    assert Memory(used_bytes=6, limit_bytes=9, limit_source="cgroup v2") == told.memory
    assert (None, None, Memory()) == (silent.cpu_cores, silent.cpu_of_quota, silent.memory)


def test_machine_is_read_as_it_was_written(monkeypatch):
    """Within a hundred bytes, whatever the numbers."""
    sample = replace(MACHINE, cpu_share=0.98765, throttled_share=0.1234, load=123.4567, memory_used_bytes=1 << 42)
    monkeypatch.setattr(Sampler, "sample", lambda _self: sample)
    text = LoadMeter().machine()

    assert replace(sample, cpu_share=0.988, throttled_share=0.123, load=123.457) == machine_of(text)
    assert len(text) <= 80


@pytest.mark.parametrize(
    "text",
    ["", "3", "null", "[]", "{}", "[1]", "[1,1,1,1,1,1,1]", "[" * 99_999, '["a",1,1,1,1,1,"m"]', '[0,1,1,1,1,1,"m"]',
     '[1,1,1,1,1.5,1,"m"]', '[null,1,1,1,1,1,"m"]', '[1,NaN,1,1,1,1,"m"]', '[1e999,1,1,1,1,1,"m"]',
     '[1,-1,1,1,1,1,"m"]', '[true,1,1,1,1,1,"m"]', '[1,[],1,1,1,1,"m"]'],
)  # fmt: skip
def test_machine_that_cannot_be_read(text):
    """Whatever a worker says, nobody who watches falls over it."""
    assert machine_of(text) is None
