"""Outages: Redis is restarted, killed, emptied, away, slow or mute; workers come back by themselves, with all tasks."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from fault_proxy import FaultProxy
from imgpipe.queue import open_queue
from imgpipe.queue.connection import _script
from imgpipe.queue.values import Item, SubmitKind
from imgpipe.worker import Worker, WorkerSettings
from worker_bench import Bench, WorkerProcess, let_pass, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imgpipe.queue.server import RedisServer
    from imgpipe.queue.values import Load
    from imgpipe.worker import Event
    from redis_fixtures import StartRedis

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

LEASE_SECONDS = 0.6
SLOW = range(100, 104)


@pytest.fixture
def proxy(redis_url: str) -> Iterator[FaultProxy]:
    """Return a proxy in front of the server of all tests."""
    with FaultProxy(redis_url) as proxy:
        yield proxy


def count_begun(bench: Bench) -> int:
    """Return how many pictures have begun."""
    return len(bench.traced("begin"))


def test_a_claim_whose_answer_is_lost_is_no_task_that_is_lost(redis_bench: Bench, proxy: FaultProxy):
    """The worker asks what it holds, and runs what it did not know of: once, and without being charged for it."""
    bench = redis_bench
    bench.queue.claim("nobody", 0)  # or Redis would not know the script yet, and answer that instead
    with WorkerProcess(proxy.url, "-j", "2", lease=3.0) as worker:
        until(lambda: [load.cpu_percent for load in loads(bench)] != [None], "a second beat")
        worker.signal(signal.SIGSTOP)  # or the answer that is cut could be one without tasks
        bench.submit(bench.trace(wide=200), range(40, 60))
        proxy.cut_next_reply(to=digest("claim"))
        worker.signal(signal.SIGCONT)
        assert proxy.cut.wait(30)
        assert 0 < bench.status().running
        status = bench.finish()

    assert (20, 0, 0, 0) == (status.done, status.losses, status.deliveries, status.attempts)
    assert sorted(bench.traced("begin")) == list(range(40, 60))


def test_a_word_whose_receipt_is_lost_counts_once(redis_bench: Bench, proxy: FaultProxy):
    """The word is said again and changes nothing; the task that came with the receipt is found and run."""
    bench = redis_bench
    bench.queue.finish("nobody", [])
    bench.submit(bench.trace(wide=100), [100, 40, 41])
    with WorkerProcess(proxy.url, "-j", "1", lease=3.0):
        until(lambda: bench.traced("begin"))
        proxy.cut_next_reply(to=digest("finish"))
        bench.open_gate()
        assert proxy.cut.wait(30)
        assert (1, 1) == (bench.status().done, bench.status().running)
        status = bench.finish()

    assert (3, 0, 0, 0) == (status.done, status.losses, status.deliveries, status.attempts)
    assert [100, 40, 41] == bench.traced("begin")


def loads(bench: Bench) -> list[Load]:
    """Return what the workers say of themselves."""
    return [worker.load for worker in bench.queue.workers()]


def digest(script: str) -> bytes:
    """Return the name by which Redis is told to run a script."""
    return _script(script)[0].encode()


def kill(server: RedisServer) -> None:
    """Kill it and start it again with what its file has."""
    server.kill()
    server.start()


def restart(server: RedisServer) -> None:
    """Restart it with its data."""
    server.restart(keep_data=True)


@pytest.mark.parametrize("harm", [restart, kill])
def test_a_redis_that_comes_back_with_its_data(
    tmp_path: Path, own_redis: StartRedis, harm: Callable[[RedisServer], None]
):
    """Workers go on when Redis is there again; at most what it forgot in its last second is done twice."""
    server = own_redis(str(tmp_path / "redis"), persist=True)
    bench = Bench(tmp_path, open_queue(server.url))
    bench.submit(bench.trace(wide=100), [*range(40, 60), *SLOW])
    with WorkerProcess(server.url, "-j", "1", lease=LEASE_SECONDS) as first:
        until(lambda: count_begun(bench) >= 5)
        harm(server)
        bench.open_gate()
        status = bench.finish()
        first.signal(signal.SIGTERM)
        assert 0 == first.wait()
    bench.queue.close()

    assert (24, 0, 0) == (status.done, status.failed, status.losses)
    assert {*range(40, 60), *SLOW} == set(bench.traced("end"))


def test_a_redis_that_comes_back_empty(tmp_path: Path, own_redis: StartRedis):
    """The worker presents itself anew, and what is handed over again is done; what was in work is not done in vain."""
    server = own_redis()
    bench = Bench(tmp_path, open_queue(server.url))
    bench.submit(bench.trace(wide=100), [100, 101])
    with WorkerProcess(server.url, "-j", "2", lease=2.5) as worker:
        until(lambda: count_begun(bench) == 2)
        server.restart(keep_data=False)
        worker.wait_for("forgotten")
        bench.submit(bench.trace(wide=100), [100, 101, 40])
        bench.open_gate()
        status = bench.finish()
        worker.signal(signal.SIGTERM)
        assert 0 == worker.wait()
    bench.queue.close()

    assert (3, 0, 0) == (status.done, status.failed, status.losses)
    assert 0 < worker.summary()["late"]
    assert {"100.png", "101.png", "40.png"} == bench.outputs().keys()


def test_an_outage_of_three_leases_charges_nobody(tmp_path: Path, own_redis: StartRedis):
    """When Redis was away longer than the leases, nobody was dead: no loss, no delivery, no worker starts anew."""
    server = own_redis()
    bench = Bench(tmp_path, open_queue(server.url))
    bench.submit(bench.trace(wide=100), [*SLOW, *range(40, 60)])
    with (
        WorkerProcess(server.url, "-j", "1", lease=LEASE_SECONDS) as first,
        WorkerProcess(server.url, "-j", "1", name="worker-2", lease=LEASE_SECONDS),
    ):
        until(lambda: count_begun(bench) == 2)
        server.pause()
        let_pass(3 * LEASE_SECONDS)
        server.resume()
        bench.open_gate()
        status = bench.finish()
        assert "forgotten" not in first.kinds()
    bench.queue.close()

    assert (24, 0, 0, 0) == (status.done, status.failed, status.losses, status.deliveries)


@pytest.mark.parametrize("fault", ["reset", "half_close", "refuse", "slow"])
def test_a_worker_works_again_when_the_network_does(redis_bench: Bench, proxy: FaultProxy, fault: str):
    """Connections that break, end by half, are refused or slow cost time, and nothing else."""
    bench = redis_bench
    bench.submit(bench.trace(wide=200), range(40, 50), sealed=False)
    with WorkerProcess(proxy.url, "-j", "1", lease=LEASE_SECONDS) as worker:
        until(lambda: bench.status().done == 10)
        if fault == "reset":
            proxy.reset()
        elif fault == "half_close":
            proxy.half_close()
        elif fault == "refuse":
            proxy.refuse()
            proxy.reset()
            worker.wait_for("away")
        else:
            proxy.delay(300)
        hand_over_another(bench)
        if fault == "refuse":
            proxy.heal()
            worker.wait_for("back")
        status = bench.finish()

    assert (11, 0, 0) == (status.done, status.failed, status.losses)


@pytest.mark.parametrize("new_too", [True, False])
def test_a_worker_leaves_connections_that_are_dead(
    redis_bench: Bench, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, *, new_too: bool
):
    """Where nothing passes and nobody says so, it tries anew when it has waited long enough for an answer."""
    monkeypatch.setattr("imgpipe.queue.connection.ANSWER_SECONDS", 0.4)
    bench = redis_bench
    bench.submit(bench.trace(wide=200), range(40, 50), sealed=False)
    events: list[Event] = []
    settings = WorkerSettings(name="w", labels=frozenset({"cpu", "io"}), lease_seconds=LEASE_SECONDS)
    worker = Worker(lambda: open_queue(proxy.url), settings, tell=events.append)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: bench.status().done == 10)
        proxy.black_hole(new_too=new_too)
        hand_over_another(bench)
        until(lambda: "away" in [event.kind for event in events])
        if new_too:
            let_pass(2 * LEASE_SECONDS)
            proxy.heal()
        status = bench.finish()
    finally:
        worker.stop()
        thread.join()

    assert (11, 0, 0) == (status.done, status.failed, status.losses)


def hand_over_another(bench: Bench) -> None:
    """Hand over the eleventh and last picture of a job."""
    name = bench.picture(60).name
    answer = bench.queue.submit("j", [Item(10, json.dumps({"r": True, "s": name}).encode())], after=10, last=True)
    assert SubmitKind.ACCEPTED is answer.kind
