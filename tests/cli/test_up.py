"""up: a server and workers in one terminal, with real signals: nothing is left behind, however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest

from imgpipe.queue import open_queue
from imgpipe_cli.main import main
from imgpipe_cli.parts import MOST_RESTARTS, RESTART_SECONDS, Restarts

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

PATIENCE_SECONDS = 60


class Up:
    """An `imgpipe up` that runs, and the lines that it has written."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-u", "-m", "imgpipe", "up", "-j", "1", "--no-http", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.lines: list[str] = []
        self.news = threading.Condition()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def wait_for(self, words: str, count: int = 1) -> list[str]:
        """Return the first lines in which a pattern is found, once there are so many."""

        def found() -> list[str]:
            return [line for line in self.lines if re.search(words, line)]

        with self.news:
            assert self.news.wait_for(lambda: len(found()) >= count, PATIENCE_SECONDS), self.lines
            return found()

    def family(self) -> list[psutil.Process]:
        """Return all processes that it has started, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Read to the end, and close the pipe."""
        self.reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.news:
                self.lines.append(line.rstrip())
                self.news.notify_all()


@pytest.fixture
def up(redis_binary) -> Iterator[Up]:
    """Return an `imgpipe up` with two workers, both of which have said that they work."""
    up = Up("--workers", "io,cpu")
    up.wait_for(r"^worker-\d +\| imgpipe worker: worker worker-", 2)
    yield up
    if up.process.poll() is None:
        up.end(signal.SIGTERM)
    up.close()


def url_of(up: Up) -> str:
    """Return the URL that it has told."""
    return up.wait_for("IMGPIPE_REDIS=")[0].split("=", 1)[1].strip("' ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_everything_in_order(up, number, code):
    """Workers first, the server at last; no process and no folder of the server is left."""
    family = up.family()
    folder = os.path.dirname(url_of(up).removeprefix("unix://").split("?")[0])
    existed = os.path.isdir(folder)

    assert code == up.end(number)
    up.reader.join()
    assert ["up       | everything has ended"] == up.lines[-1:]
    assert 2 == sum("drained: 0 done" in line for line in up.lines)
    assert ([], True, False) == (psutil.wait_procs(family, 5)[1], existed, os.path.exists(folder))


def test_work_is_done(up, tmp_path, picture_file, capfd, monkeypatch):
    """The commands that it shows work: pictures go to the worker that can take them."""
    monkeypatch.setenv("IMGPIPE_REDIS", url_of(up))
    picture_file(tmp_path / "in", "1.png")
    monkeypatch.setattr("sys.argv", ["imgpipe"])
    code = main(["process", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-f", "sharpen", "--executor", "redis"])
    shown = up.wait_for(r"worker-2 \| imgpipe worker: job [0-9a-f]{16}: sharpen")

    assert 0 == code
    assert "1 of 1 pictures" in capfd.readouterr().out
    assert 1 == len(shown)


def test_a_worker_that_dies_is_started_again(up):
    """It is said which one died of what, and its successor works."""
    (line,) = up.wait_for("worker-1 .process")
    pids = [int(pid) for pid in re.findall(r"process (\d+)", line)]
    os.kill(pids[0], signal.SIGKILL)

    assert ["worker-1 | died (signal 9), and is started again"] == up.wait_for(r"\| died")
    assert 2 == len(up.wait_for(r"^worker-1 \| imgpipe worker: worker worker-1", 2))


def test_a_worker_that_was_told_to_end_stays_away(up):
    """`imgpipe workers drain` is not undone."""
    with closing(open_queue(url_of(up))) as queue:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(queue.workers()) < 2 and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        ids = {worker.name: worker.id for worker in queue.workers()}
        queue.command(ids["worker-1"], "drain")

    assert ["worker-1 | has ended, as it was told to"] == up.wait_for("has ended")
    assert 0 == up.end(signal.SIGTERM)
    assert not any("started again" in line for line in up.lines)


def test_killing_it_leaves_nothing_behind(up):
    """Not even SIGKILL leaves a server or a worker: they notice that they are alone, and end."""
    family = up.family()
    up.end(signal.SIGKILL)
    gone, left = psutil.wait_procs(family, PATIENCE_SECONDS)

    assert [] == left
    assert len(gone) >= 5  # a server and two workers, and somebody to watch over each


def test_a_port_of_ones_own(redis_binary):
    """With --redis-port, the server listens there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    up = Up("--workers", "all", "--redis-port", str(port))
    up.wait_for("imgpipe worker: worker worker-1")
    url = url_of(up)
    code = up.end(signal.SIGINT)
    up.close()

    assert f"@127.0.0.1:{port}/0" in url
    assert 130 == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--workers", ","), "a worker or more"),
        (("--workers", "IO"), "small letters"),
        (("--redis", "unix:///x", "--redis-port", "7"), "that server has its own"),
    ],
)
def test_what_cannot_be(capfd, arguments, words):
    """Nothing is started where the options make no sense."""
    assert 2 == main(["up", *arguments])
    assert words in capfd.readouterr().err


def test_restarts_are_counted_by_the_minute():
    """Five in a minute are allowed; those of an earlier minute do not count."""
    now = 0.0
    restarts = Restarts(lambda: now)
    first = [restarts.may_start() for _ in range(MOST_RESTARTS + 1)]
    now = RESTART_SECONDS + 1

    assert [True] * MOST_RESTARTS + [False] == first
    assert restarts.may_start()
