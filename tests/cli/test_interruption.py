"""Interruption: a run that is stopped at any point, by any signal, and run again ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

COUNT = 40
STEPS = ("-f", "resize:200x150", "-f", "sharpen")
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Return a folder of pictures that take a few milliseconds each."""
    from imgpipe.samples import sample

    folder: Path = tmp_path_factory.mktemp("photos")
    for number in range(4):
        (folder / str(number)).mkdir()
        sample(number, 400, 300).save(folder / "0.jpg", quality=85)
        data = (folder / "0.jpg").read_bytes()
        for copy in range(COUNT // 4):
            (folder / str(number) / f"{copy:02}.jpg").write_bytes(data)
    (folder / "0.jpg").unlink()
    return folder


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory) -> dict[str, bytes]:
    """Return what an uninterrupted run makes of the photos."""
    output = tmp_path_factory.mktemp("finished")
    with start(photos, "-o", output) as process:
        assert 0 == process.wait(PATIENCE_SECONDS)
    return tree(output)


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start the command in a session of its own, so that a signal reaches it alone."""
    command = [
        sys.executable,
        "-m",
        "imgpipe",
        "process",
        *map(str, arguments),
        *STEPS,
        "-j",
        "2",
        "--json",
        "--json-items",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for_items(process: subprocess.Popen[str], count: int) -> None:
    """Read events until `count` pictures have a result."""
    assert process.stdout is not None
    while count and (line := process.stdout.readline()):
        count -= json.loads(line)["type"] == "item"
    assert 0 == count


def tree(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, half-written ones included, without the ledger."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".imgpipe" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("executor", ["sequential", "threads", "processes"])
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_a_random_point(photos, finished, tmp_path, seed, executor):
    """SIGKILL leaves whole outputs only; the next run does the rest and nothing twice."""
    point = random.Random(seed).randrange(COUNT - 4)
    with start(photos, "-o", tmp_path, "--executor", executor) as process:
        wait_for_items(process, point)
        process.kill()
        process.wait(PATIENCE_SECONDS)
    half = {name: data for name, data in tree(tmp_path).items() if not Path(name).name.startswith(".imgpipe-")}

    assert half.items() <= finished.items()

    with start(photos, "-o", tmp_path, "--executor", executor) as process:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    summary = json.loads(out.splitlines()[-1])

    assert (0, "") == (process.returncode, err)
    assert COUNT == summary["done"] + summary["skipped"]
    assert summary["skipped"] >= point - 64
    assert finished == tree(tmp_path)


@pytest.mark.parametrize("executor", ["sequential", "threads", "processes"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_finishes_what_is_in_work(photos, finished, tmp_path, number, code, executor):
    """Ctrl-C ends the run with whole outputs, its own exit code, a summary, and nothing half-written."""
    with start(photos, "-o", tmp_path, "--executor", executor) as process:
        wait_for_items(process, 5)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    summary = json.loads(out.splitlines()[-1])

    assert code == process.returncode
    assert "Ctrl-C again" in err
    assert ("summary", "interrupted") == (summary["type"], summary["stopped"])
    assert 5 <= summary["done"] < COUNT
    assert summary["done"] == len(tree(tmp_path))
    assert tree(tmp_path).items() <= finished.items()

    with start(photos, "-o", tmp_path) as process:
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert COUNT - summary["done"] == json.loads(out.splitlines()[-1])["done"]
    assert finished == tree(tmp_path)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_the_second_signal_drops_what_is_in_work(photos, finished, tmp_path, executor):
    """A picture that hangs does not hold up the second Ctrl-C, and its temporary file goes with it."""
    (tmp_path / "hanging.py").write_text(
        "import threading\nimport numpy as np\nfrom imgpipe import as_filter\n\n\n@as_filter(name='test.hang')\n"
        "def hang(pixels: np.ndarray) -> np.ndarray:\n    threading.Event().wait(600)\n    return pixels\n"
    )
    command = [
        sys.executable, "-m", "imgpipe", "process", str(photos), "-o", str(tmp_path / "out"), "--import", "hanging",
        "-f", "test.hang", "--executor", executor, "-j", "2", "--json",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "start" == json.loads(process.stdout.readline())["type"]
        process.send_signal(signal.SIGINT)
        assert "Ctrl-C again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_SECONDS)

    assert 130 == process.returncode
    assert {} == tree(tmp_path / "out")


def test_in_place_survives_being_killed(photos, finished, tmp_path):
    """In place, a killed run must not lead to a picture being processed twice."""
    for seed in range(3):
        folder = tmp_path / str(seed)
        for name in finished:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((photos / name).read_bytes())
        with start(folder, "--in-place") as process:
            wait_for_items(process, random.Random(seed).randrange(1, COUNT - 4))
            process.kill()
            process.wait(PATIENCE_SECONDS)
        with start(folder, "--in-place") as process:
            process.communicate(timeout=PATIENCE_SECONDS)

        assert 0 == process.returncode
        assert finished == tree(folder)


def test_two_runs_into_one_folder(photos, tmp_path):
    """A second run into the same folder is told so at once, with exit code 8."""
    with start(photos, "-o", tmp_path) as first:
        wait_for_items(first, 1)
        first.send_signal(signal.SIGSTOP)
        with start(photos, "-o", tmp_path) as second:
            _, err = second.communicate(timeout=PATIENCE_SECONDS)
        first.send_signal(signal.SIGCONT)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=PATIENCE_SECONDS)

    assert 8 == second.returncode
    assert f"another run (process {first.pid})" in err
