"""stress: the command: what it refuses, and short runs on a queue, with a report in every form."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from imgpipe.queue import open_queue
from imgpipe_cli.main import main
from small_worker import SmallWorker

PATIENCE_SECONDS = 60.0


@pytest.fixture
def queue(redis_url):
    """Return a queue on Redis, with a worker in a thread."""
    queue = open_queue(redis_url)
    with SmallWorker(queue):
        yield queue
    queue.close()


@pytest.fixture
def run(capfd, redis_url, tmp_path, picture_file):
    """Return a function that runs a kind of stress on small pictures, and gives its exit code, stdout and stderr."""
    picture_file(tmp_path / "in", "a.jpg")
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def command(*arguments: object, picture: str = "a.jpg") -> tuple[int, str, str]:
        options = [
            "--redis",
            redis_url,
            "--pictures",
            tmp_path / "in" / picture,
            "-f",
            "resize:8x8",
            "--folder",
            tmp_path,
        ]
        code = main(["stress", *map(str, (*arguments, *options))])
        out, err = capfd.readouterr()
        assert not [name for name in os.listdir(tmp_path) if name.startswith("imgpipe-stress-")]
        return code, out, err

    return command


def test_simple(run, queue):
    """Five tasks, one after the other, in a closed loop that says so."""
    code, out, _ = run("simple")

    assert 0 == code
    assert "stress simple   closed loop, which hides queueing: 5 tasks, 1 on the way" in out
    assert "tasks 5: 5 done, 0 failed, 0 lost" in out


def test_burst(run, queue):
    """As many at once as asked for."""
    code, out, _ = run("burst", 30)

    assert 0 == code
    assert "open loop: 30 at once" in out
    assert "tasks 30: 30 done" in out
    assert "p90 is not shown: it needs 100 tasks" in out


def test_continuous_in_every_form(run, queue, tmp_path):
    """JSON on stdout, HTML in a file; an objective that too few tasks can show is not reached."""
    page = tmp_path / "report.html"
    options = ("--rate", 20, "--seed", 3, "--json", "--html", page)
    code, out, _ = run("continuous", 1.5, "--slo", "p99=60s", *options)
    data = json.loads(out)

    assert 7 == code
    assert ("imgpipe.stress/1", "continuous", "open", 3) == (data["schema"], data["kind"], data["loop"], data["seed"])
    assert data["tasks"]["total"] == data["tasks"]["done"] > 10
    assert False is data["slo"]["reached"]
    assert "it needs 1000" in data["slo"]["why"] or "INVALID" in data["slo"]["why"]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_sustained(run, queue):
    """So many are kept on the way for the whole time."""
    code, out, _ = run("sustained", 0.5, "--depth", 4, "--json")
    data = json.loads(out)

    assert 0 == code
    assert ("closed", "4 kept on the way for 0.5 s") == (data["loop"], data["arrivals"])
    assert data["tasks"]["done"] >= 4


def test_distributed(run, queue):
    """Losses and duplicates are counted; a ramp says what was kept up with."""
    code, out, _ = run("distributed", 20, "--ramp", "10..40")

    assert 0 == code
    assert "20 tasks at 10/s rising to 40/s" in out
    assert "lost 0   duplicates 0" in out


def test_failures_have_their_exit_code(run, queue):
    """3, as everywhere."""
    code, out, _ = run("simple", 2, picture="broken.png")

    assert 3 == code
    assert "2 failed: job failure" in out


def test_nobody_could_do_it(run, redis_url):
    """It is said who would be needed, and how to get one."""
    code, _, err = run("burst", 1)

    assert 2 == code
    assert "nobody could work on" in err
    assert "imgpipe worker" in err


def test_a_fleet_of_its_own_needs_nothing(redis_binary, capfd, tmp_path):
    """Neither a server, nor a worker, nor a picture."""
    code = main(["stress", "burst", "4", "--own-fleet", "io,cpu", "--json"])
    data = json.loads(capfd.readouterr().out)

    assert 0 == code
    assert 4 == data["tasks"]["done"]
    assert "resize:width=640,height=360 and sharpen in turn" in data["what"]
    assert (2, False) == (data["queue"]["slots"], data["queue"]["alike"])


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_shows_what_there_is(queue, redis_url, tmp_path, picture_file):
    """The report is marked, the exit code is that of an interrupt, and nothing is begun any more."""
    picture = picture_file(tmp_path / "in", "a.jpg")
    command = [sys.executable, "-u", "-m", "imgpipe", "stress", "continuous", "60", "--rate", "20", "-f", "resize:8x8",
               "--pictures", picture, "--redis", redis_url]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        killer = threading.Timer(PATIENCE_SECONDS, process.kill)
        killer.start()
        for line in process.stderr:
            if re.match(r"\d+ s: ", line):
                process.send_signal(signal.SIGINT)
                break
        out, _ = process.communicate()
        killer.cancel()

    assert 130 == process.returncode
    assert "stopped early: this is what there is" in out
    assert re.search(r"tasks \d+: [1-9]\d* done", out)
    assert all(job.is_over for job in queue.jobs())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("burst",), "one of --redis URL, --url URL and --own-fleet"),
        (("burst", "--redis", "redis://127.0.0.1", "--own-fleet", "all"), "one of --redis URL"),
        (("burst", "--redis", "redis://192.0.2.1:6379/0"), "--i-own-this-server"),
        (("burst", "--url", "http://example.invalid/"), "--i-own-this-server"),
        (("burst", "--url", "ftp://127.0.0.1/"), "http://127.0.0.1:8000"),
        (("burst", "--own-fleet", ","), "a worker or more"),
        (("burst", "--own-fleet", "IO"), "small letters"),
        (("burst", "--own-fleet", "all", "--token-file", "x"), "none without --url"),
        (("burst", "20000", "--own-fleet", "all"), "1 to 10000"),
        (("burst", "--own-fleet", "all", "--slo", "fast"), "p95=2s"),
        (("burst", "--own-fleet", "all", "--html", "/no/such/folder/x.html"), "a folder that is there"),
        (("burst", "--own-fleet", "all", "--folder", "/no/such/folder"), "a folder that is there"),
        (("burst", "--own-fleet", "all", "-f", "sharpn"), "sharpen"),
        (("continuous", "0", "--own-fleet", "all"), "0"),
        (("continuous", "4000", "--own-fleet", "all"), "3600"),
        (("sustained", "4000", "--own-fleet", "all"), "3600"),
        (("distributed", "--ramp", "9", "--own-fleet", "all"), "as 1..20"),
        (("distributed", "--ramp", "9..1", "--own-fleet", "all"), "the lower one first"),
        (("distributed", "--kill-worker", "1", "--redis", "redis://127.0.0.1"), "only what it has started itself"),
        (("distributed", "--pause-redis", "1", "--url", "http://127.0.0.1:1"), "only what it has started itself"),
        (("distributed", "--kill-worker", "99", "--own-fleet", "all"), "when the last task is sent"),
    ],
)
def test_what_cannot_be(capfd, arguments, words):
    """Nothing is started, and the message says what would be right."""
    assert 2 == main(["stress", *arguments])
    assert words in capfd.readouterr().err


def test_a_server_that_does_not_answer(capfd):
    """The exit code is that of a queue that does not answer."""
    assert 5 == main(["stress", "burst", "1", "--url", "http://127.0.0.1:1"])
    assert "start it with `imgpipe serve`" in capfd.readouterr().err


def test_what_is_typed_counts_more_than_the_environment(capfd, monkeypatch):
    """IMGPIPE_REDIS is there for other commands, and does not contradict --url."""
    monkeypatch.setenv("IMGPIPE_REDIS", "redis://127.0.0.1:1/0")

    assert 5 == main(["stress", "burst", "1", "--url", "http://127.0.0.1:1"])
    assert "imgpipe serve" in capfd.readouterr().err
    assert 5 == main(["stress", "burst", "1"])
    assert "Redis does not answer" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["simple", "burst", "continuous", "sustained", "distributed"])
def test_help(capfd, kind):
    """Every kind explains itself."""
    assert 0 == main(["stress", kind, "--help"])
    assert "--own-fleet" in capfd.readouterr().out
