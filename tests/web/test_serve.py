"""serve: the command as one starts it, asked with every line that is documented for it, and stopped."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from PIL import Image

from imgpipe.web.routes import ROUTES
from imgpipe_cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

PATIENCE_SECONDS = 60

LINES = r"""
curl http://localhost:8000/api/health/
curl http://localhost:8000/api/image/info/
curl http://localhost:8000/api/image/4k/ -o downloaded_4k.jpg
curl "http://localhost:8000/api/image/slow/?delay=3.0" -o slow_4k.jpg
curl http://localhost:8000/api/stats/
curl -X POST http://localhost:8000/api/process-batch/sequential/ -H "Content-Type: application/json" -d '{"filters": ["resize", "blur"], "filter_params": {"resize": {"width": 800, "height": 600}, "blur": {"radius": 3.0}}}'
curl -X POST http://localhost:8000/api/process-batch/threading/ -H "Content-Type: application/json" -d '{"filters": ["sharpen", "edges"]}'
curl -X POST http://localhost:8000/api/process-batch/multiprocessing/ -H "Content-Type: application/json" -d '{"filters": ["brightness"], "filter_params": {"brightness": {"factor": 1.5}}}'
curl -X POST http://localhost:8000/api/process-batch/compare-all/ -H "Content-Type: application/json" -d '{"filters": ["resize", "blur"]}'
curl -X POST http://localhost:8000/api/process-batch/compare/ -H "Content-Type: application/json" -d '{"filters": ["resize", "blur"]}'
curl -X POST http://localhost:8000/api/process-batch/stress/ -H "Content-Type: application/json" -d '{"filters": ["sharpen", "edges"], "num_iterations": 5}'
curl -X POST http://localhost:8000/api/process-batch/threading/ -H "Content-Type: application/json" -d "{\"filters\": [\"resize\", \"blur\"], \"filter_params\": {\"resize\": {\"width\": 800, \"height\": 600}, \"blur\": {\"radius\": 3.0}}}"
"""  # noqa: E501 - as they are documented


class Served:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int, told: list[str]) -> None:
        self.process, self.port, self.told = process, port, told

    def send(self, target: str) -> socket.socket:
        """Ask for something, and leave the connection open."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return sock

    def end(self) -> tuple[int, str]:
        """Wait for the end, and return the exit code and what was written to stderr."""
        _, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, err


@contextmanager
def serve(*arguments: str, cwd: Path | None = None) -> Iterator[Served]:
    """Start the command on a free port."""
    command = [sys.executable, "-m", "imgpipe", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=cwd
    ) as process:
        try:
            assert process.stdout is not None
            told = [process.stdout.readline(), process.stdout.readline()]
            match = re.search(r"http://127\.0\.0\.1:(\d+)/", told[0])
            assert match is not None, (told, process.communicate()[1])
            yield Served(process, int(match[1]), told)
        finally:
            process.kill()


@pytest.fixture
def folders(settings) -> list[str]:
    """Return options for folders whose sample is there already, and small."""
    return ["--images", settings.images, "--processed", settings.processed]


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Served]:
    """Return a server for all the lines that one may type."""
    from imgpipe.web.folders import prepare
    from imgpipe.web.settings import WebSettings

    folder = tmp_path_factory.mktemp("serve")
    prepare(WebSettings(images=str(folder / "static/images"), processed=str(folder / "out")), size=(320, 180))
    with serve(cwd=folder) as served:
        yield served


def run(line: str, port: int, folder: Path) -> None:
    """Type a line for curl, or do what it would, and check that something came of it: JSON, or a picture in a file."""
    line = line.replace("localhost:8000", f"localhost:{port}")
    words = shlex.split(line)
    save = folder / words[words.index("-o") + 1] if "-o" in words else None
    if shutil.which("curl"):
        quick = line.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
        done = subprocess.run(["sh", "-c", quick], cwd=folder, capture_output=True, timeout=120, check=False)
        assert 0 == done.returncode, done.stdout + done.stderr
        data = save.read_bytes() if save else done.stdout
    else:
        data = fetch(words)
    if save:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
    elif data.startswith(b"<!doctype"):
        assert b"</html>" in data
    else:
        json.loads(data)


