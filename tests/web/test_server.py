"""Server: over real sockets: what is malformed, slow, too much, or in a hurry, and what it may not keep others from."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from imgpipe.errors import BadOption
from imgpipe.web.limits import ServerLimits
from imgpipe.web.server import Server

HEALTH = b"GET /api/health/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = HEALTH[:-2] + b"Connection: close\r\n\r\n"
POST = b"POST /api/process-batch/sequential/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BATCH = POST + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"


def status(answer: bytes) -> int:
    """Return the status of an answer."""
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 411),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
        (POST + b"Content-Length: +5\r\n\r\nhello", 400),
        (POST + b"Content-Length: 0_5\r\n\r\nhello", 400),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: 999999999999\r\n\r\nhello", 413),
        (b"GET /api/health/ HTTP/1.1\r\n\r\n", 400),
        (HEALTH[:-2] + b"X: a\r\n b\r\n\r\n", 400),
        (POST + b"Content-Length : 5\r\n\r\nhello", 400),
        (b"GET /api/health/ HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /\r\n", 400),
        (HEALTH[:-2] + b"X: \x00\r\n\r\n", 400),
        (b"GET /api/health/ HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00", 400),
        (POST + b"Expect: 200-maybe\r\nContent-Length: 5\r\n\r\nhello", 417),
        (POST + b"\r\n", 411),
    ],
)
def test_malformed(live, data, expected):
    """What could be read in two ways gets one answer, a problem, and the connection is closed: nothing follows it."""
    answer = live.talk(data + (LAST if expected != 505 else b""))

    assert expected == status(answer)
    assert 1 == answer.count(b"HTTP/1.1 ") or expected == 411
    assert b"application/problem+json" in answer
    assert 200 == status(live.talk(LAST))


def test_newer_minor_version(live):
    """HTTP/1.9 is answered as 1.1 is."""
    assert 200 == status(live.talk(LAST.replace(b"1.1", b"1.9", 1)))


def test_old_version(live):
    """HTTP/1.0 is answered, and the connection closed."""
    assert 200 == status(live.talk(b"GET /api/health/ HTTP/1.0\r\n\r\n"))


def test_keep_alive(live, one_answer):
    """Many requests follow each other on one connection."""
    with live.connect() as sock:
        for _ in range(5):
            sock.sendall(HEALTH)
            assert 200 == status(one_answer(sock))


def test_pipelining(live, until_closed):
    """Requests that are sent without waiting are answered in their order, thousands of them too."""
    many = b"".join(b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number for number in range(2000))
    with live.connect() as sock:
        threading.Thread(target=sock.sendall, args=(HEALTH + many + LAST,)).start()
        answers = until_closed(sock)
    places = [answers.index(b'"instance": "/%d"' % number) for number in range(2000)]

    assert 2002 == answers.count(b"HTTP/1.1 ")
    assert sorted(places) == places


def test_pipelined_bodies(live, until_closed):
    """Where one body ends, the next request begins."""
    body = b'{"filters": ["blur"], "images": ["cat.jpg"]}'
    with live.connect() as sock:
        sock.sendall((POST + b"Content-Length: %d\r\n\r\n" % len(body) + body) * 2 + LAST)
        answers = until_closed(sock)

    assert [b"200"] * 3 == [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]]


def test_byte_by_byte(live, until_closed):
    """A request in the smallest pieces is one."""
    with live.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in LAST:
            sock.send(bytes([byte]))
        assert 200 == status(until_closed(sock))


def test_head(live):
    """HEAD has the headers of GET, and nothing after them."""
    head, get = live.get("/api/image/4k/", method="HEAD"), live.get("/api/image/4k/")

    assert b"" == head.partition(b"\r\n\r\n")[2]
    assert b"Content-Length: %d\r\n" % len(get.partition(b"\r\n\r\n")[2]) in head


def test_range_and_not_modified(live, settings):
    """Parts of the file come over the wire as they lie in it, and what is known comes not at all."""
    content = Path(settings.images, "sample_4k.jpg").read_bytes()
    part = live.get("/api/image/4k/", "Range: bytes=100-299")
    tag = next(line for line in part.decode("latin-1").split("\r\n") if line.startswith("ETag: "))[6:]
    known = live.get("/api/image/4k/", f"If-None-Match: {tag}")

    assert (206, content[100:300]) == (status(part), part.partition(b"\r\n\r\n")[2])
    assert (304, b"") == (status(known), known.partition(b"\r\n\r\n")[2])
    assert b"content-length" not in known.lower()


def test_large_file(live, settings, app):
    """A file that does not fit into any buffer comes whole."""
    content = bytes(range(256)) * 40_000
    Path(settings.images, "sample_4k.jpg").write_bytes(content)

    assert content == live.get("/api/image/4k/").partition(b"\r\n\r\n")[2]


def test_expect_continue(live, one_answer):
    """Who asks before sending a body is told to go on, or at once that there is no need to."""
    body = b'{"filters": ["blur"], "images": ["cat.jpg"]}'
    with live.connect() as sock:
        sock.sendall(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == sock.recv(100)
        sock.sendall(body)
        assert 200 == status(one_answer(sock))

    assert 413 == status(live.talk(POST + b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n"))


def test_body_that_is_too_large_is_told(live):
    """A client that sends all of a body that is not wanted still sees the answer."""
    head = POST + b"Content-Length: 8000000\r\n\r\n"

    assert 413 == status(live.talk(head + b"x" * 8_000_000))


def test_idle_connections_are_closed(live):
    """Who says nothing, or nothing more, is left: silently, where no request has begun."""
    with live.connect() as silent:
        assert b"" == silent.recv(1)
    with live.connect() as served:
        served.sendall(HEALTH)
        assert 200 == status(served.recv(1 << 16))
        assert b"" == served.recv(1)


@pytest.mark.parametrize("start", [b"GET /api/he", POST, POST + b"Content-Length: 100\r\n\r\n{"])
def test_requests_that_do_not_end(live, start):
    """A request that stops on its way is told that it took too long."""
    answer = live.talk(start)

    assert (408, True) == (status(answer), b"request-timeout" in answer)


def test_one_byte_at_a_time_gains_nothing(live):
    """The deadline is for the whole head: a byte now and then does not move it."""
    with live.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX: ")
        sock.settimeout(0.05)
        answer = b""
        while not answer:
            try:
                sock.send(b"a")
                answer = sock.recv(1 << 16)
            except TimeoutError:
                continue

    assert 408 == status(answer)


def test_slow_sockets_do_not_hold_up_health(app, running):
    """While hundreds of clients send their heads byte by byte, or nothing, health is answered as ever."""
    with running(app, ServerLimits(sockets=256, head_seconds=600)) as live:  # none of them is left in this time
        slow = [live.connect() for _ in range(240)]
        for number, sock in enumerate(slow):
            sock.sendall(HEALTH[: number % len(HEALTH)])
        for sock in slow[:100]:
            sock.send(b"x")
            assert 200 == status(live.talk(LAST))
        for sock in slow:
            sock.close()


def test_stalled_readers_keep_no_thread(app, running, settings):
    """Clients that ask for a large file and do not take it do not keep others from being served."""
    Path(settings.images, "sample_4k.jpg").write_bytes(bytes(20_000_000))
    with running(app) as live:
        slow = [live.connect() for _ in range(20)]
        for sock in slow:
            sock.sendall(b"GET /api/image/4k/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP/1.1 200" == sock.recv(12)
        assert 200 == status(live.talk(LAST))
        for sock in slow:
            sock.close()


def test_stalled_readers_are_left(live, settings, until_closed):
    """Who takes nothing of an answer for long is left."""
    Path(settings.images, "sample_4k.jpg").write_bytes(bytes(20_000_000))
    with live.connect() as sock:
        sock.sendall(b"GET /api/image/4k/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        (line,) = live.log.first(1)
        assert len(until_closed(sock)) < 20_000_000

    assert "GET /api/image/4k/" in line


def test_file_that_becomes_shorter(live, settings, until_closed):
    """A file that ends too early while it is sent ends the connection: its client must not take it for whole."""
    path = Path(settings.images, "sample_4k.jpg")
    path.write_bytes(bytes(20_000_000))
    with live.connect() as sock:
        sock.sendall(b"GET /api/image/4k/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP/1.1 200" == sock.recv(12)
        os.truncate(path, 0)
        assert len(until_closed(sock)) < 20_000_000
    assert 404 == status(live.get("/nothing"))


def test_oldest_makes_room(app, running, until_closed):
    """When all sockets are taken, the one that has waited longest for its request goes."""
    with running(app, ServerLimits(sockets=3, young_seconds=0.0)) as live:
        waiting = [live.connect() for _ in range(3)]
        for sock in waiting:
            sock.sendall(b"GET ")
        assert 200 == status(live.talk(LAST))
        assert b"" == until_closed(waiting[0])
        for sock in waiting[1:]:
            sock.sendall(LAST[4:])
            assert 200 == status(sock.recv(1 << 16))
        for sock in waiting:
            sock.close()


class Gate:
    """What batches wait at, to be refused when it is open: `inside` is released by each that comes."""

    def __init__(self) -> None:
        self.inside, self._open = threading.Semaphore(0), threading.Event()
        self.open = self._open.set

    def __call__(self, *_: object, **__: object) -> None:
        """Wait."""
        self.inside.release()
        assert self._open.wait(20)
        raise BadOption("x", 1, "y")


@pytest.fixture
def gate(monkeypatch) -> Gate:
    """Put a gate before all batches."""
    made = Gate()
    monkeypatch.setattr("imgpipe.web.batches.read_order", made)
    return made


@pytest.mark.parametrize("limits", [ServerLimits(sockets=2), ServerLimits(long_requests=2)])
def test_too_much_in_work(app, running, gate, limits):
    """More requests in work than there are sockets, or threads for long ones: one more is told to come again."""
    with running(app, limits) as live, live.connect() as one, live.connect() as two:
        for sock in (one, two):
            sock.sendall(BATCH)
            assert gate.inside.acquire(timeout=20)
        answer = live.talk(BATCH)
        assert (503, True) == (status(answer), b"Retry-After: 1\r\n" in answer)
        if limits.sockets > 2:
            assert 200 == status(live.talk(LAST))
        gate.open()
        assert [422, 422] == [status(sock.recv(1 << 16)) for sock in (one, two)]
        while status(answer) != 422:
            answer = live.talk(BATCH)


def test_large_bodies_share_memory(app, running):
    """Large bodies are let in while there is memory for all of them; small ones always."""
    upload = (
        b"POST /api/image/info/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
    )
    with running(app, ServerLimits(body_bytes=3 << 20)) as live:
        with live.connect() as first:
            first.sendall(upload % (2 << 20))
            first.sendall(b"x")
            assert 200 == status(live.talk(LAST))
            assert 503 == status(live.talk(upload % (2 << 20)))
            assert 422 == status(live.talk(upload.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % 1 + b"x"))
        with live.connect() as again:
            again.sendall(upload % (2 << 20) + b"x" * (2 << 20))
            assert 422 == status(again.recv(1 << 16))


def test_slow_view_keeps_no_thread(app, running):
    """More slow requests than threads wait side by side, and health does not wait for them."""
    with running(app, ServerLimits(quick_threads=1)) as live:
        waiting = [live.connect() for _ in range(8)]
        for sock in waiting:
            sock.sendall(b"GET /api/image/slow/?delay=0.5 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert 200 == status(live.talk(LAST))
        assert [200] * 8 == [status(sock.recv(1 << 16)) for sock in waiting]
        assert "/api/health/" in live.log.first(9)[0]
        for sock in waiting:
            sock.close()


def test_too_many_waiting(app, running):
    """Those that want to be answered later are counted, too."""
    slow = b"GET /api/image/slow/?delay=%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with running(app, ServerLimits(waiting=1, grace_seconds=0.1, last_seconds=0.1)) as live, live.connect() as first:
        first.sendall(slow % b"30")
        assert 200 == status(live.talk(LAST))
        assert 503 == status(live.talk(slow % b"0.1"))


def test_clients_that_leave_early(app, live):
    """Clients that leave, with or without a reset, at any point, cost nothing."""
    for data in (b"", b"GET /", HEALTH, POST + b"Content-Length: 9\r\n\r\n", HEALTH * 50,
                 b"GET /api/image/slow/?delay=0.1 HTTP/1.1\r\nHost: localhost\r\n\r\n"):  # fmt: skip
        for linger in (b"\0" * 8, b"\1\0\0\0\0\0\0\0"):
            sock = live.connect()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            sock.sendall(data)
            sock.close()

    assert 200 == status(live.talk(LAST))


def test_half_closed_clients_get_their_answer(live, until_closed):
    """A client that has said all it had to, and closes its side, is answered."""
    with live.connect() as sock:
        sock.sendall(HEALTH)
        sock.shutdown(socket.SHUT_WR)
        assert 200 == status(until_closed(sock))


def test_log(live):
    """Each request is one line with its id, and what a client has sent cannot act on a terminal."""
    live.get("/a%1b[31m", "X-Request-Id: mine-1")
    live.talk(b"GET /\x1b HTTP/1.1\r\n\r\n")
    live.get("/api/health/", "X-Request-Id: a\x1b[31m")

    lines = live.log.first(3)

    assert '"GET /a%1b[31m HTTP/1.1" 404 ' in lines[0]
    assert lines[0].endswith(" mine-1")
    assert '"-" 400 ' in lines[1]
    assert all(line.isprintable() for line in lines)


def test_stop_finishes_what_is_in_work(app, running, settings):
    """Told to stop, the server takes nobody any more, and answers those who are waiting."""
    with running(app) as live, live.connect() as sock, live.connect() as idle:
        sock.sendall(b"GET /api/image/slow/?delay=0.5 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert 200 == status(live.talk(LAST))
        live.server.stop()
        assert b"" == idle.recv(1)
        answer = sock.recv(1 << 16)
        assert (200, True) == (status(answer), b"Connection: close\r\n" in answer)
        with pytest.raises(OSError, match="refused"):
            live.connect()


def test_stop_tells_batches(app, running, monkeypatch):
    """A batch that would outlast the time of grace is told to end, and answers."""
    inside = threading.Event()

    def wait(*_, **__):
        inside.set()
        assert app.stopping.wait(20)
        raise BadOption("x", 1, "y")

    monkeypatch.setattr("imgpipe.web.batches.read_order", wait)
    with running(app, ServerLimits(grace_seconds=0.1)) as live, live.connect() as sock:
        sock.sendall(BATCH)
        assert inside.wait(20)
        live.server.stop()
        assert 422 == status(sock.recv(1 << 16))


def test_what_does_not_end_is_left(app, gate):
    """A view that nothing can end does not keep the server from ending; it says so."""
    server = Server(app, "127.0.0.1", 0, log=lambda _: None, limits=ServerLimits(grace_seconds=0.05, last_seconds=0.05))
    ended = list[bool]()
    thread = threading.Thread(target=lambda: ended.append(server.serve()))
    thread.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(BATCH)
        assert gate.inside.acquire(timeout=20)
        server.stop()
        thread.join(20)
        gate.open()

    assert [False] == ended


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.org"])
def test_other_addresses_need_a_token(app, host):
    """An address that others can reach is refused as long as there is no token."""
    with pytest.raises(BadOption, match="--token-file"):
        Server(app, host, 0, log=print)


def test_port_that_is_taken(app, live):
    """A port that somebody has is named in the error."""
    with pytest.raises(BadOption, match=f"port: got {live.port}"):
        Server(app, "127.0.0.1", live.port, log=print)


def test_ipv6(app, settings):
    """The other loopback address is as good, where there is one."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        server = Server(app, "::1", 0, log=lambda _: None)
    except BadOption:
        pytest.skip("no IPv6 here")
    thread = threading.Thread(target=server.serve)
    thread.start()
    with socket.create_connection(("::1", server.port), timeout=20) as sock:
        sock.sendall(LAST)
        answer = sock.recv(1 << 16)
    server.stop()
    thread.join()

    assert 200 == status(answer)
    assert f"http://[::1]:{server.port}" == server.url


def test_the_unforeseen_ends_one_connection(live, monkeypatch):
    """An error that nobody has foreseen, on the way to a view, costs that client its connection, and nobody else."""
    monkeypatch.setattr("imgpipe.web.exchange.admit", lambda *_: 1 / 0)
    assert b"" == live.talk(HEALTH)
    monkeypatch.undo()

    assert 200 == status(live.talk(LAST))
    assert any("ZeroDivisionError" in line for line in live.log.lines)


def test_out_of_descriptors(live, monkeypatch):
    """When the process has no descriptor left, the server waits a moment and goes on."""
    accept, refused = socket.socket.accept, list[int]()

    def first_refuse(listener):
        if len(refused) < 2:
            refused.append(1)
            raise OSError(24, "Too many open files")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", first_refuse)

    assert 200 == status(live.talk(LAST))
    assert 2 == len(refused)
