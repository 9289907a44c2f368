"""check: whether the queue and the server are there, and what is wrong with them."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from imgpipe.queue.redis import RedisQueue
from imgpipe.queue.values import Item, JobSpec, WorkerSpec
from imgpipe.web.app import App
from imgpipe.web.server import Server
from imgpipe.web.settings import WebSettings
from imgpipe_cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.queue.base import TaskQueue

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def queue(redis_url) -> Iterator[TaskQueue]:
    """Return an empty queue."""
    queue = RedisQueue(redis_url)
    yield queue
    queue.close()


@pytest.fixture
def serving() -> Iterator[Callable[[bytes], str]]:
    """Return a function that serves an answer to every request, and returns the URL."""
    servers = []

    def serve(body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_empty_queue_is_fine(queue, redis_url, capfd):
    """The server says who it is and how quick, the workers are counted."""
    assert 0 == main(["check", "--redis", redis_url])
    first, second = capfd.readouterr().out.splitlines()
    assert first.startswith("ok    redis    Redis 6.")
    assert " ms" in first
    assert "ok    workers  0 workers with 0 slots; 0 pictures wait" == second


def test_tasks_that_nobody_can_take(queue, redis_url, capfd):
    """The queue is there, but cannot do its work: code 7."""
    queue.create(JobSpec(id="job", needs=frozenset({"cpu"})))
    queue.submit("job", [Item(0, b"x")])
    queue.register(WorkerSpec(id="w", name="w", labels=frozenset({"io"}), slots=3), 15.0)

    assert 7 == main(["check", "--redis", redis_url])
    expected = "fail  workers  1 workers with 3 slots; 1 pictures wait; nobody can take the 1 that need cpu"
    assert expected == capfd.readouterr().out.splitlines()[1]


@pytest.mark.parametrize("arguments", [["--redis", NOBODY], ["--api", "http://127.0.0.1:1"]])
def test_nobody_answers(arguments, capfd):
    """Code 5, and what to do."""
    assert 5 == main(["check", *arguments])
    out = capfd.readouterr().out
    assert out.startswith("fail")
    assert "imgpipe up" in out or "imgpipe serve" in out


def test_json(redis_url, capfd):
    """Every check says whether it is well, and whether it was reached."""
    assert 5 == main(["check", "--redis", redis_url, "--api", "http://127.0.0.1:1", "--json"])
    data = json.loads(capfd.readouterr().out)
    assert ("imgpipe.check/1", False) == (data["schema"], data["ok"])
    assert [("redis", True, True), ("workers", True, True), ("api", False, False)] == [
        (entry["name"], entry["ok"], entry["reached"]) for entry in data["checks"]
    ]


def test_healthy_server(serving, capfd):
    """Its version is shown."""
    url = serving(b'{"status": "healthy", "version": "0.1.0", "checks": {"disk": {"ok": true}}}')

    assert 0 == main(["check", "--api", url + "/"])
    assert "ok    api      healthy, version 0.1.0\n" == capfd.readouterr().out


def test_server_with_a_token(tmp_path, capfd):
    """Who has it in a file may ask."""
    (tmp_path / "token").write_text("a" * 16)
    settings = WebSettings(images=str(tmp_path / "in"), processed=str(tmp_path / "out"), token="a" * 16)
    with closing(App(settings)) as app:
        server = Server(app, "127.0.0.1", 0, log=lambda _line: None)
        thread = threading.Thread(target=server.serve)
        thread.start()
        codes = [
            main(["check", "--api", server.url, *more]) for more in ([], ["--token-file", str(tmp_path / "token")])
        ]
        server.stop()
        thread.join()

    assert [5, 7] == codes
    first, second = capfd.readouterr().out.splitlines()
    assert "401" in first
    assert "degraded" in second


def test_degraded_server(serving, capfd):
    """What is wrong is named."""
    url = serving(b'{"status": "degraded", "version": "1", "checks": {"disk": {"ok": false}, "images": {"ok": true}}}')

    assert 7 == main(["check", "--api", url])
    assert "fail  api      degraded, version 1; wrong: disk\n" == capfd.readouterr().out


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff", b"3", b'{"checks": 3}', b'{"checks": {"disk": 3}}'])
def test_server_that_is_another_one(serving, capfd, body):
    """An answer of something else is no answer."""
    assert 5 == main(["check", "--api", serving(body)])
    assert "does not answer" in capfd.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["--api", "ftp://x"], ["--api", "file:///etc/passwd"], ["--redis", NOBODY, "--token-file", "t"]]
)
def test_what_cannot_be_checked(arguments, capfd):
    """It says what can."""
    assert 2 == main(["check", *arguments])
    assert "expected" in capfd.readouterr().err
