"""Signals: a worker that is told to end gives back what it has not begun, and nothing is lost, whenever it is told."""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from worker_bench import WorkerProcess, let_pass, until

if TYPE_CHECKING:
    from worker_bench import Bench

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

TERM, INT = signal.SIGTERM, signal.SIGINT


@pytest.mark.parametrize(("number", "code"), [(TERM, 0), (INT, 130)])
def test_the_first_signal_drains(redis_bench: Bench, redis_url: str, number: signal.Signals, code: int):
    """What has not begun goes back at once, uncharged; what has is finished; children do not mind a Ctrl-C for all."""
    bench = redis_bench
    bench.submit(bench.trace(wide=100), [*range(40, 50), *range(100, 110)])
    with WorkerProcess(redis_url, "-j", "2") as worker:
        until(lambda: len([width for width in bench.traced("begin") if width >= 100]) == 2)
        until(lambda: bench.status().running > 2, "fetching ahead")
        worker.signal(number, group=number is INT)
        worker.wait_for("draining")
        until(lambda: (bench.status().running, bench.status().pending) == (2, 8), "giving back")
        bench.open_gate()
        assert code == worker.wait()

    status = bench.status()
    assert (12, 8, 0) == (status.done, status.pending, status.running)
    assert (0, 0, 0, 0) == (status.attempts, status.losses, status.deliveries, status.interrupted)
    assert ("drained", 12) == (worker.summary()["why"], worker.summary()["done"])
    assert [] == bench.queue.workers()


@pytest.mark.parametrize(("number", "code"), [(TERM, 143), (INT, 130)])
def test_the_second_signal_gives_back_everything(redis_bench: Bench, redis_url: str, number: signal.Signals, code: int):
    """What is in work is dropped and given back, as an interruption that is no attempt; nothing half-written stays."""
    bench = redis_bench
    bench.submit(bench.trace(wide=100), [40, 100, 101, 102])
    with WorkerProcess(redis_url, "-j", "2") as worker:
        until(lambda: len(bench.traced("begin")) == 3)
        worker.signal(number, group=number is INT)
        worker.wait_for("draining")
        worker.signal(number, group=number is INT)
        assert code == worker.wait()

    status = bench.status()
    assert (1, 3, 0) == (status.done, status.pending, status.running)
    assert (0, 0, 0, 2) == (status.attempts, status.losses, status.deliveries, status.interrupted)
    assert ["40.png"] == list(bench.outputs())


def test_grace_has_an_end(redis_bench: Bench, redis_url: str):
    """A picture that does not end in time is given back, and the worker ends all the same."""
    bench = redis_bench
    bench.submit(bench.trace(), [100])
    with WorkerProcess(redis_url, "-j", "1", "--grace", "0.3") as worker:
        until(lambda: bench.traced("begin"))
        worker.signal(TERM)
        assert 0 == worker.wait()

    status = bench.status()
    assert (0, 1, 1, 0) == (status.done, status.pending, status.interrupted, status.attempts)


def test_a_quiet_worker_stays(redis_bench: Bench, redis_url: str):
    """SIGUSR1 finishes what is in work and claims no more; the process stays until it is told to end."""
    bench = redis_bench
    bench.submit(bench.trace(wide=100), [100, 40, 41])
    with WorkerProcess(redis_url, "-j", "1") as worker:
        until(lambda: bench.traced("begin"))
        worker.signal(signal.SIGUSR1)
        worker.wait_for("draining")
        bench.open_gate()
        until(lambda: bench.status().done == 1)
        until(lambda: [worker.state for worker in bench.queue.workers()] == ["draining"])
        assert 2 == bench.status().pending
        worker.signal(TERM)
        assert 0 == worker.wait()

    assert (1, 2) == (bench.status().done, bench.status().pending)


@pytest.mark.parametrize("command", ["drain", "stop"])
def test_a_worker_obeys_from_afar(redis_bench: Bench, redis_url: str, command: str):
    """What a signal can do, a command through the queue can do as well."""
    bench = redis_bench
    bench.submit(bench.trace(wide=100), [100, 101])
    with WorkerProcess(redis_url, "-j", "1") as worker:
        until(lambda: bench.traced("begin"))
        assert bench.queue.command(bench.queue.workers()[0].id, command)  # type: ignore[arg-type]  # one of its words
        if command == "drain":
            worker.wait_for("draining")
            bench.open_gate()
        assert 0 == worker.wait()

    assert (1 if command == "drain" else 0) == bench.status().done


def test_sigquit_shows_what_everybody_is_doing(redis_bench: Bench, redis_url: str):
    """SIGQUIT writes all stacks, of the children too, and the work goes on."""
    bench = redis_bench
    bench.submit(bench.trace(), [100])
    with WorkerProcess(redis_url, "-j", "1") as worker:
        until(lambda: bench.traced("begin"))
        worker.signal(signal.SIGQUIT)
        until(lambda: b"wait_for_file" in worker.errors and b"courier" in worker.errors, "a stack")
        bench.open_gate()
        assert 1 == bench.finish().done

    assert [100] == bench.traced("begin")


def test_workers_that_end_at_any_moment_lose_nothing(redis_bench: Bench, redis_url: str):
    """Drained, drained and then killed, killed: whenever that strikes, the job ends, and only kills are charged."""
    seed = random.SystemRandom().randrange(1 << 32)
    sys.stderr.write(f"seed {seed}\n")
    chance = random.Random(seed)
    bench = redis_bench
    bench.submit(f"{bench.trace(wide=2000)} | blur:8", range(600, 760))
    for _ in range(4):
        with WorkerProcess(redis_url, "-j", "2", lease=0.5) as worker:
            wait_for_more(bench, chance.randrange(1, 20))
            worker.signal(TERM)
            if chance.random() < 0.5:
                assert 0 == worker.wait()
            else:
                let_pass(chance.uniform(0, 0.1))
    with WorkerProcess(redis_url, "-j", "2", name="last", lease=0.5):
        status = bench.finish()

    assert (160, 0, 0, 0) == (status.done, status.failed, status.lost, status.attempts)
    assert 160 == len(bench.outputs())


def wait_for_more(bench: Bench, count: int) -> None:
    """Wait until so many pictures more are settled, or all are."""
    enough = bench.status().settled + count
    until(lambda: bench.status().settled >= enough or bench.status().is_over)


def test_all_workers_can_be_restarted_in_turn(redis_bench: Bench, redis_url: str):
    """A rolling restart during a job fails no picture, and charges none."""
    bench = redis_bench
    bench.submit(f"{bench.trace(wide=2000)} | blur:8", range(600, 760))
    with ExitStack() as stack:
        workers = [stack.enter_context(WorkerProcess(redis_url, "-j", "1", name=f"worker-{n}")) for n in range(2)]
        for number in range(2, 4):
            until(lambda: all("job" in worker.kinds() for worker in workers) or bench.status().is_over)
            workers.append(stack.enter_context(WorkerProcess(redis_url, "-j", "1", name=f"worker-{number}")))
            oldest = workers.pop(0)
            oldest.signal(TERM)
            assert 0 == oldest.wait()
        status = bench.finish()

    assert (160, 0, 0) == (status.done, status.failed, status.lost)
    assert (0, 0, 0) == (status.attempts, status.losses, status.deliveries)
    assert sorted(bench.traced("begin")) == list(range(600, 760))
