"""process --executor redis: the same pictures, the same report, and a job that outlives the command if it is to."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from imgpipe.queue import open_queue
from imgpipe.worker.settings import WorkerSettings
from imgpipe.worker.worker import Worker
from imgpipe_cli.main import main
from small_worker import SmallWorker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import JobStatus

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

COUNT = 6
PATIENCE_SECONDS = 60
PAUSE = threading.Event()


@pytest.fixture
def photos(tmp_path, picture_file) -> Path:
    """Return a folder of pictures."""
    for number in range(COUNT):
        picture_file(tmp_path / "photos", f"{number}.png", size=(40 + number, 30))
    folder: Path = tmp_path / "photos"
    return folder


@pytest.fixture
def queue(redis_url, monkeypatch) -> Iterator[TaskQueue]:
    """Return an empty queue, which commands find by their environment."""
    monkeypatch.setenv("IMGPIPE_REDIS", redis_url)
    with closing(open_queue(redis_url)) as queue:
        yield queue


def start(*arguments: object, **more: Any) -> subprocess.Popen[str]:
    """Start the command in a session of its own, so that a signal reaches it alone."""
    command = [sys.executable, "-m", "imgpipe", "process", *map(str, arguments)]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(command, text=True, start_new_session=True, **{**options, **more})


def job_with(queue: TaskQueue, pending: int) -> JobStatus:
    """Return the job once so many of its pictures wait."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        jobs = queue.jobs()
        if jobs and jobs[0].pending == pending:
            return jobs[0]
        PAUSE.wait(0.02)
    raise AssertionError(queue.jobs())


def work(queue: TaskQueue, most: int = 1000) -> None:
    """Do what there is to do."""
    worker = SmallWorker(queue)
    while most and worker.step():
        most -= 1
    worker.leave()


