"""Scorecard, small: rows that no other test plays, in their short form; a failure prints its seed.

The others are in the suite already: R1, R3, R4 and R8 in tests/chaos, R2 and R6 in tests/executors/test_processes.py,
R7 in tests/cli/test_interruption.py, S1 in tests/test_corpus.py, S3 in tests/pictures/test_header.py, S4 in tests/web,
S6 in tests/executors/test_sandbox.py. S7 waits for the queue to survive bytes in its lists that are not its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and terminals")


@pytest.mark.slow
@pytest.mark.usefixtures("redis_binary")
@pytest.mark.parametrize("row", ["R5", "S2", "S5", "S8", "L1"])
def test_row(tmp_path: Path, row: str):
    """The promise of this row is kept, and told in one line."""
    path = os.pathsep.join(str(ROOT / part) for part in ("src", "cli", ".", "tests"))
    command = [sys.executable, "-m", "benchmarks.scorecard", "--short", "--only", row, "--work", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert [row] == [line[:2] for line in done.stdout.splitlines()]
    assert "  ok  " in done.stdout


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the runner, with rows of its own."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.scorecard import __main__ as runner
    from benchmarks.scorecard import local, row

    def missing(order: Any) -> Any:
        return row.Found("1 of 2", {"half of it": 1, "nothing else": 0})

    def broken(order: Any) -> Any:
        raise OSError("gone")

    monkeypatch.setattr(local, "poison", missing)
    monkeypatch.setattr(local, "resumed", broken)
    monkeypatch.setattr(runner, "leave_nothing_behind", lambda: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return runner


def test_a_miss_is_named_and_fails(main: Any, tmp_path: Path, monkeypatch, capsys):
    """What was missed is told, what broke is a miss, the other rows are played, and the exit code says so."""
    monkeypatch.setattr(sys, "argv", ["scorecard", "--only", "R6,R7", "--seed", "3", "--work", str(tmp_path)])
    code = main.main()
    lines = capsys.readouterr().out.splitlines()

    assert 1 == code
    assert '1 of 2; missed: {"half of it": 1} (seed 3,' in lines[0]
    assert '{"broken": "OSError: gone"}' in lines[1]
    assert "missed: R6, R7" == lines[2]


def test_rows_that_are_not_there(main: Any, monkeypatch, capsys):
    """An unknown row is refused by its name."""
    monkeypatch.setattr(sys, "argv", ["scorecard", "--only", "R99"])
    with pytest.raises(SystemExit):
        main.main()

    assert "there is no R99" in capsys.readouterr().err
