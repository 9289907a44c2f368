"""Chaos, small: the scenarios of `make chaos` with two workers and a few faults; a failure prints its seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals"),
    pytest.mark.usefixtures("redis_binary"),
]


def chaos(work: Path, *arguments: str) -> str:
    """Play a scenario as `make chaos` does; return its verdict."""
    command = [sys.executable, "-m", "benchmarks.chaos", *arguments, "--workers", "2", "--work", str(work)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_killed_workers_lose_nothing(tmp_path: Path):
    """Workers die with all they have; every picture is there, whole, counted once, and no temporary file is left."""
    verdict = chaos(tmp_path, "kill", "--tasks", "2400", "--least-kills", "3", "--most-kills", "6", "--lease", "1")

    assert verdict.startswith("kill: ok · seed ")


@pytest.mark.slow
def test_frozen_workers_change_nothing(tmp_path: Path):
    """Workers that are stopped beyond their lease come back and leave every finished file as it is."""
    verdict = chaos(tmp_path, "zombie", "--tasks", "400", "--stops", "4", "--lease", "0.5")

    assert verdict.startswith("zombie: ok · seed ")


@pytest.mark.slow
def test_redis_comes_back_to_a_run_that_goes_on(tmp_path: Path):
    """Redis is killed, frozen and filled up; nothing is lost, and nobody has to be started again."""
    verdict = chaos(
        tmp_path, "redis", "--tasks", "1500", "--lease", "1",
        "--redis-kills", "1", "--pauses", "1", "--pause-seconds", "2", "--fulls", "1",
    )  # fmt: skip

    assert verdict.startswith("redis: ok · seed ")


@pytest.fixture
def _harness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make its modules importable."""
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.usefixtures("_harness")
def test_the_oracle_sees_each_fault(tmp_path: Path):
    """A file that is missing, other bytes, a temporary file, one that was written again: each is counted once."""
    from benchmarks.chaos.oracle import faults_of
    from benchmarks.chaos.scene import digest, identity

    for name in ("good", "corrupt", "changed", ".imgpipe-0123abcd-1-0123abcd-0.tmp", ".imgpipe.sqlite"):
        (tmp_path / name).write_text(name, encoding="ascii")
    whole = {name: digest(tmp_path / "good") for name in ("good", "corrupt", "lost")}
    whole["changed"] = digest(tmp_path / "changed")
    seen = {name: identity(str(tmp_path / name)) for name in ("good", "changed")}
    (tmp_path / "new").write_text("changed", encoding="ascii")
    (tmp_path / "new").replace(tmp_path / "changed")

    assert {"lost": 1, "corrupt": 1, "litter": 1, "changed": 1} == faults_of(tmp_path, whole, seen)


@pytest.mark.usefixtures("_harness")
def test_the_spread_of_times_is_that_of_all_of_them():
    """The 99th percentile of a few is the largest, of a hundred the last but one; of none there is nothing to say."""
    from benchmarks.chaos import recovery

    assert {"count": 0} == recovery.spread([])
    assert {"count": 3, "p50": 2.0, "p99": 3.0, "max": 3.0} == recovery.spread([3.0, 1.0, 2.0])
    assert 99.0 == recovery.spread([float(number) for number in range(1, 101)])["p99"]
