"""HttpTarget: tasks over HTTP, to a real server with a worker in a thread, and to one that follows a script."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from imgpipe.errors import BadOption, ExecutorError, QueueUnavailable, UsageError
from imgpipe.pipeline import Pipeline
from imgpipe.queue.memory import MemoryQueue
from imgpipe.stress import Plan, Report, Stress, report_of, stress
from imgpipe.stress.book import Book
from imgpipe.stress.http_target import HttpTarget
from imgpipe.stress.schedule import bursts
from imgpipe.stress.values import End
from imgpipe.web.app import App
from imgpipe.web.broker import Broker
from imgpipe.web.server import Server
from imgpipe.web.settings import WebSettings
from small_worker import SmallWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BURST = Plan(kind="burst", arrivals="", moments=bursts(6), drain_seconds=20.0)
TOKEN = "0123456789abcdef"


def run(url: str, *filters: str, token: str | None = None, images: tuple[str, ...] = ("a.jpg", "b.jpg")) -> Report:
    """Send six tasks and return the report."""
    book = Book()
    target = HttpTarget(url, token, [Pipeline.parse(text) for text in filters or ("resize:8x8",)], images, book)
    return report_of(stress(Stress(BURST, target, book, ""), threading.Event()))


@contextmanager
def serving(server: Any, serve: Callable[[], object], stop: Callable[[], None]) -> Iterator[str]:
    """Run a server in a thread, and give its address."""
    thread = threading.Thread(target=serve, name="server")
    thread.start()
    try:
        yield server
    finally:
        stop()
        thread.join()


@pytest.fixture
def real(tmp_path, picture_file) -> Iterator[str]:
    """Return the address of a server that wants a token, with a queue in memory and a worker."""
    for name in ("a.jpg", "b.jpg"):
        picture_file(tmp_path / "images", name)
    settings = WebSettings(images=str(tmp_path / "images"), processed=str(tmp_path / "processed"), token=TOKEN)
    queue = MemoryQueue()
    server = Server(App(settings, Broker(queue)), "127.0.0.1", 0, log=lambda _line: None)
    with SmallWorker(queue), serving(server, server.serve, server.stop):
        yield server.url


def test_tasks_come_back(real):
    """All are done, by both pipelines, with the time that the worker needed and how exactly the end is known."""
    report = run(real, "resize:8x8", "sharpen", token=TOKEN)

    assert (6, 6, 6) == (report.ends[End.DONE], report.total.count, report.service.count)
    assert report.run.resolution_seconds > 0
    assert (None, None) == (report.run.account, report.utilization)


def test_a_wrong_token_is_told(real):
    """Before anything is sent."""
    with pytest.raises(UsageError, match="refuses: 401"):
        run(real, token="fedcba9876543210")


def test_a_picture_that_is_not_there_is_refused(real):
    """The server's own code stands in the report."""
    report = run(real, token=TOKEN, images=("none.jpg",))

    assert {"404 not-found": 6} == report.codes[End.REFUSED]
    assert "INVALID" == report.verdict.word


def test_nobody_answers():
    """It is said what to start."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(QueueUnavailable, match="imgpipe serve"):
        run(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://"])
def test_what_is_no_address(url):
    """The message shows what one looks like."""
    with pytest.raises(BadOption, match=r"http://127\.0\.0\.1:8000"):
        run(url)


class Script(http.server.ThreadingHTTPServer):
    """A server that gives for each task the answers of a list, one after the other, the last one for ever."""

    daemon_threads = False

    def __init__(self, *answers: tuple[int, dict[str, Any]]) -> None:
        self.answers = answers
        self.asked: dict[str, int] = {}
        self.deleted: list[str] = []
        self.keys: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the script says."""

    server: Script
    protocol_version = "HTTP/1.0"  # each connection ends with its answer, so that each request needs a new one

    def do_GET(self) -> None:
        """Answer for a task, and that everything is well for the rest."""
        if not self.path.endswith("/status/"):
            self._answer(200, {"items": [{"elapsed_s": 0.25}, {"elapsed_s": 0.5}]})
            return
        count = self.server.asked.get(self.path, 0)
        self.server.asked[self.path] = count + 1
        self._answer(*self.server.answers[min(count, len(self.server.answers) - 1)])

    def do_POST(self) -> None:
        """Take a task under the name of its key."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(self.headers["Idempotency-Key"])
        self._answer(202, {"task_id": self.headers["Idempotency-Key"]})

    def do_DELETE(self) -> None:
        """Note that a task was cancelled."""
        self.server.deleted.append(self.path)
        self._answer(202, {})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def scripted(*answers: tuple[int, dict[str, Any]]) -> tuple[Script, Report]:
    """Send six tasks to a server with a script."""
    server = Script(*answers)
    with server, serving(server, server.serve_forever, server.shutdown):
        return server, run(server.url)


@pytest.mark.parametrize(
    ("status", "end"),
    [("completed", End.DONE), ("failed", End.FAILED), ("partial", End.FAILED), ("lost", End.LOST),
     ("cancelled", End.LOST)],
)  # fmt: skip
def test_ends_are_told_apart(status, end):
    """A job's failure is not a worker's; waiting goes on through answers that are no end, and through a busy server."""
    server, report = scripted((200, {"status": "pending"}), (503, {}), (429, {}),
                              (200, {"status": status, "failure_reason": "why"}))  # fmt: skip

    assert 6 == report.ends[end]
    assert {4} == set(server.asked.values())
    assert 6 == len(set(server.keys))
    assert [] == server.deleted


def test_service_is_what_the_pictures_took():
    """One picture after the other."""
    _, report = scripted((200, {"status": "completed"}))

    assert 0.75 == pytest.approx(report.service.mean)


def test_a_task_that_the_server_has_forgotten_ends_the_run():
    """There is nothing to be measured; what is left is cancelled."""
    with pytest.raises(ExecutorError, match=r"knows nothing of task .*: 410"):
        scripted((410, {"code": "gone"}))