def tree(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder with their bytes, without imgpipe's own."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".imgpipe" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def report_of(capfd: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """Run the command here and return its summary, without what time and place change."""
    main(["process", *map(str, arguments), "--json"])
    summary: dict[str, Any] = json.loads(capfd.readouterr().out.splitlines()[-1])
    times = ("seconds", "pictures_per_second", "megapixels_per_second", "stage_seconds")
    return {name: value for name, value in summary.items() if name not in times}


def test_output_and_report_are_those_of_one_thread(queue, photos, tmp_path, capfd):
    """Good and bad pictures give the same files and the same sums, wherever they are worked on."""
    (photos / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no picture")
    steps = ("-f", "resize:24x | blur:1 | sharpen")
    here = report_of(capfd, photos, "-o", tmp_path / "here", *steps, "--executor", "sequential")
    with SmallWorker(queue):
        there = report_of(capfd, photos, "-o", tmp_path / "there", *steps, "--executor", "redis")

    assert here == there
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    assert (COUNT, 1) == (there["done"], there["failed"])


def test_in_place(queue, photos, capfd):
    """Pictures that are replaced by their results are replaced once."""
    (photos / "copy").mkdir()
    before = tree(photos)
    with SmallWorker(queue):
        first = report_of(capfd, photos, "--in-place", "-f", "sharpen", "--executor", "redis")
        after = tree(photos)
        second = report_of(capfd, photos, "--in-place", "-f", "sharpen", "--executor", "redis")

    assert (COUNT, COUNT) == (first["done"], second["skipped"])
    assert all(before[name] != after[name] for name in before)
    assert after == tree(photos)


def test_ctrl_c_leaves_the_job_and_the_same_command_takes_it_up(queue, photos, tmp_path):
    """Off a terminal, the job goes on without the command; later its results are read, and nothing is done twice."""
    arguments = (photos, "-o", tmp_path / "out", "-f", "sharpen", "--executor", "redis")
    with start(*arguments) as process:
        job = job_with(queue, COUNT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    work(queue)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    with start(*arguments) as again:
        summary, _ = again.communicate(timeout=PATIENCE_SECONDS)
    (after,) = queue.jobs()

    assert (130, 0) == (process.returncode, again.returncode)
    assert f"job {job.id} goes on with {COUNT} pictures" in err
    assert "stopped: interrupted" in out
    assert f"{COUNT} of {COUNT} pictures" in summary
    assert (job.id, COUNT, "finished") == (after.id, after.done, after.state)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}


def test_a_killed_command_is_taken_up(queue, photos, tmp_path):
    """After SIGKILL, the same command finds its job, and every picture has been handed over once."""
    arguments = (photos, "-o", tmp_path / "out", "-f", "sharpen", "--executor", "redis")
    with start(*arguments) as process:
        job_with(queue, COUNT)
        work(queue, 2)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
    with start(*arguments) as again, SmallWorker(queue):
        again.communicate(timeout=PATIENCE_SECONDS)
    (job,) = queue.jobs()

    assert 0 == again.returncode
    assert (COUNT, COUNT, 0) == (job.submitted, job.done, job.duplicates)
    assert COUNT == len(tree(tmp_path / "out"))


def test_changed_pictures_are_another_job(queue, photos, tmp_path, picture_file):
    """Results of a picture that has changed since are not taken for those of the new one."""
    arguments = [str(photos), "-o", str(tmp_path / "out"), "-f", "sharpen"]
    main(["jobs", "submit", *arguments])
    picture_file(photos, "0.png", size=(99, 30))
    main(["jobs", "submit", *arguments])

    assert 2 == len({job.id for job in queue.jobs()})


def test_ctrl_c_cancels_the_job_if_told_so(queue, photos, tmp_path):
    """With --on-interrupt cancel, nothing of it begins any more."""
    arguments = (photos, "-o", tmp_path / "out", "-f", "sharpen", "--executor", "redis", "--on-interrupt", "cancel")
    with start(*arguments) as process:
        job = job_with(queue, COUNT)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert 130 == process.returncode
    assert f"job {job.id} is cancelled" in err
    assert "cancelled" == queue.jobs()[0].state


@pytest.mark.parametrize(("answer", "state"), [("c\n", "cancelled"), ("\n", "running")])
def test_on_a_terminal_it_is_asked(queue, photos, tmp_path, answer, state):
    """There, Ctrl-C asks what is to become of the job."""
    ours, theirs = pty.openpty()
    arguments = (photos, "-o", tmp_path / "out", "-f", "sharpen", "--executor", "redis", "--progress", "lines")
    with start(*arguments, stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        job_with(queue, COUNT)
        process.send_signal(signal.SIGINT)
        shown = b""
        while b"cancel it (c)?" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, answer.encode())
        assert process.stdout is not None
        process.stdout.read()
        process.wait(PATIENCE_SECONDS)
    os.close(ours)

    assert (130, state) == (process.returncode, queue.jobs()[0].state)


def test_only_workers_with_the_label(queue, photos, tmp_path, capfd):
    """`--needs` keeps pictures from workers that lack the label."""
    main(["jobs", "submit", str(photos), "-o", str(tmp_path / "out"), "-f", "blur", "--needs", "near-the-disk"])
    work(queue)
    (job,) = queue.jobs()

    assert (frozenset({"io", "near-the-disk"}), COUNT) == (job.needs, job.pending)


def test_the_teaching_mode_and_the_journey_through_the_queue(queue, redis_url, photos, tmp_path, capfd):
    """A worker for io takes what it cannot run, and says so; pictures that travel are read from no folder of ours."""
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    settings = WorkerSettings(
        name="worker-1", labels=frozenset({"io"}), slots=1, lease_seconds=5.0, routing="fifo", roots=(str(nowhere),)
    )
    worker = Worker(lambda: open_queue(redis_url), settings)
    thread = threading.Thread(target=worker.run)
    thread.start()
    there = (photos, "--executor", "redis", "--routing", "fifo", "--transport", "inline")
    try:
        good = report_of(capfd, *there, "-o", tmp_path / "good", "-f", "resize:24x")
        bad = report_of(capfd, *there, "-o", tmp_path / "bad", "-f", "sharpen")
    finally:
        worker.drain()
        thread.join()

    assert (COUNT, {}) == (good["done"], good["failures"])
    assert (0, {"WORKER_CAPABILITY_MISMATCH": COUNT}) == (bad["done"], bad["failures"])
    assert [] == list(nowhere.iterdir())


def test_a_queue_in_the_environment_changes_nothing_by_itself(queue, photos, tmp_path, capfd):
    """IMGPIPE_REDIS alone does not choose the executor; naming a queue does."""
    report_of(capfd, photos, "-o", tmp_path / "out", "-f", "blur")

    assert [] == queue.jobs()


def test_fail_fast_has_few_pictures_on_their_way(queue, tmp_path, picture_file, capfd):
    """Where the first failure is to end the run, hardly anything is done after it."""
    for number in range(60):
        picture_file(tmp_path / "many", f"{number:02}.png")
    (tmp_path / "many" / "00.png").write_bytes(b"no picture")
    with SmallWorker(queue):
        report = report_of(
            capfd, tmp_path / "many", "-o", tmp_path / "out", "-f", "blur", "--executor", "redis", "--fail-fast"
        )

    assert 1 == report["failed"]
    assert report["done"] < 40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--executor", "redis"), "redis: got None"),
        (("--executor", "threads", "--redis", "unix:///x"), "only --executor redis"),
        (("--redis", "unix:///x", "--sandbox"), "imgpipe worker --sandbox"),
        (("--redis", "unix:///x", "-j", "3"), "workers of its own"),
        (("--redis", "embedded", "--on-interrupt", "detach"), "its server ends with this command"),
    ],
)
def test_what_cannot_be(photos, tmp_path, capfd, options, words):
    """Options that contradict each other are refused before anything is done."""
    assert 2 == main(["process", str(photos), "-o", str(tmp_path / "out"), "-f", "blur", *options])
    assert words in capfd.readouterr().err


def test_submit_to_an_embedded_server(photos, tmp_path, capfd):
    """A server that ends with the command cannot be left with a job."""
    assert 2 == main(["jobs", "submit", str(photos), "-o", str(tmp_path / "out"), "--redis", "embedded"])
    assert "longer than this command" in capfd.readouterr().err


def test_embedded_and_killed(redis_binary, photos, tmp_path):
    """A command with a server and a worker of its own leaves neither behind, and the next run does the rest."""
    (tmp_path / "hanging.py").write_text(
        "import threading\nimport numpy as np\nfrom imgpipe import as_filter\n\n\n@as_filter(name='test.hang')\n"
        "def hang(pixels: np.ndarray) -> np.ndarray:\n    threading.Event().wait(600)\n    return pixels\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    arguments = (photos, "-o", tmp_path / "out", "--import", "hanging", "-f", "test.hang", "--redis", "embedded",
                 "-j", 1)  # fmt: skip
    with start(*arguments, env=environment) as process:
        assert process.stderr is not None
        assert f"{COUNT} pictures, redis" in process.stderr.readline()
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)

    assert len(family) >= 4
    assert [] == psutil.wait_procs(family, PATIENCE_SECONDS)[1]
    assert {} == tree(tmp_path / "out")
