"""jobs: a job's life as its owner sees it, on a real Redis, with a worker that does what the test says."""

from __future__ import annotations

import json
import os
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from imgpipe.queue import open_queue
from imgpipe.queue.values import Settled, Verdict
from imgpipe_cli.main import main
from small_worker import SmallWorker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgpipe.queue.base import TaskQueue

COUNT = 5


@pytest.fixture
def queue(redis_url, monkeypatch) -> Iterator[TaskQueue]:
    """Return an empty queue, which commands find by their environment."""
    monkeypatch.setenv("IMGPIPE_REDIS", redis_url)
    with closing(open_queue(redis_url)) as queue:
        yield queue


@pytest.fixture
def run(monkeypatch, capfd):
    """Return a function that runs the command and gives its exit code, stdout and stderr."""

    def command(*arguments: object) -> tuple[int, str, str]:
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr("sys.argv", ["imgpipe", *words])
        code = main(words)
        out, err = capfd.readouterr()
        return code, out, err

    return command


@pytest.fixture
def photos(tmp_path, picture_file) -> Path:
    """Return a folder of pictures."""
    for number in range(COUNT):
        picture_file(tmp_path / "photos", f"{number}.png", size=(20 + number, 16))
    folder: Path = tmp_path / "photos"
    return folder


@pytest.fixture
def job(queue, run, photos, tmp_path) -> str:
    """Return a job that was handed over, and on which nobody works."""
    assert 0 == run("jobs", "submit", photos, "-o", tmp_path / "out", "-f", "sharpen")[0]
    (status,) = queue.jobs()
    name: str = status.id
    return name


def work(queue: TaskQueue, labels: str = "io cpu") -> None:
    """Do all that there is to do."""
    worker = SmallWorker(queue, labels=labels)
    while worker.step():
        pass
    worker.leave()


def test_submit_hands_over_and_ends(queue, run, photos, tmp_path):
    """Everything is in the queue, and the name of the job is told."""
    code, out, err = run("jobs", "submit", photos, "-o", tmp_path / "out", "-f", "sharpen")
    (status,) = queue.jobs()

    assert (0, "") == (code, out)
    assert f"job {status.id}: {COUNT} pictures handed over, 0 needed nothing" in err
    assert (COUNT, True) == (status.pending, status.sealed)


def test_the_results_of_a_submitted_job_are_collected_later(queue, run, job, photos, tmp_path):
    """The same command as `process` finds what the workers have done meanwhile, and its ledger knows it then."""
    work(queue)
    again = ("process", photos, "-o", tmp_path / "out", "-f", "sharpen", "--executor", "redis")
    first, second = run(*again)[1], run(*again)[1]

    assert f"{COUNT} of {COUNT} pictures" in first
    assert f"{COUNT} skipped" in second


def test_list(queue, run, job):
    """Jobs are shown with their counts, and with why nothing happens."""
    code, out, _ = run("jobs", "list")

    assert 0 == code
    assert ["JOB", "STATE", "DONE", "FAILED", "LOST", "WAITING", "RUNNING", "TOTAL", "AGE", "PIPELINE"] == (
        out.splitlines()[0].split()
    )
    assert [job, "running", "0", "0", "0", str(COUNT), "0", str(COUNT)] == out.splitlines()[1].split()[:8]
    assert f"{job}: No workers available to process task" in out


def test_list_as_json(queue, run, job):
    """For machines, the same as one document."""
    (data,) = json.loads(run("jobs", "list", "--json")[1])["jobs"]

    assert (job, "running", COUNT, ["cpu"], "sharpen") == (
        data["id"], data["state"], data["pending"], data["needs"], data["pipeline"]
    )  # fmt: skip
    assert "No workers available to process task" == data["waiting"]


def test_an_empty_queue(queue, run):
    """Where there is nothing, it says how to make something."""
    assert "no jobs; `imgpipe process" in run("jobs", "list")[1]
    assert "there is no job at all" in run("jobs", "status", "abc")[2]


def test_status_names_the_filter_that_nobody_can_run(queue, run, job):
    """With an io worker alone, sharpen waits, and the reason is told."""
    worker = SmallWorker(queue, labels="io")
    code, out, _ = run("jobs", "status", job[:6])
    worker.leave()

    assert 0 == code
    assert f"job {job}: running" in out
    assert f"{COUNT} pictures wait: no live worker can run sharpen (needs cpu); live: io x1" in out


def test_whose_fault_it_is(queue, run, job, photos):
    """A picture that failed and one that no worker has survived are told apart everywhere."""
    os.unlink(photos / "0.png")
    worker = SmallWorker(queue)
    claim = worker.claim()
    assert claim is not None
    worker.settle(claim)
    claim = worker.claim()
    assert claim is not None
    queue.finish("worker-1:1", [Settled(claim, Verdict.LOST, b"", "WORKERS_DIED")])
    worker.leave()
    work(queue)
    listed, status = run("jobs", "errors", job)[1], run("jobs", "status", job)[1]
    failures = json.loads(run("jobs", "errors", job, "--json")[1])["failures"]

    assert "failed: the picture's fault  NOT_FOUND" in listed
    assert "lost: its workers died  WORKERS_DIED" in listed
    assert f"{photos}/0.png" in listed
    assert "failed:    1  (the picture's fault)" in status
    assert "lost:      1  (its workers died)" in status
    assert {("failed", "the picture's fault"), ("lost", "its workers died")} == {
        (failure["outcome"], failure["blame"]) for failure in failures
    }


