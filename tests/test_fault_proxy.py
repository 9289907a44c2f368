"""FaultProxy: each fault does to a connection what it says, when the test says, and `heal` ends it."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis_fixtures import StartRedis


@pytest.fixture
def proxy(redis_url) -> Iterator[FaultProxy]:
    """Return a proxy before an empty server."""
    with FaultProxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def connect() -> Iterator[Callable[..., redis.Redis]]:
    """Return a function that makes a client which neither tries again nor waits long; it is closed in the end."""
    clients: list[redis.Redis] = []

    def make(url: str, *, seconds: float = 5.0) -> redis.Redis:
        client: redis.Redis = redis.Redis.from_url(url, socket_timeout=seconds, retry=Retry(NoBackoff(), 0))
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def direct(redis_url, connect):
    """Return a client that is not behind the proxy, and sees what the server has done."""
    return connect(redis_url)


def test_passes_what_it_gets(proxy, connect, direct):
    """Large and small requests and replies go through unchanged, of several clients at once."""
    value = bytes(range(256)) * 20_000
    first, second = connect(proxy.url), connect(proxy.url)

    assert first.set("large", value)
    assert (value, value) == (second.get("large"), direct.get("large"))
    with first.pipeline(transaction=False) as many:
        for index in range(2000):
            many.set(f"key{index}", value[:100])
            many.get("large" if index % 500 == 0 else "key0")
        answers = many.execute()

    assert [True, value, True, value[:100]] == answers[:4]
    assert 2 == proxy.connections


def test_reaches_a_server_on_a_port(own_redis: StartRedis, connect):
    """The server may be on a unix socket or on a port."""
    server = own_redis(tcp=True)
    with FaultProxy(server.url) as proxy:
        assert connect(proxy.url).ping()


def test_black_hole_holds_everything_until_healed(proxy, connect, direct):
    """A client hears nothing and its connection stays; healed, what it had asked for still happens."""
    client = connect(proxy.url, seconds=0.05)
    client.ping()

    proxy.black_hole()
    with pytest.raises(redis.TimeoutError):
        client.set("late", 1)
    with pytest.raises(redis.TimeoutError):
        connect(proxy.url, seconds=0.05).ping()
    before = direct.get("late")
    proxy.heal()

    assert (None, b"1") == (before, in_time(direct, "late"))


def test_half_open_connection(proxy, connect):
    """A connection that one side has forgotten is dead without an error, while new ones work."""
    old = connect(proxy.url, seconds=0.05)
    old.ping()

    proxy.black_hole(new_too=False)

    assert connect(proxy.url).ping()
    with pytest.raises(redis.TimeoutError):
        old.ping()


def test_reset_breaks_a_client_that_waits(proxy, connect):
    """A client that is blocked in a command gets an error at once, not an end; the next connection works."""
    with socket.create_connection(address(proxy)) as line:
        say(line, proxy)
        read(line, 5)
        line.sendall(b"BLPOP nothing 0\r\n")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            line.recv(100)

    assert 0 == proxy.connections
    assert connect(proxy.url).ping()


def test_refuses_and_lets_in_again_on_the_same_port(proxy, connect):
    """New connections are refused, open ones go on; healed, the address is the old one."""
    inside = connect(proxy.url)
    inside.ping()

    proxy.refuse()
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(proxy))
    assert inside.ping()
    proxy.heal()

    assert connect(proxy.url).ping()


def test_delays_replies_in_their_order(proxy, connect):
    """A reply does not come before its time, and none overtakes another."""
    with socket.create_connection(address(proxy)) as line:
        proxy.delay(80)
        say(line, proxy, "ECHO a", "ECHO b")
        line.settimeout(0.02)
        with pytest.raises(TimeoutError):
            line.recv(100)
        line.settimeout(5)

        assert b"+OK\r\n$1\r\na\r\n$1\r\nb\r\n" == read(line, 19)


@pytest.mark.parametrize("count", [0, 1, 6])
def test_cuts_a_reply(count: int, proxy, direct):
    """The server executes, the client gets so many bytes and then the end."""
    with socket.create_connection(address(proxy)) as line:
        say(line, proxy)
        read(line, 5)
        proxy.cut_next_reply(after_bytes=count, to=b"INCR")
        line.sendall(b"INCR counter\r\n" if count < 6 else b"ECHO ----\r\nINCR counter\r\n")
        assert proxy.cut.wait(5)

        assert (b":1\r\n" if count < 6 else b"$4\r\n----\r\n:1\r\n")[:count] == read(line, 100)
    assert b"1" == direct.get("counter")


def test_cut_waits_for_its_request(proxy, connect, direct):
    """Only the reply to a request that contains the words is lost, on whichever connection it comes, and only once."""
    first, second = connect(proxy.url), connect(proxy.url)
    proxy.cut_next_reply(to=b"RPUSH")

    assert first.set("a", 1)
    assert second.set("b", 1)
    assert not proxy.cut.is_set()
    with pytest.raises(redis.ConnectionError):
        second.rpush("list", "x")
    assert proxy.cut.is_set()
    assert 2 == first.rpush("list", "y")


def test_half_close_says_no_more(proxy, direct):
    """The client reads an end, and what it still says reaches the server."""
    with socket.create_connection(address(proxy)) as line:
        say(line, proxy)
        read(line, 5)
        proxy.half_close()
        assert b"" == line.recv(100)
        line.sendall(b"SET still heard\r\n")

    assert b"heard" == in_time(direct, "still")


def test_what_a_client_said_before_its_death_arrives(proxy, direct):
    """A request is passed on when the client is gone by then."""
    with socket.create_connection(address(proxy)) as line:
        say(line, proxy, "SET last words")

    assert b"words" == in_time(direct, "last")


def test_server_that_is_not_there(own_redis: StartRedis, connect):
    """Clients are turned away while the server is down, and served when it is back."""
    server = own_redis()
    with FaultProxy(server.url) as proxy:
        client = connect(proxy.url)
        client.ping()
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()

        assert client.ping()


@pytest.mark.parametrize("fault", ["black_hole", "refuse", "half_close", "reset"])
def test_closes_cleanly_in_every_state(fault: str, redis_url, connect):
    """`close` leaves no thread and no port, whatever is broken, and may be called again."""
    before = threading.active_count()
    proxy = FaultProxy(redis_url)
    connect(proxy.url).ping()
    getattr(proxy, fault)()

    proxy.close()
    proxy.close()

    assert before == threading.active_count()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(proxy))


def address(proxy: FaultProxy) -> tuple[str, int]:
    """Return where the proxy listens."""
    return "127.0.0.1", int(proxy.url.rsplit(":", 1)[1].split("/")[0])


def say(line: socket.socket, proxy: FaultProxy, *commands: str) -> None:
    """Send the password and commands."""
    password = proxy.url.split(":")[2].split("@")[0]
    line.settimeout(5)
    line.sendall("".join(f"{command}\r\n" for command in (f"AUTH {password}", *commands)).encode())


def read(line: socket.socket, count: int) -> bytes:
    """Read so many bytes, or up to the end."""
    found = b""
    while len(found) < count and (part := line.recv(count - len(found))):
        found += part
    return found


def in_time(client: redis.Redis, key: str) -> object:
    """Return the value of a key as soon as it has one."""
    deadline = time.monotonic() + 5
    while (value := client.get(key)) is None and time.monotonic() < deadline:
        pass
    return value
