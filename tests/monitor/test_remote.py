"""Remote and port: what a run or a server hands out arrives at another process, and nobody gets more than that."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from fleet_samples import SNAPSHOT
from imgpipe.errors import BadOption, QueueUnavailable
from imgpipe.monitor.document import to_data
from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.redis import RedisQueue
from imgpipe.queue.values import JobSpec
from imgpipe.web.app import App
from imgpipe.web.broker import Broker
from imgpipe.web.server import Server
from imgpipe.web.settings import WebSettings
from imgpipe_cli.dashboard.local import LocalRun
from imgpipe_cli.dashboard.port import LocalBroker, redis_broker, serving
from imgpipe_cli.dashboard.remote import Remote
from running_tasks import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = "http://127.0.0.1:1"


@contextmanager
def somebody(body: bytes, status: int = 200) -> Iterator[str]:
    """Answer every request with this for the `with` block; gives the address, and the paths that were asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            if self.path.endswith("/api/metrics/"):
                self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def port() -> Iterator[str]:
    """Return the address of a run that waits for its first result."""
    run = LocalRun("small", 9, recipe("resize:8x8"), 2)
    with serving(LocalBroker(run), 0) as url:
        yield url


def asked(url: str, path: str, method: str = "GET", host: str = "localhost") -> tuple[int, bytes]:
    """Ask for something else than a snapshot."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


@pytest.mark.parametrize("end", ["", "/", "/behind/a/proxy/"])
def test_document_arrives_as_it_was(end):
    """The path before it is kept."""
    with somebody(json.dumps(to_data(SNAPSHOT)).encode()) as url:
        assert SNAPSHOT == Remote(url + end).take()


def test_run_tells_of_itself(port):
    """With the shares of cores, which are only known between two looks."""
    snapshot = Remote(port).take()

    assert ("local", "small", 9) == (snapshot.source, snapshot.runs[0].id, snapshot.runs[0].total)
    assert any(host.cpu_of_quota is not None for host in snapshot.hosts)


def test_run_tells_prometheus(port):
    """The names are those of a queue."""
    status, data = asked(port, "/metrics")

    assert 200 == status
    assert b'imgpipe_jobs_ready{capability="io"} 9.0\n' in data


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 404), ("/api/process-batch/sequential/", "POST", 404), ("/api/image/info/", "POST", 404),
        ("/api/stats/", "GET", 404), ("/api/metrics/", "POST", 405), ("/metrics?format=x", "GET", 422),
    ],
)  # fmt: skip
def test_run_does_nothing_else(port, path, method, status):
    """The port is for looking: nobody can have pictures processed, or read."""
    assert status == asked(port, path, method)[0]


def test_web_sites_learn_nothing(port):
    """A name that points to this machine is not its name."""
    assert 403 == asked(port, "/api/metrics/", host="evil.example")[0]


def test_port_closes_with_the_run(port):
    """What is asked for later is not there, and it is said that it may be over."""
    run = LocalRun("small", 9, recipe("resize:8x8"), 2)
    with serving(LocalBroker(run), 0) as url:
        remote = Remote(url)
        first = remote.take()
    with pytest.raises(QueueUnavailable, match="may be over"):
        remote.take()

    assert 9 == first.runs[0].total


def test_port_that_is_taken(port):
    """Another run has it; 0 would take a free one."""
    run = LocalRun("small", 9, recipe("resize:8x8"), 2)
    with pytest.raises(BadOption, match="0 for any"), serving(LocalBroker(run), int(port.rpartition(":")[2])):
        pass


def test_run_on_a_queue_tells_of_the_queue(redis_url):
    """It knows more than the run does."""
    queue = RedisQueue(redis_url)
    queue.create(JobSpec(id="thumbs"))
    with redis_broker(redis_url, "default") as broker, serving(broker, 0) as url:
        snapshot = Remote(url).take()
    queue.close()

    assert ("redis", ["thumbs"]) == (snapshot.source, [run.id for run in snapshot.runs])
    assert snapshot.redis is not None


def test_embedded_queue_has_no_port():
    """It says what has."""
    with pytest.raises(BadOption, match="imgpipe up"), redis_broker("embedded", "default"):
        pass


def test_server_with_a_token(tmp_path):
    """Who knows it sees; who does not is told."""
    token = "a" * 16
    settings = WebSettings(images=str(tmp_path / "in"), processed=str(tmp_path / "out"), token=token)
    app = App(settings, Broker(MemoryQueue()))
    server = Server(app, "127.0.0.1", 0, log=lambda _line: None)
    thread = threading.Thread(target=server.serve)
    thread.start()
    snapshot = Remote(server.url, token).take()
    with pytest.raises(BadOption, match="token-file"):
        Remote(server.url).take()
    server.stop()
    thread.join()
    app.close()

    assert "memory" == snapshot.source


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>", 200), (b"[]", 200), (b"\xff", 200), (b'{"schema": "x"}', 200), (b"", 404), (b"[" * 100_000, 200)],
)
def test_somebody_else_answers(body, status):
    """It is said what is wanted, and what came."""
    with somebody(body, status) as url, pytest.raises(BadOption, match=f"it answers {status}"):
        Remote(url).take()


@pytest.mark.parametrize(("body", "words"), [(b'{"detail": "Redis is away"}', "Redis is away"), (b"[]", "status 503")])
def test_server_whose_queue_is_away(body, words):
    """That may pass: whoever watches tries again."""
    with somebody(body, 503) as url, pytest.raises(QueueUnavailable, match=words):
        Remote(url).take()


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://host", "http://", "http://host:99999", "http://host:x"])
def test_address_that_is_none(url):
    """It is refused before anything is asked."""
    with pytest.raises(BadOption, match="the address of a server"):
        Remote(url)


def test_nobody_answers():
    """It is said who does not."""
    with pytest.raises(QueueUnavailable, match=NOBODY):
        Remote(NOBODY).take()
