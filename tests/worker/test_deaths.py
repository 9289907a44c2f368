"""Deaths: workers are killed, stopped and starved; every picture is done once, and only what ran is charged."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from imgpipe.queue.values import TaskState
from worker_bench import WorkerProcess, until

if TYPE_CHECKING:
    from worker_bench import Bench

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

QUICK, SLOW = range(40, 52), range(100, 112)


def test_a_killed_worker_is_charged_for_what_it_ran(redis_bench: Bench, redis_url: str):
    """SIGKILL: another worker does what it had; a loss is counted for each picture in work, none for those ahead."""
    bench = redis_bench
    bench.submit(bench.trace(wide=100), [*QUICK, *SLOW])
    with WorkerProcess(redis_url, "-j", "2", "--max-memory", "1G") as first:
        until(lambda: len([width for width in bench.traced("begin") if width >= 100]) == 2)
        until(lambda: bench.status().running > 2, "fetching ahead")
        began = {width for width in bench.traced("begin") if width >= 100}
        first.signal(signal.SIGKILL, group=True)
        bench.open_gate()
        with WorkerProcess(redis_url, "-j", "2", name="worker-2"):
            status = bench.finish()

    assert (24, 0, 2, 0) == (status.done, status.failed, status.losses, status.duplicates)
    assert status.deliveries > 2
    again = bench.traced("begin")
    assert began == {width for width in SLOW if again.count(width) == 2}
    assert sorted([*QUICK, *SLOW]) == sorted(set(bench.traced("end")))
    bench.outputs()


def test_a_worker_that_was_frozen_changes_nothing(redis_bench: Bench, redis_url: str):
    """A worker that is stopped beyond its lease and goes on finds its pictures done, and leaves every file alone."""
    bench = redis_bench
    bench.submit(bench.trace(wide=100), [100, 101, *QUICK])
    with WorkerProcess(redis_url, "-j", "2", lease=0.5) as frozen:
        until(lambda: {100, 101} <= set(bench.traced("begin")))
        frozen.signal(signal.SIGSTOP, group=True)
        bench.open_gate()
        with WorkerProcess(redis_url, "-j", "2", name="worker-2", lease=0.5):
            status = bench.finish()
            before = bench.outputs()
            frozen.signal(signal.SIGCONT, group=True)
            frozen.wait_for("forgotten")
            until(lambda: bench.traced("end").count(100) == 2 == bench.traced("end").count(101))
            frozen.signal(signal.SIGTERM)
            assert 0 == frozen.wait()

    assert (14, 2) == (status.done, status.losses)
    assert before == bench.outputs()
    summary = frozen.summary()
    assert 0 == summary["late"]
    assert (14, 0) == (bench.finish().done, bench.finish().failed)


def test_a_frozen_worker_does_not_publish_what_would_be_something_else(redis_bench: Bench, redis_url: str):
    """Even a filter that gives other pixels each time changes no file after the worker has lost its lease."""
    bench = redis_bench
    bench.submit(f"test.worker_chance | {bench.trace()}", [100, 101])
    with WorkerProcess(redis_url, "-j", "2", lease=0.5) as frozen:
        until(lambda: {100, 101} <= set(bench.traced("begin")))
        frozen.signal(signal.SIGSTOP, group=True)
        with WorkerProcess(redis_url, "-j", "2", name="worker-2", lease=0.5):
            until(lambda: len(bench.traced("begin")) == 4)
            bench.open_gate()
            bench.finish()
            before = bench.outputs()
            frozen.signal(signal.SIGCONT, group=True)
            until(lambda: len(bench.traced("end")) == 4)
            frozen.signal(signal.SIGTERM)
            assert 0 == frozen.wait()

    assert before == bench.outputs()


@pytest.mark.parametrize("pipeline", ["test.trace", "test.hold_gil:milliseconds=2500"])
def test_a_long_picture_keeps_its_worker(redis_bench: Bench, redis_url: str, pipeline: str):
    """A picture that takes many leases runs once, even if it holds the interpreter's lock all that time."""
    bench = redis_bench
    bench.submit(bench.trace() if pipeline == "test.trace" else f"{bench.trace(wide=200)} | {pipeline}", [100])
    with (
        WorkerProcess(redis_url, "-j", "1", lease=0.4),
        WorkerProcess(redis_url, "-j", "1", name="worker-2", lease=0.4) as other,
    ):
        if pipeline == "test.trace":
            other.wait_for("start")
            until(lambda: len(bench.traced("begin")) == 1)
            watched = bench.queue.workers()[0].age_seconds
            until(lambda: bench.queue.workers()[0].age_seconds > watched + 2.5, "the end of six leases")
            bench.open_gate()
        status = bench.finish()

    assert ([100], 1, 0, 0) == (bench.traced("begin"), status.done, status.losses, status.deliveries)


@pytest.mark.parametrize("deed", ["kill", "exit"])
def test_a_poison_is_charged_and_innocents_are_not(redis_bench: Bench, redis_url: str, deed: str):
    """One picture kills each process that has it; eleven others, fetched ahead by the same worker, are just done."""
    bench = redis_bench
    bench.submit(f"{bench.trace(wide=200)} | test.deadly:deed={deed},width=45", range(40, 52))
    with WorkerProcess(redis_url, "-j", "2"):
        status = bench.finish()

    assert (11, 1, 0, 0, 0) == (status.done, status.lost, status.losses, status.deliveries, status.attempts)
    assert TaskState.LOST is bench.queue.task("j", 5).state
    failure = bench.results()[5].failure
    assert failure is not None
    assert ("CRASHED", True) == (failure.code.value, "45x10" in failure.message)
    innocents = [width for width in bench.traced("begin") if width != 45]
    assert len(innocents) == len(set(innocents)) or deed == "kill"  # who was killed from outside may be innocent


def test_a_picture_that_kills_whole_workers_is_given_up(redis_bench: Bench, redis_url: str):
    """A poison that takes the supervisor with it costs three workers, and nobody else is charged as often."""
    bench = redis_bench
    bench.submit(f"{bench.trace(wide=200)} | test.killer:width=45", range(40, 52))
    deaths, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        with WorkerProcess(redis_url, "-j", "1", "--idle-exit", "1", name=f"worker-{deaths}", lease=0.5) as worker:
            code = worker.wait()
        deaths += code == -signal.SIGKILL
    status = bench.finish()

    assert (0, 11, 1) == (code, status.done, status.lost)
    assert {"WORKERS_DIED": 1} == status.codes
    # One that has killed its worker before the queue heard that it had begun is charged with a delivery alone.
    assert status.losses <= 3 <= deaths <= 8
