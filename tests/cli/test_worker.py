"""worker: the command says who it is, without telling secrets, and ends with what the queue has to say."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from imgpipe.children.sandbox import landlock_abi
from imgpipe.errors import BadOption
from imgpipe.queue import open_queue
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.main import main
from imgpipe_cli.worker import labels_of, shown_url
from worker_bench import Bench, WorkerProcess

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@pytest.mark.parametrize(
    ("text", "labels"),
    [("all", {"io", "cpu"}), ("io", {"io"}), ("cpu, gpu", {"cpu", "gpu"}), ("all,host.x", {"io", "cpu", "host.x"})],
)
def test_capabilities_are_labels(text, labels):
    """`all` is io and cpu, not every label in the world."""
    assert labels == labels_of(text)


@pytest.mark.parametrize("text", ["", " , "])
def test_capabilities_cannot_be_nothing(text):
    """A worker that can do nothing is a mistake."""
    with pytest.raises(BadOption):
        labels_of(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@host:6379/0", "redis://host:6379/0"),
        ("rediss://user:s%40cret@host/2", "rediss://host/2"),
        ("unix:///run/r.sock?db=0&password=secret", "unix:///run/r.sock?db=0"),
        ("redis://host", "redis://host"),
        (":secret@host", "host"),
    ],
)
def test_passwords_are_not_shown(url, shown):
    """What is left is where the queue is."""
    assert shown == shown_url(url)


def test_it_needs_to_know_where_the_queue_is(capsys):
    """Without --redis and IMGPIPE_REDIS, the command says what is missing."""
    assert 2 == main(["worker"])
    assert "--redis" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--sandbox"],
        ["--capabilities", "Big Box"],
        ["--root", "/no/such"],
        ["--lease", "0.01"],
        ["--import", "no.such"],
    ],
)
def test_what_makes_no_sense_is_refused(options, capsys):
    """Before any connection is made."""
    assert 2 == main(["worker", "--redis", "redis://127.0.0.1:1/0", *options])
    assert capsys.readouterr().err.startswith("imgpipe: ")


def test_a_wrong_password_ends_it(redis_url: str, capsys):
    """It does not try for ever what will never be: one line, and the code for a queue that cannot be used."""
    wrong = redis_url.partition("password=")[0] + "password=wrong"

    assert ExitCode.UNREACHABLE == main(["worker", "--redis", wrong, "-j", "1"])

    lines = capsys.readouterr().err.splitlines()
    assert "password" in lines[-1]
    assert "password=wrong" not in "".join(lines)


def test_it_can_be_ended_while_there_is_no_redis():
    """It tries for ever to reach the server, says so once, and ends when it is told to."""
    with WorkerProcess("redis://127.0.0.1:1/0", "-j", "1", lease=0.5) as worker:
        worker.wait_for("away")
        worker.signal(signal.SIGINT)
        assert ExitCode.INTERRUPTED == worker.wait()

    assert 1 == worker.kinds().count("away")


def test_it_says_what_it_does(redis_url: str, tmp_path: Path, monkeypatch, capsys):
    """A line at the start and at the end, and one when it sees a job first; the URL comes from the environment too."""
    bench = Bench(tmp_path, open_queue(redis_url))
    bench.submit("resize:20x20", range(40, 45))
    monkeypatch.setenv("IMGPIPE_REDIS", redis_url)

    assert 0 == main(["worker", "-j", "1", "--name", "me", "--idle-exit", "0.2", "--lease", "1", "--max-memory", "1G"])

    lines = capsys.readouterr().err.splitlines()
    bench.queue.close()
    assert f"imgpipe worker: worker me: cpu,io x1, {shown_url(redis_url)}" == lines[0]
    assert "imgpipe worker: job j: resize:width=20,height=20" == lines[1]
    assert lines[-1].startswith("imgpipe worker: nothing to do: 5 done in ")
    assert redis_url.partition("password=")[2] not in "".join(lines)


def test_a_far_redis_without_a_root_is_a_risk_that_is_named(capsys):
    """Whoever can reach the queue can have files read and written: the start line says so."""
    from imgpipe.worker import WorkerSettings
    from imgpipe_cli.worker import _start

    anywhere = WorkerSettings(name="w", labels=frozenset({"io"}))
    confined = WorkerSettings(name="w", labels=frozenset({"io"}), roots=("/tmp",))

    assert "--root" in _start(anywhere, "redis://queue.example/0", "default").text
    assert "--root" not in _start(confined, "redis://queue.example/0", "default").text
    assert "--root" not in _start(anywhere, "redis://127.0.0.1/0", "default").text


@pytest.mark.skipif(not landlock_abi(), reason="this kernel has no Landlock")
def test_a_sandbox_keeps_pictures_within_the_roots(redis_url: str, tmp_path: Path):
    """Filters of one's own are loaded, and what they try outside of the roots fails."""
    (tmp_path / "mine").mkdir()
    secret = tmp_path / "secret"
    secret.write_text("x", encoding="ascii")
    bench = Bench(tmp_path / "mine", open_queue(redis_url))
    import deadly_filters  # noqa: F401 - for its effect

    bench.submit(f'test.trespass:deed=read,where="{secret}"', [40], job="bad")
    bench.submit("resize:20x20", [41], job="good")
    with WorkerProcess(redis_url, "-j", "1", "--root", str(tmp_path / "mine"), "--sandbox"):
        good, bad = bench.finish("good"), bench.finish("bad")
    bench.queue.close()

    assert (1, {"FILTER_FAILED": 1}) == (good.done, bad.codes)


def test_events_are_json_for_machines(redis_url: str):
    """Each line is an event of the one schema; the last is the summary, with its numbers."""
    with WorkerProcess(redis_url, "-j", "1", "--idle-exit", "0.2") as worker:
        assert 0 == worker.wait()

    assert ["start", "draining", "summary"] == worker.kinds()
    assert {"imgpipe.events/1"} == {event["schema"] for event in worker.events}
    assert (0, "nothing to do") == (worker.summary()["done"], worker.summary()["why"])
    assert json.dumps(worker.events[0]["labels"]) == '["cpu", "io"]'
