"""Fixtures for the endpoints: a server's folders, a way to ask without sockets, and a server to ask over them."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from imgpipe.queue.memory import MemoryQueue
from imgpipe.web.app import App, Later
from imgpipe.web.broker import Broker
from imgpipe.web.dispatch import admit, answer, finish
from imgpipe.web.folders import prepare
from imgpipe.web.http import FilePart, Response, Stream
from imgpipe.web.limits import ServerLimits
from imgpipe.web.server import Server
from imgpipe.web.settings import WebSettings
from imgpipe.web.wire import Head, read_request
from manual_clock import ManualClock
from small_worker import SmallWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_SECONDS = 20.0


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory) -> Path:
    """Return an image folder with the sample, painted once: it takes longer than most of these tests."""
    folder: Path = tmp_path_factory.mktemp("sample")
    prepare(WebSettings(images=str(folder / "images"), processed=str(folder / "processed")), size=(320, 180))
    return folder / "images"


@pytest.fixture
def settings(tmp_path, picture_file, sample_folder) -> WebSettings:
    """Return settings with an image folder of three small pictures, the sample among them."""
    shutil.copytree(sample_folder, tmp_path / "images")
    picture_file(tmp_path / "images", "cat.jpg")
    picture_file(tmp_path / "images" / "more", "dog.png", mode="RGBA")
    made = WebSettings(images=str(tmp_path / "images"), processed=str(tmp_path / "processed"))
    prepare(made)
    return made


@pytest.fixture
def clock() -> ManualClock:
    """Return the clock of the queue."""
    return ManualClock()


@pytest.fixture
def queue(clock) -> MemoryQueue:
    """Return the queue behind the server."""
    return MemoryQueue(clock)


@pytest.fixture
def app(settings, queue) -> Iterator[App]:
    """Return an app over those folders and that queue."""
    made = App(settings, Broker(queue))
    yield made
    made.close()


@pytest.fixture
def worker(queue) -> SmallWorker:
    """Return a worker that can run everything, and does when the test says so."""
    return SmallWorker(queue)


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end. `waited_seconds` is how long it was put off."""

    status: int
    headers: dict[str, str]
    body: bytes
    waited_seconds: float = 0.0

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Ask(Protocol):
    """Sends a request past all sockets."""

    def __call__(
        self, method: str, target: str, *, body: bytes | dict[str, Any] = ..., peer: str = ..., **headers: str
    ) -> Answer:
        """Answer it; an underscore in a header's name stands for a dash. A dict becomes a body of JSON."""


@pytest.fixture
def ask(app) -> Ask:
    """Return a function that sends the app a request."""
    return asking(app)


def asking(app: App, log: Callable[[str], None] = lambda _line: None) -> Ask:
    """Return the function for one app."""

    def ask(
        method: str, target: str, *, body: bytes | dict[str, Any] = b"", peer: str = "127.0.0.1", **headers: str
    ) -> Answer:
        sent = {"host": "localhost:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            sent = {"content-type": "application/json", **sent}
        if body or method == "POST":
            sent = {"content-length": str(len(body)), **sent}
        request = read_request(Head(method, target, (1, 1), sent), peer=peer)
        admitted = admit(request, app)
        if isinstance(admitted, Response):
            return _read(finish(admitted, request, app))
        request, route = admitted
        response = answer(replace(request, body=body), route.view, app, log)
        waited = 0.0
        while isinstance(response, Later):
            waited += response.seconds
            response = answer(replace(request, body=body), response.view, app, log)
        return _read(finish(response, request, app), waited)

    return ask


def _read(response: Response, waited: float = 0.0) -> Answer:
    body = response.body
    if isinstance(body, FilePart):
        with body.file as file:
            file.seek(body.start)
            body = file.read(body.length)
    elif isinstance(body, Stream):
        stream, body = body, b"".join(piece.data for piece in body.pieces)
        stream.close()
    return Answer(response.status, {name.lower(): value for name, value in response.headers}, body, waited)


class Log:
    """The lines that a server has logged, and a way to wait for them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def add(self, line: str) -> None:
        """Take a line."""
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def first(self, count: int) -> list[str]:
        """Return the first lines, when they are there."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.lines) >= count, PATIENCE_SECONDS)
            return self.lines[:count]


@dataclass
class Live:
    """A server that runs in a thread."""

    server: Server
    log: Log

    @property
    def port(self) -> int:
        """The port that it has got."""
        return self.server.port

    def connect(self) -> socket.socket:
        """Open a connection that gives up after a while."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def talk(self, data: bytes) -> bytes:
        """Send bytes and return what comes until the server closes."""
        with self.connect() as sock:
            sock.sendall(data)
            return until_closed(sock)

    def get(self, target: str, *headers: str, method: str = "GET") -> bytes:
        """Send one request without a body and return all of the answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
        return self.talk("\r\n".join(lines).encode("latin-1"))


def until_closed(sock: socket.socket) -> bytes:
    """Return what comes until the other end closes, in whatever way."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := sock.recv(1 << 16):
            data += piece
    return data


def one_answer(sock: socket.socket) -> bytes:
    """Return one answer with its body, on a connection that stays open."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
    while len(body) < length:
        body += _some(sock)
    assert len(body) == length
    return head + b"\r\n\r\n" + body


def _some(sock: socket.socket) -> bytes:
    piece = sock.recv(1)
    assert piece, "the server has closed the connection"
    return piece


@contextmanager
def running(app: App, limits: ServerLimits | None = None) -> Iterator[Live]:
    """Run a server for an app in a thread; at the end, it has to stop by itself."""
    log = Log()
    server = Server(app, "127.0.0.1", 0, log=log.add, limits=limits)
    thread = threading.Thread(target=server.serve, name="server")
    thread.start()
    try:
        yield Live(server, log)
    finally:
        server.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


@pytest.fixture
def live(app) -> Iterator[Live]:
    """Return a running server with short times, so that tests of them are short as well."""
    with running(app, QUICK) as server:
        yield server


QUICK = ServerLimits(
    head_seconds=0.6,
    body_seconds=0.6,
    idle_seconds=0.6,
    linger_seconds=0.2,
    stall_seconds=0.6,
    grace_seconds=5.0,
    last_seconds=2.0,
)


@pytest.fixture(name="running")
def running_fixture() -> Callable[..., Any]:
    """Return what runs a server with limits of the test's own."""
    return running


@pytest.fixture(name="asking")
def asking_fixture() -> Callable[..., Ask]:
    """Return what makes an `ask` for another app."""
    return asking


@pytest.fixture(name="one_answer")
def one_answer_fixture() -> Callable[[socket.socket], bytes]:
    """Return what reads one answer of several."""
    return one_answer


@pytest.fixture(name="until_closed")
def until_closed_fixture() -> Callable[[socket.socket], bytes]:
    """Return what reads until the server closes."""
    return until_closed
