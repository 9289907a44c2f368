"""serve: the command as one starts it, asked with every line that its index shows, and stopped."""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgpipe.web.routes import ROUTES
from imgpipe_cli.main import main
from served import PATIENCE_SECONDS, Served, curl, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


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


@pytest.fixture(scope="module")
def task_id(shared, tmp_path_factory) -> str:
    """Return the id of a task that workers in the server have done."""
    folder = tmp_path_factory.mktemp("curl")
    order = """curl http://localhost:8000/api/process-batch/distributed/ -H 'Content-Type: application/json' """
    task_id = str(json.loads(curl(order + """-d '{"filters": ["blur"]}'""", shared.port, folder))["task_id"])
    done = json.loads(curl(f"curl 'http://localhost:8000/api/task/{task_id}/status/?wait=30'", shared.port, folder))
    assert "completed" == done["status"]
    return task_id


LINES = [route for route in ROUTES if "data-binary" not in route.curl("") and "process-batch" not in route.path]


@pytest.mark.parametrize("route", LINES, ids=lambda route: f"{route.method} {route.path}")
def test_line_of_the_index(route, shared, task_id, tmp_path):
    """Each line of the index page works; those of batches are documented elsewhere as well, and run there."""
    line = route.curl(f"http://localhost:{shared.port}").replace("delay=3.0", "delay=0.3").replace("TASK_ID", task_id)
    data = curl(line, shared.port, tmp_path)

    if "-o " in line:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
    elif isinstance(route.answer, str):
        sign = {"text/html": b"</html>", "text/event-stream": b"event: done", "text/plain": b"# HELP "}[route.answer]
        assert sign in data
    elif route.method != "DELETE":
        json.loads(data)


def test_upload_lines_of_the_index(shared, tmp_path, picture_file):
    """So do those that send a picture, where there is curl."""
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    picture_file(tmp_path, "picture.jpg", size=(1000, 900))
    told, made = (route.curl(f"http://localhost:{shared.port}") for route in ROUTES if "data-binary" in route.curl(""))

    assert 1000 == json.loads(curl(told, shared.port, tmp_path))["width"]
    curl(made, shared.port, tmp_path)
    with Image.open(tmp_path / "processed.jpg") as picture:
        assert (667, 600) == picture.size


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
        (["--redis", "redis://localhost:1", "--workers", "io"], "`imgpipe worker`"),
        (["--redis", "localhost:6379"], "redis://host"),
        (["--workers", ","], "a worker or more"),
        (["--workers", "IO"], "small letters"),
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


def test_workers_of_its_own(folders, tmp_path):
    """Without Redis, the server has the workers that it was told to have."""
    with serve(*folders, "--workers", "io,cpu,all") as served:
        line = "curl http://localhost:8000/api/workers/status/"
        labels: list[str] = []
        while len(labels) < 3:  # they present themselves within a moment
            workers = json.loads(curl(line, served.port, tmp_path))["workers"]
            labels = sorted(worker["capability"] for worker in workers)
        served.process.terminate()
        code, _ = served.end()

    assert (["all", "cpu", "io"], 0) == (labels, code)


def test_signal_while_workers_of_its_own_work(folders, tmp_path):
    """What waits is lost with the queue, and counted; also where the children are sent the signal, as systemd does."""
    order = """curl http://localhost:8000/api/process-batch/distributed/ -H 'Content-Type: application/json' """
    with serve(*folders, "--workers", "all") as served:
        waits = """'{"filters": ["blur"], "needs": ["gpu"]}'"""
        total = json.loads(curl(f"{order} -d {waits}", served.port, tmp_path))["total"]
        os.killpg(served.process.pid, signal.SIGTERM)
        code, err = served.end()

    assert (0, 3) == (code, total)
    assert "3 pictures of tasks were not processed, and are forgotten: the queue was in memory" in err
    assert "Traceback" not in err