def test_retry(queue, run, job, photos, picture_file):
    """What has failed is tried again, and the job ends as if nothing had been wrong."""
    data = (photos / "2.png").read_bytes()
    (photos / "2.png").unlink()
    work(queue)
    (photos / "2.png").write_bytes(data)
    out = run("jobs", "retry", job)[1]
    work(queue)
    status = queue.status(job)

    assert f"job {job}: 1 pictures are tried again" in out
    assert status is not None
    assert (COUNT, 0, "finished") == (status.done, status.failed, status.state)


def test_pause_and_resume(queue, run, job):
    """A paused job keeps its pictures until it is resumed; who waits for it is told why."""
    run("jobs", "pause", job, "--why", "lunch")
    work(queue)
    paused = queue.status(job)
    out = run("jobs", "resume", job)[1]
    work(queue)
    after = queue.status(job)
    assert paused is not None
    assert after is not None

    assert ("paused", "by hand, lunch", 0) == (paused.state, paused.why, paused.done)
    assert f"job {job} is running, with {COUNT} pictures waiting" in out
    assert COUNT == after.done


def test_cancel_and_purge(queue, run, job):
    """A job that runs cannot be purged; one that was cancelled can, and then nothing is known of it."""
    refused = run("jobs", "purge", job)
    run("jobs", "cancel", job, "--why", "wrong folder")
    code, out, _ = run("jobs", "status", job)
    run("jobs", "purge", job)

    assert 2 == refused[0]
    assert f"job {job} is running, not over: `imgpipe jobs cancel {job}` first" in refused[2]
    assert 0 == code
    assert f"job {job}: cancelled (wrong folder)" in out
    assert f"cancelled: {COUNT}" in out
    assert [] == queue.jobs()
    assert 2 == run("jobs", "cancel", job)[0]


def test_watch_ends_with_the_job(queue, run, job):
    """It shows how far the job is, ends with it, and tells by its exit code whether all is well."""
    thread = threading.Thread(target=work, args=(queue,))
    thread.start()
    code, out, err = run("jobs", "watch", job)
    thread.join()

    assert 0 == code
    assert f"job {job}: finished" in out
    assert f"/{COUNT}" in err


def test_watch_of_a_job_with_failures(queue, run, job, photos):
    """Exit code 3 says that not everything is done."""
    (photos / "1.png").unlink()
    work(queue)

    assert 3 == run("jobs", "watch", job)[0]


def test_a_name_that_is_not_quite_right(queue, run, job):
    """The nearest one is named, and a beginning that fits several jobs is refused."""
    wrong = ("0" if job[0] != "0" else "1") + job[1:]

    assert f"did you mean {job}?" in run("jobs", "status", wrong)[2]
    assert 2 == run("jobs", "status", wrong)[0]
    assert f"is the beginning of several jobs: {job}" not in run("jobs", "status", job[:3])[2]


def test_a_beginning_that_fits_several_jobs(queue, run, job, photos, tmp_path, monkeypatch):
    """All that it could mean are named."""
    run("jobs", "submit", photos, "-o", tmp_path / "other", "-f", "blur")
    code, _, err = run("jobs", "status", "")

    assert 2 == code
    assert "is the beginning of several jobs" in err
    assert all(status.id in err for status in queue.jobs())


@pytest.mark.parametrize("command", [("jobs", "list"), ("workers", "list"), ("queue", "stats")])
def test_nobody_answers(run, tmp_path, command):
    """Where there is no Redis, the exit code is 5, and it says how to start one."""
    code, out, err = run(*command, "--redis", f"unix://{tmp_path}/none.sock")

    assert (5, "") == (code, out)
    assert "imgpipe up" in err


def test_no_queue_was_named(run):
    """Without --redis and IMGPIPE_REDIS it cannot be guessed which queue is meant."""
    code, _, err = run("jobs", "list")

    assert 2 == code
    assert "--redis" in err


def test_names_cannot_act_on_the_terminal(queue, run, photos, tmp_path, picture_file):
    """What others have written into the queue is shown with its control characters made visible."""
    picture_file(photos, "evil\x1b[2J.png")
    run("jobs", "submit", photos, "-o", tmp_path / "out", "-f", "sharpen")
    (photos / "evil\x1b[2J.png").unlink()
    work(queue)
    (status,) = queue.jobs()
    out: Any = run("jobs", "errors", status.id)[1]

    assert "\\x1b[2J" in out
    assert "\x1b" not in out
