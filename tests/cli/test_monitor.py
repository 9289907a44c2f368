"""monitor: one frame, lines, documents, recordings and pictures; the dashboard itself is in tests/monitor."""

from __future__ import annotations

import json
import os
import threading
from contextlib import closing
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING

import pytest

from fleet_samples import RUN, SNAPSHOT
from imgpipe.errors import QueueUnavailable
from imgpipe.monitor import Snapshot, Watch
from imgpipe.monitor.document import to_data
from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.redis import RedisQueue
from imgpipe.queue.values import Item, JobSpec, Settled, Verdict, WorkerSpec
from imgpipe.web.app import App
from imgpipe.web.broker import Broker
from imgpipe.web.server import Server
from imgpipe.web.settings import WebSettings
from imgpipe_cli.dashboard.view import Control
from imgpipe_cli.main import main
from imgpipe_cli.monitor import _carry_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def recording(tmp_path) -> str:
    """Return a recording of two moments."""
    file: Path = tmp_path / "rec.jsonl"
    later = replace(SNAPSHOT, wall_seconds=SNAPSHOT.wall_seconds + 1, runs=(replace(RUN, done=RUN.done + 400),))
    file.write_text("".join(json.dumps(to_data(snapshot)) + "\n" for snapshot in (SNAPSHOT, later)))
    return str(file)


@pytest.fixture
def url(redis_url: str) -> str:
    """Return the URL of a queue with a job in it."""
    with closing(RedisQueue(redis_url)) as queue:
        queue.create(JobSpec(id="thumbs", needs=frozenset({"cpu"})))
        queue.submit("thumbs", [Item(number, b"x") for number in range(9)], last=True)
    return redis_url


def test_once(url, capfd):
    """One frame, as text without a trace of a terminal, because here is none."""
    assert 0 == main(["monitor", "--redis", url, "--once"])
    lines = capfd.readouterr().out.splitlines()
    assert 29 == len(lines)
    assert lines[1].startswith(" thumbs ")
    assert not any("\x1b" in line or line.endswith(" ") for line in lines)


@pytest.mark.parametrize(("page", "expected"), [(2, "workers: 3 alive, 1 lost"), (4, "UNREADABLE"), (5, "COVERAGE")])
def test_once_of_another_page(recording, capfd, page, expected):
    """Any page can be drawn."""
    assert 0 == main(["monitor", "--replay", recording, "--once", "--view", str(page)])
    assert expected in capfd.readouterr().out


def test_once_in_ascii(recording, capfd):
    """Where nothing else can be shown, plain signs do."""
    assert 0 == main(["monitor", "--replay", recording, "--once", "--symbols", "ascii"])
    out = capfd.readouterr().out
    assert out.isascii()
    assert "12 > 17 workers" in out


def test_once_as_a_document(url, capfd):
    """The same document as that of metrics."""
    assert 0 == main(["monitor", "--redis", url, "--once", "--json"])
    data = json.loads(capfd.readouterr().out)
    assert ["thumbs"] == [run["id"] for run in data["runs"]]


def test_once_as_a_line(recording, capfd):
    """For scripts."""
    assert 0 == main(["monitor", "--replay", recording, "--once", "--plain"])
    (line,) = capfd.readouterr().out.splitlines()
    assert "run=thumbs-2024 done=6841604/10000000 rate=398" in line


@pytest.fixture
def server(tmp_path) -> Iterator[str]:
    """Return the address of a server with a token in front of a queue that is empty; the token is in a file."""
    (tmp_path / "token").write_text("a" * 16)
    settings = WebSettings(images=str(tmp_path / "in"), processed=str(tmp_path / "out"), token="a" * 16)
    with closing(App(settings, Broker(MemoryQueue()))) as app:
        server = Server(app, "127.0.0.1", 0, log=lambda _line: None)
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server.url
        server.stop()
        thread.join()


def test_server_is_watched(server, tmp_path, capfd, monkeypatch):
    """Over HTTP; what is typed counts more than what the environment names."""
    monkeypatch.setenv("IMGPIPE_REDIS", "redis://127.0.0.1:1/0")
    named = ["--url", server, "--token-file", str(tmp_path / "token")]

    assert 0 == main(["monitor", *named, "--once", "--json"])
    assert "memory" == json.loads(capfd.readouterr().out)["source"]
    assert 0 == main(["metrics", *named, "--prometheus"])
    assert "imgpipe_queue_up 1.0" in capfd.readouterr().out


def test_server_that_wants_a_token(server, capfd):
    """It is said how to name it."""
    assert 2 == main(["monitor", "--url", server, "--once"])
    assert "token-file" in capfd.readouterr().err


def test_server_that_is_not_there(capfd):
    """Code 5, as for a Redis; to start a Redis would not help."""
    assert 5 == main(["metrics", "--url", "http://127.0.0.1:1"])
    err = capfd.readouterr().err
    assert "may be over" in err
    assert "imgpipe up" not in err


def test_lines_where_there_is_no_terminal(recording, capfd, monkeypatch):
    """FORCE_COLOR makes no terminal of a pipe."""
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert 0 == main(["monitor", "--replay", recording])
    lines = capfd.readouterr().out.splitlines()
    assert ["6841204/10000000", "6841604/10000000"] == [line.split("done=")[1].split()[0] for line in lines]


