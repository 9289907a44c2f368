"""Wsgi: the same endpoints under gunicorn and waitress, with settings from the environment."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imgpipe.web.app import MOST_STREAMS
from imgpipe.web.wsgi import Application

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = {
    "gunicorn": ["gunicorn", "--bind", "127.0.0.1:0", "--threads", "2", "--no-control-socket"],
    "waitress": ["waitress", "--listen", "127.0.0.1:0"],
}
BATCH = "/api/process-batch/multiprocessing/"
TASK = "/api/process-batch/distributed/"


@contextmanager
def served(name: str, **environment: str) -> Iterator[int]:
    """Run the application under a server, and give the port that it has got."""
    command = [sys.executable, "-m", *COMMANDS[name], "imgpipe.web.wsgi:application"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stdout is not None
        try:
            seen = []
            while line := process.stdout.readline():
                seen.append(line)
                if match := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                    yield int(match[1])
                    break
            else:
                pytest.fail("".join(seen))
        finally:
            process.terminate()
            process.communicate(timeout=20)


def fetch(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Send one request and return status, headers and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body or None, {name.replace("_", "-"): text for name, text in headers.items()})
    answer = connection.getresponse()
    found = answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
    connection.close()
    return found


@pytest.mark.skipif(os.name != "posix", reason="gunicorn is for POSIX")
@pytest.mark.parametrize("name", COMMANDS)
def test_under(name, settings):
    """Pictures, parts of them, batches and problems come as they do from the server of our own."""
    content = Path(settings.images, "sample_4k.jpg").read_bytes()
    with served(name, IMGPIPE_IMAGES=settings.images, IMGPIPE_PROCESSED=settings.processed) as port:
        assert (200, content) == (whole := fetch(port, "GET", "/api/image/4k/"))[::2]
        assert str(len(content)) == whole[1]["content-length"]
        assert (200, b"") == (head := fetch(port, "HEAD", "/api/image/4k/"))[::2]
        assert str(len(content)) == head[1]["content-length"]
        assert (206, content[5:10]) == fetch(port, "GET", "/api/image/4k", range="bytes=5-9")[::2]
        assert (304, b"") == fetch(port, "GET", "/api/image/4k/", if_none_match=whole[1]["etag"])[::2]
        assert content == fetch(port, "GET", "/api/image/slow/?delay=0.1")[2]
        assert 200 == fetch(port, "POST", "/api/image/info/", content, content_type="image/jpeg")[0]
        body = json.dumps({"filters": ["blur"]}).encode()
        status, headers, answer = fetch(port, "POST", BATCH, body, content_type="application/json", x_request_id="me")
        assert (200, "me", 3) == (status, headers["x-request-id"], json.loads(answer)["succeeded"])
        task = json.loads(fetch(port, "POST", TASK, body, content_type="application/json")[2])
        assert "completed" == json.loads(fetch(port, "GET", f"{task['status_url']}?wait=20")[2])["status"]
        assert b"event: done" in fetch(port, "GET", task["events_url"])[2]
        assert 403 == fetch(port, "GET", "/api/health/", host="evil.example")[0]
        assert 415 == fetch(port, "POST", BATCH, body, content_type="text/plain")[0]
        status, headers, answer = fetch(port, "GET", "/nothing")
        assert (404, "application/problem+json", "not-found") == (
            status, headers["content-type"], json.loads(answer)["code"],
        )  # fmt: skip


def call(app: Any, **environ: Any) -> tuple[str, dict[str, str], bytes]:
    """Call an application as a server does."""
    told: list[Any] = []
    whole = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/api/health/", "QUERY_STRING": "", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), **environ,
    }  # fmt: skip
    pieces = Application(app)(whole, lambda status, headers: told.extend([status, dict(headers)]))
    body = b"".join(pieces)
    getattr(pieces, "close", lambda: None)()
    return told[0], told[1], body


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({}, "200 OK"),
        ({"PATH_INFO": ""}, "200 OK"),
        ({"PATH_INFO": "/\xff"}, "400 Bad Request"),
        ({"QUERY_STRING": "a=%ff"}, "400 Bad Request"),
        ({"CONTENT_LENGTH": "+5"}, "400 Bad Request"),
        ({"REMOTE_ADDR": "203.0.113.5"}, "403 Forbidden"),
        ({"REQUEST_METHOD": "POST"}, "405 Method Not Allowed"),
        ({"REQUEST_METHOD": "POST", "PATH_INFO": BATCH, "CONTENT_TYPE": "application/json"}, "411 Length Required"),
        (
            {"REQUEST_METHOD": "POST", "PATH_INFO": BATCH, "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": "5"},
            "400 Bad Request",
        ),
    ],
)
def test_called(app, environ, status):
    """What a server passes on is looked at as closely as what comes over our own sockets."""
    got, headers, body = call(app, **environ)

    assert status == got
    assert headers["X-Request-Id"]
    assert str(len(body)) == headers["Content-Length"]


def test_file_is_closed_when_the_client_has_gone(app):
    """A server that stops reading in between closes the file."""
    pieces = Application(app)(
        {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/image/4k/", "wsgi.errors": io.StringIO(),
         "wsgi.input": io.BytesIO()}, lambda *_: None,
    )  # fmt: skip
    next(iter(pieces))
    pieces.close()  # type: ignore[attr-defined]  # as WSGI has it: where there is one, it is called

    assert pieces._body.file.closed  # type: ignore[attr-defined]  # nothing but the file itself tells


def test_streams(app, ask, worker):
    """A stream has no length, and is closed when it has ended."""
    task = ask("POST", TASK, body={"filters": ["blur"]}).data
    while worker.step():
        pass
    status, headers, body = call(app, PATH_INFO=task["events_url"])

    assert ("200 OK", None) == (status, headers.get("Content-Length"))
    assert b"event: done" in body
    assert MOST_STREAMS == app.streams._value


def test_queue_on_redis(redis_url, settings):
    """IMGPIPE_REDIS makes several processes one server: what one has been given, the other one knows."""
    environment = {"IMGPIPE_IMAGES": settings.images, "IMGPIPE_PROCESSED": settings.processed,
                   "IMGPIPE_REDIS": redis_url, "IMGPIPE_NAMESPACE": "wsgi"}  # fmt: skip
    body = json.dumps({"filters": ["blur"]}).encode()
    with served("waitress", **environment) as one, served("waitress", **environment) as other:
        task = json.loads(fetch(one, "POST", TASK, body, content_type="application/json")[2])
        found = json.loads(fetch(other, "GET", task["status_url"])[2])

    assert ("redis", "pending") == (task["queue"], found["status"])


def test_nothing_is_read_at_import():
    """Importing the module reads no environment, makes no folder and starts no thread."""
    program = (
        "import os, threading; before = set(os.listdir()); import imgpipe.web.wsgi as w;"
        "print(w.application._app, set(os.listdir()) - before, threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "None set() 1" == done.stdout.strip()
