"""Redis fixtures: a real server for the whole session, a clean one for each test, and servers that a test may harm."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import pytest
import redis

from imgpipe.queue.server import HOW_TO_GET_ONE, RedisServer, find_binary

if TYPE_CHECKING:
    from collections.abc import Iterator


class StartRedis(Protocol):
    """Starts a server that belongs to one test."""

    def __call__(self, folder: str | None = ..., *, persist: bool = ..., tcp: bool = ...) -> RedisServer:
        """Return it, started; the arguments are those of `RedisServer`."""


@pytest.fixture(scope="session")
def redis_binary() -> str:
    """Return the server's binary. Without one, a laptop skips the test, and continuous integration fails it."""
    binary = find_binary()
    if binary is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no Redis server here: {HOW_TO_GET_ONE}")
    return binary


@pytest.fixture(scope="session")
def redis_server(redis_binary: str) -> Iterator[RedisServer]:
    """Return the server of all tests; leave it running, and its settings as they are."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Return the URL of a server with nothing in it: no key and no script."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        client.script_flush()
    return redis_server.url


@pytest.fixture
def namespace() -> str:
    """Return a namespace that no other test has."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def own_redis(redis_binary: str) -> Iterator[StartRedis]:
    """Return a function that starts a server which the test may pause, kill and restart; it ends with the test."""
    started = []

    def start(folder: str | None = None, *, persist: bool = False, tcp: bool = False) -> RedisServer:
        started.append(RedisServer(folder, persist=persist, tcp=tcp))
        return started[-1].start()

    yield start
    for server in started:
        server.stop()