def fetch(words: list[str]) -> bytes:
    """Do what curl does with these words."""
    address = urlsplit(next(word for word in words if word.startswith("http://")))
    headers = dict([words[words.index("-H") + 1].split(": ", 1)]) if "-H" in words else {}
    body = words[words.index("-d") + 1] if "-d" in words else None
    connection = http.client.HTTPConnection(address.netloc, timeout=120)
    connection.request("POST" if body else "GET", f"{address.path}?{address.query}".rstrip("?"), body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert 200 == answer.status, data
    return data


@pytest.mark.parametrize("line", LINES.strip().split("\n"))
def test_documented_line(line, shared, tmp_path):
    """Each line that one finds written down works as it stands."""
    run(line.replace("delay=3.0", "delay=0.3"), shared.port, tmp_path)


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if "data-binary" not in route.curl("")], ids=lambda r: r.path
)
def test_line_of_the_index(route, shared, tmp_path):
    """Each line of the index page works."""
    run(route.curl(f"http://localhost:{shared.port}").replace("delay=3.0", "delay=0.3"), shared.port, tmp_path)


def test_upload_line_of_the_index(shared, tmp_path, picture_file):
    """So does the one that sends a picture, where there is curl."""
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    picture_file(tmp_path, "picture.jpg")
    (route,) = [route for route in ROUTES if "data-binary" in route.curl("")]

    run(route.curl(f"http://localhost:{shared.port}"), shared.port, tmp_path)


def test_it_says_where_it_is(shared):
    """The first lines are the address, and a line to try."""
    assert shared.told[0].startswith(f"imgpipe serves http://127.0.0.1:{shared.port}/ ")
    assert f"try: curl http://127.0.0.1:{shared.port}/api/health/\n" == shared.told[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_lets_requests_finish(folders, number, until_closed):
    """A signal is answered by finishing what is in work, refusing what is new, and ending with 0."""
    with serve(*folders) as served, served.send("/api/image/slow/?delay=1.0") as sock, served.send("/") as first:
        assert first.recv(1)
        served.process.send_signal(number)
        answer = until_closed(sock)
        sock.close()  # or the server would wait a little for us to do so
        code, err = served.end()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\xff\xd9" == answer[-2:]
    assert 0 == code
    assert "stopping: finishing the requests in work" in err
    assert '"GET /api/image/slow/?delay=1.0 HTTP/1.1" 200 ' in err


def test_signal_with_nothing_in_work(folders):
    """With idle connections only, it ends at once."""
    with serve(*folders, "--quiet") as served, served.send("/api/health/") as idle:
        assert idle.recv(1)
        served.process.terminate()
        code, err = served.end()

    assert (0, 1) == (code, len(err.splitlines()))


def test_second_signal_does_not_wait(folders):
    """A second signal drops what is in work."""
    with serve(*folders) as served, served.send("/api/image/slow/?delay=30"):
        with served.send("/api/health/") as sock:
            assert sock.recv(1)
        served.process.terminate()
        assert served.process.stderr is not None
        while "stopping" not in (line := served.process.stderr.readline()):
            assert line
        served.process.terminate()

        assert 143 == served.end()[0]


def test_two_servers_begin_together(tmp_path):
    """Servers that share a folder and start at once never show half of the sample."""
    folders = ["--images", str(tmp_path / "images"), "--processed", str(tmp_path / "out")]
    with serve(*folders) as first, serve(*folders) as second:
        for served in (first, second):
            connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_SECONDS)
            connection.request("GET", "/api/image/4k/")
            with Image.open(io.BytesIO(connection.getresponse().read())) as picture:
                picture.load()
                assert (3840, 2160) == picture.size
            connection.close()

    assert ["sample_4k.jpg"] == os.listdir(tmp_path / "images")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "--token-file"),
        (["--token-file", "nothing"], "token-file: got 'nothing'"),
        (["--root", "nothing"], "a folder that is there"),
        (["--images", "x", "--processed", "x"], "another folder"),
        (["--import", "no_such_module"], "import: got"),
        (["--port", "65536"], "65536"),
    ],
)
def test_what_cannot_be_right(arguments, words, tmp_path, monkeypatch, capsys):
    """A command that cannot be right ends at once with code 2 and says why."""
    monkeypatch.chdir(tmp_path)

    assert 2 == main(["serve", "--port", "0", *arguments])
    assert words in capsys.readouterr().err


def test_with_a_token_others_are_served(folders, tmp_path):
    """With a token, any address may be listened on."""
    (tmp_path / "token").write_text("0123456789abcdef0123")
    command = [sys.executable, "-m", "imgpipe", "serve", "--port", "0", "--host", "0.0.0.0", *folders]
    command += ["--token-file", str(tmp_path / "token")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address, hint = process.stdout.readline(), process.stdout.readline()
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)

    assert "http://0.0.0.0:" in address
    assert '-H "Authorization: Bearer $TOKEN"' in hint