def test_documents_are_lines(recording, capfd):
    """A replay gives what was recorded."""
    assert 0 == main(["monitor", "--replay", recording, "--json"])
    with open(recording) as file:
        assert [json.loads(line) for line in file] == [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_record(url, tmp_path, capfd, monkeypatch):
    """What was seen is written down, and can be seen again."""
    waits = []

    def wait(_self: threading.Event, seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Event, "wait", wait)
        assert 130 == main(["monitor", "--redis", url, "--plain", "--interval", "3", "--record", str(tmp_path / "r")])
    first = capfd.readouterr().out
    assert [3.0, 3.0] == waits

    assert 0 == main(["monitor", "--replay", str(tmp_path / "r"), "--plain"])
    assert first == capfd.readouterr().out


def test_queue_that_is_away_is_waited_for(url, capfd, monkeypatch):
    """A log goes on after an outage; what was wrong is on stderr."""
    takes: list[Snapshot | BaseException] = [
        SNAPSHOT,
        QueueUnavailable("gone\x1b fishing"),
        SNAPSHOT,
        KeyboardInterrupt(),
    ]

    def take(_self: Watch) -> Snapshot:
        taken = takes.pop(0)
        if isinstance(taken, BaseException):
            raise taken
        return taken

    monkeypatch.setattr(Watch, "take", take)
    monkeypatch.setattr(threading.Event, "wait", lambda *_: None)

    assert 130 == main(["monitor", "--redis", url, "--plain"])
    out, err = capfd.readouterr()
    assert 2 == len(out.splitlines())
    assert "imgpipe: gone\\x1b fishing" == err.strip()


def test_picture(recording, tmp_path, capfd):
    """The frame as a file, for a page or a report."""
    assert 0 == main(["monitor", "--replay", recording, "--once", "--svg", str(tmp_path / "a.svg")])
    assert "thumbs-2024" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "" == capfd.readouterr().out


def test_picture_of_a_recording(tmp_path):
    """It is drawn as it was at its end, with how fast it went until then."""
    drawn = []
    for count in (1, 30):
        looks = (
            replace(
                SNAPSHOT,
                wall_seconds=SNAPSHOT.wall_seconds + 2 * number,
                queues=(replace(queue, completed_total=queue.completed_total + 800 * number),),
            )
            for number, queue in enumerate([SNAPSHOT.queues[0]] * count)
        )
        (tmp_path / "rec.jsonl").write_text("".join(json.dumps(to_data(look)) + "\n" for look in looks))
        recording, picture = str(tmp_path / "rec.jsonl"), tmp_path / "a.svg"
        assert 0 == main(["monitor", "--replay", recording, "--once", "--svg", str(picture)])
        drawn.append(unescape(picture.read_text(encoding="utf-8")))

    assert [False, True] == ["400" in text and "\u2581" in text for text in drawn]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--redis URL"),
        (["--url", "http://h", "--redis", "redis://h/0"], "not both"),
        (["--redis", "redis://h/0", "--token-file", "t"], "none without --url"),
        (["--redis", "redis://h/0", "--replay", "x"], "not both"),
        (["--replay", "missing.jsonl"], "can be read"),
        (["--redis", "redis://h/0", "--svg", "x.svg"], "--once"),
        (["--redis", "redis://h/0", "--interval", "0.1"], "0.5"),
        (["--redis", "redis://h/0", "--view", "6"], "5"),
    ],
)
def test_what_cannot_be_shown(arguments, words, capfd, tmp_path, monkeypatch):
    """It says what is expected, before anything is opened."""
    monkeypatch.chdir(tmp_path)

    assert 2 == main(["monitor", *arguments])
    assert words in capfd.readouterr().err


def test_recording_without_a_moment(tmp_path, capfd):
    """There is nothing to be drawn."""
    (tmp_path / "empty").touch()

    assert 2 == main(["monitor", "--replay", str(tmp_path / "empty"), "--once"])
    assert "a recording with a line in it" in capfd.readouterr().err


def test_nobody_answers(capfd):
    """Code 5 at the start; later it would be shown and waited for."""
    assert 5 == main(["monitor", "--redis", "redis://127.0.0.1:1/0"])
    assert "imgpipe up" in capfd.readouterr().err


def test_keys_that_change_the_queue():
    """Each says what it has done, or that there is nothing any more to do it to."""
    queue = MemoryQueue()
    queue.create(JobSpec(id="job"))
    queue.submit("job", [Item(0, b"x")])
    queue.register(WorkerSpec(id="w", name="w", labels=frozenset(), slots=1), 15.0)
    (claim,) = queue.claim("w", 1).tasks
    queue.finish("w", [Settled(claim, Verdict.FAILED)])

    assert "w will drain" == _carry_out(queue, Control("drain", "w", "w"))
    assert "x is not there any more" == _carry_out(queue, Control("drain", "x", "x"))
    assert "job is paused" == _carry_out(queue, Control("pause", "job", "job"))
    assert "job is running" == _carry_out(queue, Control("resume", "job", "job"))
    assert "1 pictures of job are tried again" == _carry_out(queue, Control("retry", "job", "job"))
    assert "gone is not there any more" == _carry_out(queue, Control("pause", "gone", "gone"))
    assert "only a queue can be changed" == _carry_out(None, Control("pause", "job", "job"))


@pytest.mark.skipif(os.name != "posix", reason="there are no pseudo terminals")
def test_dashboard_over_a_real_queue(url):
    """It shows the job, and q ends it with code 0."""
    from screens import on_a_terminal

    with on_a_terminal(["monitor", "--redis", url]) as shown:
        shown.wait_for("thumbs")
        shown.type("q")

        assert 0 == shown.wait_for_end()
