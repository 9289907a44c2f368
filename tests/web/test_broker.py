"""Broker: a server whose Redis is killed, frozen, empty, or not there yet: refused at once, and back without help."""

from __future__ import annotations

import threading
import time

import pytest

from imgpipe.errors import BadOption, QueueRefused, QueueUnavailable
from imgpipe.web.app import App
from imgpipe.web.broker import Broker, RedisBroker
from imgpipe.web.problems import Refused
from small_worker import SmallWorker

URL = "/api/process-batch/distributed/"
CAT = {"filters": ["blur"], "images": ["cat.jpg"]}
PATIENCE_SECONDS = 20.0


@pytest.fixture
def quick(monkeypatch):
    """Look ten times as often as usual."""
    monkeypatch.setattr("imgpipe.web.broker._LOOK_SECONDS", 0.1)
    monkeypatch.setattr("imgpipe.web.broker._SLOW_SECONDS", 0.2)


def until(is_true):
    """Wait until something is so."""
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not is_true():
        assert time.monotonic() < deadline
        pause.wait(0.02)


def look_away(broker):
    """Have a broker not look any more by itself."""
    broker._ended.set()
    broker._thread.join()


@pytest.fixture
def broker(own_redis, quick):
    """Return a started broker, and the server behind it."""
    server = own_redis()
    made = RedisBroker(server.url, "default")
    made.start()
    yield made, server
    made.close()


@pytest.fixture
def ask(broker, settings, asking):
    """Return a function that sends a request to a server over that Redis."""
    return asking(App(settings, broker[0]))


def test_all_is_well(ask, broker):
    """A task goes through Redis and a worker, and comes back; health says which queue it is."""
    redis, _ = broker
    worker = redis.ask(SmallWorker)
    task_id = ask("POST", URL, body=CAT).data["task_id"]
    while worker.step():
        pass
    until(redis.live_workers)
    health = ask("GET", "/api/health/").data

    assert "completed" == ask("GET", f"/api/task/{task_id}/status/").data["status"]
    assert ("healthy", "redis", 1) == (health["status"], health["queue"], health["workers"])
    assert b"JFIF" in ask("GET", f"/api/task/{task_id}/images/0/").body


def test_killed_and_back(ask, broker):
    """While Redis is away, what needs it is refused at once, and health says so; then all goes on, also with a key."""
    redis, server = broker
    first = ask("POST", URL, body=CAT, idempotency_key="k")
    server.kill()
    refused = [ask("POST", URL, body=CAT), ask("GET", "/api/workers/status/"), ask("GET", "/api/metrics/")]
    text = ask("GET", "/metrics")
    until(lambda: redis.trouble)
    health = ask("GET", "/api/health/")
    server.start()
    until(lambda: not redis.trouble)
    again = ask("POST", URL, body=CAT, idempotency_key="k")

    assert {(503, "redis-unavailable", "2")} == {
        (answer.status, answer.data["code"], answer.headers["retry-after"]) for answer in refused
    }
    assert (200, True) == (text.status, b"imgpipe_queue_up 0.0" in text.body)
    assert (200, "degraded", False) == (health.status, health.data["status"], health.data["checks"]["queue"]["ok"])
    assert (202, first.data["task_id"]) == (again.status, again.data["task_id"])
    assert 200 == ask("GET", "/api/workers/status/").status


def test_a_restart_that_nobody_has_noticed(ask, broker):
    """Connections that are dead are opened anew; no request pays for them."""
    redis, server = broker
    look_away(redis)
    ask("GET", "/api/workers/status/")
    server.restart(keep_data=False)

    assert 200 == ask("GET", "/api/workers/status/").status


def test_a_frozen_server_keeps_nobody(ask, broker):
    """One that takes a call and does not answer is not asked again until it does."""
    redis, server = broker
    server.pause()
    try:
        until(lambda: redis.trouble)
        begun = time.monotonic()
        answers = [ask("GET", "/api/workers/status/"), ask("POST", URL, body=CAT), ask("GET", "/api/health/")]
        seconds = time.monotonic() - begun
    finally:
        server.resume()
    until(lambda: not redis.trouble)

    assert [503, 503, 200] == [answer.status for answer in answers]
    assert "Redis owes an answer" == answers[0].data["detail"]
    assert seconds < 2
    assert 202 == ask("POST", URL, body=CAT).status


def test_not_there_yet(own_redis, quick, settings, asking):
    """A server may be started before its Redis."""
    server = own_redis()
    url = server.url
    server.kill()
    broker = RedisBroker(url, "default")
    broker.start()
    ask = asking(App(settings, broker))
    before = ask("POST", URL, body=CAT).status
    server.start()
    until(lambda: not broker.trouble)
    after = ask("POST", URL, body=CAT).status
    broker.close()

    assert (503, 202) == (before, after)


def test_two_servers_have_one_queue(redis_url, namespace, settings, asking):
    """What one has handed over, the other one knows."""
    brokers = [RedisBroker(redis_url, namespace) for _ in range(2)]
    for broker in brokers:
        broker.start()
    first, second = (asking(App(settings, broker)) for broker in brokers)
    task_id = first("POST", URL, body=CAT).data["task_id"]
    cancelled = second("DELETE", f"/api/task/{task_id}/")
    word = first("GET", f"/api/task/{task_id}/status/").data["status"]
    for broker in brokers:
        broker.close()

    assert (202, "cancelled") == (cancelled.status, word)


def test_a_server_that_would_lose_tasks(own_redis):
    """One that evicts is refused at the start."""
    import redis

    server = own_redis()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", "10mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
    broker = RedisBroker(server.url, "default")

    with pytest.raises(QueueRefused, match="allkeys-lru"):
        broker.start()
    broker.close()


def test_an_address_that_is_none():
    """What is no address is said at once."""
    with pytest.raises(BadOption, match="redis://host"):
        RedisBroker("localhost:6379", "default").start()


def test_a_queue_that_fails_twice_is_away(broker):
    """A call is repeated once; the second failure is told to everybody, until the queue has answered again."""
    redis, _ = broker
    calls = []

    def fail(_queue):
        calls.append(1)
        raise QueueUnavailable("no answer")

    look_away(redis)
    with pytest.raises(Refused):
        redis.ask(fail)
    with pytest.raises(Refused):
        redis.ask(fail)

    assert (2, "no answer") == (len(calls), redis.trouble)


def test_a_full_server_is_not_away(ask, broker):
    """What does not fit is refused; the rest goes on."""
    import redis

    with redis.Redis.from_url(broker[1].url) as client:
        client.config_set("maxmemory", 500_000)
    answer = ask("POST", URL, body=CAT)

    assert (503, "queue-full") == (answer.status, answer.data["code"])
    assert 200 == ask("GET", "/api/workers/status/").status


def test_memory_is_always_there():
    """A queue in memory is asked as it is."""
    broker = Broker()

    assert ("memory", "", []) == (broker.kind, broker.trouble, broker.live_workers())
    assert [] == broker.ask(lambda queue: queue.jobs())
    broker.close()
