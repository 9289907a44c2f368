"""Events: what a stream says, what it costs a server that sends it, and what ends it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from imgpipe.web.app import MOST_STREAMS
from imgpipe.web.http import Piece, Response, Stream
from imgpipe.web.problems import Refused
from imgpipe.web.views import events as view
from imgpipe.web.wire import Head, read_request

BLUR = {"filters": ["blur"]}


@pytest.fixture
def task_id(ask) -> str:
    """Return the id of a task of three pictures."""
    answer = ask("POST", "/api/process-batch/distributed/", body=BLUR)
    return str(answer.data["task_id"])


def open_stream(app, task_id, last="") -> Stream:
    """Ask for the events of a task, and return the stream of them, of which nothing was asked yet."""
    headers = {"host": "localhost", **({"last-event-id": last} if last else {})}
    request = read_request(Head("GET", f"/api/task/{task_id}/events/", (1, 1), headers), peer="")
    response = view.events(replace(request, variables={"id": task_id}), app)
    assert isinstance(response.body, Stream)
    return response.body


def said(piece: Piece) -> list[tuple[str, str, Any]]:
    """Return the events of a piece: kind, id and data."""
    parts = [dict(line.split(": ", 1) for line in text.split("\n")) for text in piece.data.decode().split("\n\n")[:-1]]
    return [(part["event"], part["id"], json.loads(part["data"])) for part in parts]


def test_from_the_beginning_to_the_end(app, task_id, worker):
    """First comes how it is, then how it goes on, each time a second later, at last that it is over."""
    stream = open_stream(app, task_id)
    first = next(stream.pieces)
    worker.step()
    second = next(stream.pieces)
    nothing = next(stream.pieces)
    while worker.step():
        pass
    last = next(stream.pieces)

    assert [("progress", "0")] == [event[:2] for event in said(first)]
    assert [("progress", "1")] == [event[:2] for event in said(second)]
    assert Piece(b"", 1.0) == nothing
    ((kind, number, data),) = said(last)
    assert ("done", "done", "completed") == (kind, number, data["status"])
    assert None is next(stream.pieces, None)
    stream.close()


def test_failed_pictures_are_told_of_at_once(app, task_id, queue, worker):
    """Each picture that fails is an event of its own, with its result."""
    from imgpipe.queue.values import Settled, Verdict

    stream = open_stream(app, task_id)
    next(stream.pieces)
    queue.finish("worker-1:1", [Settled(worker.claim(), Verdict.FAILED, b"", "UNREADABLE")])
    (kind, number, item), (progress, _, data) = said(next(stream.pieces))
    stream.close()

    assert ("item-failed", "1", "cat.jpg", "unreadable") == (kind, number, item["input"], item["error"]["code"])
    assert ("progress", 1) == (progress, data["progress"]["failed"])


def test_a_reader_that_comes_back_goes_on(app, task_id, queue, worker):
    """What was told before is not told again to who says where it stopped; who does not hears all of it."""
    from imgpipe.queue.values import Settled, Verdict

    queue.finish("worker-1:1", [Settled(worker.claim(), Verdict.FAILED, b"", "UNREADABLE")])
    kinds = []
    for last in ("", "1", "nonsense"):
        stream = open_stream(app, task_id, last)
        kinds.append([kind for kind, _, _ in said(next(stream.pieces))])
        stream.close()

    assert [["item-failed", "progress"], ["progress"], ["item-failed", "progress"]] == kinds


def test_a_browser_that_has_had_all_is_sent_away(ask, task_id):
    """A browser comes back when a stream ends; 204 tells it not to."""
    answer = ask("GET", f"/api/task/{task_id}/events/", last_event_id="done")

    assert (204, b"") == (answer.status, answer.body)


def test_over_before_it_begins(ask, task_id, worker):
    """The stream of a task that is over is one event long."""
    while worker.step():
        pass
    answer = ask("GET", f"/api/task/{task_id}/events/")

    assert "text/event-stream" == answer.headers["content-type"]
    assert ["done"] == [kind for kind, _, _ in said(Piece(answer.body))]


def test_a_task_that_is_forgotten_meanwhile(app, task_id, queue, worker):
    """When there is no such task any more, the stream says so and ends."""
    stream = open_stream(app, task_id)
    next(stream.pieces)
    queue.control(task_id, "cancel")
    queue.purge(task_id)

    assert [("gone", "done")] == [event[:2] for event in said(next(stream.pieces))]
    assert None is next(stream.pieces, None)
    stream.close()


def test_a_queue_that_is_away_meanwhile(app, task_id, queue, worker, monkeypatch):
    """A queue that does not answer is waited for."""

    def refuse(_job):
        raise Refused(503, "redis-unavailable", "away")

    stream = open_stream(app, task_id)
    with monkeypatch.context() as patch:
        patch.setattr(queue, "status", refuse)
        away = next(stream.pieces)
    back = next(stream.pieces)
    stream.close()

    assert (Piece(b"", 1.0), "progress") == (away, said(back)[0][0])


def test_something_is_said_now_and_then(app, task_id, monkeypatch):
    """Where nothing happens, a comment keeps what lies between from taking the connection for dead."""
    monkeypatch.setattr(view, "_COMMENT_SECONDS", 0.0)
    stream = open_stream(app, task_id)
    next(stream.pieces)
    quiet = next(stream.pieces)
    stream.close()

    assert b": nothing new\n\n" == quiet.data


def test_streams_are_few(app, ask, task_id):
    """No more than so many are open at once; one that is closed, though it never began, makes room for another."""
    streams = [open_stream(app, task_id) for _ in range(MOST_STREAMS)]
    refused = ask("GET", f"/api/task/{task_id}/events/")
    streams.pop().close()
    streams.append(open_stream(app, task_id))
    for stream in streams:
        stream.close()

    assert (503, "busy", "10") == (refused.status, refused.data["code"], refused.headers["retry-after"])


# -- over sockets -----------------------------------------------------------------------------------------------------


class Counted:
    """A stream of numbers, which knows whether it was closed."""

    def __init__(self, seconds: float, most: int = 1000) -> None:
        self.closed = threading.Event()
        self.asked = threading.Event()
        self.stream = Stream(pieces=self._pieces(seconds, most), close=self.closed.set)

    def _pieces(self, seconds, most):
        for number in range(most):
            self.asked.set()
            yield Piece(b"%d\n" % number, seconds)


@pytest.fixture
def counted(monkeypatch):
    """Return a function that makes the events of every task such a stream."""
    from imgpipe.web import routes

    def make(seconds, most=1000) -> Counted:
        made = Counted(seconds, most)
        changed = tuple(
            replace(route, view=lambda *_: Response(body=made.stream)) if route.path.endswith("/events/") else route
            for route in routes.ROUTES
        )
        monkeypatch.setattr(routes, "ROUTES", changed)
        return made

    return make


def test_a_stream_ends_with_the_connection(live, counted):
    """Nobody knows its length before; so there is none in the head, and the end is the end of the connection."""
    made = counted(0.01, most=5)
    head, _, body = live.get("/api/task/x/events/").partition(b"\r\n\r\n")

    assert b"0\n1\n2\n3\n4\n" == body
    assert b"Content-Length" not in head
    assert b"Connection: close" in head
    assert made.closed.wait(5)
    assert '"GET /api/task/x/events/ HTTP/1.1" 200' in live.log.first(1)[0]


def test_head_of_a_stream(live, counted):
    """HEAD opens none."""
    made = counted(0.01)

    assert live.get("/api/task/x/events/", method="HEAD").endswith(b"\r\n\r\n")
    assert made.closed.wait(5)
    assert not made.asked.is_set()


def test_a_client_that_leaves_ends_its_stream(live, counted):
    """The server hears it at once, and not when it has something to say the next time."""
    made = counted(1000.0)
    with live.connect() as sock:
        sock.sendall(b"GET /api/task/x/events/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(1)
        assert made.asked.wait(5)

    assert made.closed.wait(5)


def test_a_client_that_talks_is_heard_afterwards(live, counted):
    """What comes in during a stream is no reason to end it, nor to be busy with it."""
    made = counted(0.05, most=6)
    with live.connect() as sock:
        sock.sendall(b"GET /api/task/x/events/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(1)
        sock.sendall(b"x" * 1000)
        data = b""
        while b"5\n" not in data:
            data += sock.recv(1000)

    assert made.closed.wait(5)


def test_a_client_that_takes_nothing_ends_its_stream(live, counted, monkeypatch):
    """Who does not take what is sent to it has as long for it as for any other answer."""
    made = counted(0.0)
    made.stream = replace(made.stream, pieces=iter(Piece(b"x" * (1 << 20)) for _ in range(1000)))
    with live.connect() as sock:
        sock.sendall(b"GET /api/task/x/events/ HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert made.closed.wait(10)


def test_the_end_of_the_server_ends_streams(app, running, counted, until_closed):
    """A server that is to stop does not wait for streams."""
    made = counted(1000.0)
    with running(app) as live:
        sock = live.connect()
        sock.sendall(b"GET /api/task/x/events/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(1)
        assert made.asked.wait(5)
        live.server.stop()
        data = until_closed(sock)
        sock.close()

    assert data.endswith(b"0\n")
    assert made.closed.is_set()


def test_streams_and_long_polls_keep_no_thread(app, running, task_id):
    """With more of them open than there are threads, everybody else is answered all the same."""
    from imgpipe.web.limits import ServerLimits

    with running(app, ServerLimits(queue_threads=1, quick_threads=1)) as live:
        socks = [live.connect() for _ in range(20)]
        for number, sock in enumerate(socks):
            what = "events/" if number < 10 else "status/?wait=30"
            sock.sendall(f"GET /api/task/{task_id}/{what} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for sock in socks[:10]:
            assert sock.recv(1)
        for target in ("/api/health/", f"/api/task/{task_id}/status/"):
            assert b"200 OK" in live.get(target)
        for sock in socks:
            sock.close()
