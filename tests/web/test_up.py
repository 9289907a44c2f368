"""Up: the HTTP server that `imgpipe up` starts beside Redis and the workers, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from imgpipe.web.folders import prepare
from imgpipe.web.settings import WebSettings
from imgpipe_cli.main import main
from served import PATIENCE_SECONDS, curl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@contextmanager
def up(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start the command in a folder with a small sample, and wait until its server serves."""
    prepare(
        WebSettings(images=str(folder / "static/images"), processed=str(folder / "static/processed")), size=(64, 36)
    )
    command = [sys.executable, "-u", "-m", "imgpipe", "up", "--workers", "all", "-j", "1", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd=folder
    ) as process:
        assert process.stdout is not None
        try:
            lines: list[str] = []
            while not re.search(r"^http +\| imgpipe serves", lines[-1] if lines else ""):
                lines.append(process.stdout.readline())
                assert lines[-1], lines
            yield process, lines
        finally:
            if process.poll() is None:
                process.terminate()


def test_the_three_lines(redis_binary, tmp_path):
    """The lines that it shows work as they stand, also where workers may touch certain folders only."""
    with up(tmp_path, "--root", str(tmp_path)) as (process, lines):
        family = psutil.Process(process.pid).children(recursive=True)
        order, ask, workers = (line.strip() for line in lines if line.startswith("    curl "))
        task_id = json.loads(curl(order, 0, tmp_path))["task_id"]
        done = json.loads(curl(ask.replace("TASK_ID", task_id), 0, tmp_path))
        there = json.loads(curl(workers, 0, tmp_path))
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert ("completed", 1) == (done["status"], there["total"])
    assert 130 == process.returncode
    assert rest.index("http     | stopping") < rest.index("worker-1 | imgpipe worker: drained")
    assert [] == psutil.wait_procs(family, 5)[1]


def test_a_server_that_dies_is_started_again(redis_binary, tmp_path):
    """The server is looked after as the workers are."""
    with up(tmp_path) as (process, lines):
        found = re.search(r"http \(process (\d+)\)", "".join(lines))
        assert found is not None
        os.kill(int(found[1]), signal.SIGKILL)
        assert process.stdout is not None
        told: list[str] = []
        while len(told) < 2:
            line = process.stdout.readline()
            assert line
            if line.startswith("http") and ("died" in line or "serves" in line):
                told.append(line)
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)

    assert "died (signal 9), and is started again" in told[0]
    assert 0 == process.returncode


def test_a_port_that_is_taken(tmp_path, monkeypatch, capsys):
    """A port that somebody else has is named before anything is started."""
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert 2 == main(["up", "--port", str(port)])
    assert [] == os.listdir(tmp_path)
    assert f"port: got {port}" in (err := capsys.readouterr().err)
    assert "--no-http" in err
