"""Benchmark of the queue: it runs, counts exactly, says who is missing, and its document is what its results say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="its workers are ended by POSIX signals"),
    pytest.mark.usefixtures("redis_binary"),
]


@pytest.mark.slow
def test_tasks_go_in_and_out_and_are_counted_exactly(tmp_path: Path):
    """Real workers do them, each once; a queue that is not installed is said to be missing; no path is kept."""
    results = tmp_path / "queue.json"
    command = [sys.executable, "-m", "benchmarks.queue", "noop", "million", "--systems", "imgpipe,huey"]
    command += ["--tasks", "400", "--rounds", "1", "--million", "3000", "--python", sys.executable]
    done = subprocess.run(
        [*command, "--work", str(tmp_path), "--results", str(results)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 0 == done.returncode, done.stdout + done.stderr
    text = results.read_text(encoding="utf-8")
    found = json.loads(text)
    assert {"huey": "not installed"} == found["noop"]["absent"]
    assert 0 < found["noop"]["medians"]["imgpipe"]["processed per second"]
    assert 3000 == found["million"]["executions"]
    assert {0} == set(found["million"]["misses"].values())
    assert str(tmp_path) not in text


def test_the_document_is_what_the_results_say(monkeypatch: pytest.MonkeyPatch):
    """Its tables are those of the results that are kept: nobody has edited them by hand, or forgotten them."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.chaos import document

    text = document.DOCUMENT.read_text(encoding="utf-8")

    assert text == document.written(text, document.RESULTS)
