"""process --metrics-port: a run can be watched from outside while it goes on, whoever executes it."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

import pytest

from imgpipe_cli.dashboard.local import LocalRun
from imgpipe_cli.dashboard.remote import Remote
from imgpipe_cli.main import main
from imgpipe_cli.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from imgpipe.monitor import Snapshot
    from imgpipe.task import Result


@pytest.fixture
def photos(tmp_path, picture_file) -> Path:
    """Return a folder of four pictures and one that is broken."""
    for number in range(4):
        picture_file(tmp_path / "photos", f"{number}.png")
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no picture at all")
    folder: Path = tmp_path / "photos"
    return folder


@pytest.fixture
def seen(monkeypatch) -> list[Snapshot]:
    """Return what somebody sees over HTTP after each result of a run."""
    said: list[str] = []
    snapshots: list[Snapshot] = []
    note = LocalRun.add

    def add(run: LocalRun, result: Result) -> None:
        note(run, result)
        found = re.search(r"--url (http://127\.0\.0\.1:\d+)", said[0])
        assert found is not None
        snapshots.append(Remote(found[1]).take())

    monkeypatch.setattr(Progress, "say", lambda _self, text: said.append(text))
    monkeypatch.setattr(LocalRun, "add", add)
    monkeypatch.setattr("imgpipe.web.broker._FRESH_SECONDS", 0.0)
    return snapshots


@pytest.mark.parametrize("executor", ["sequential", "threads", "processes"])
def test_run_is_seen_while_it_goes_on(photos, tmp_path, seen, executor):
    """One more is done with each look; the last look is the whole run."""
    arguments = ["process", str(photos), "-o", str(tmp_path / "small"), "-f", "resize:8x8", "-q"]
    workers = "1" if executor == "sequential" else "2"
    code = main([*arguments, "--executor", executor, "-j", workers, "--metrics-port", "0"])
    runs = [snapshot.runs[0] for snapshot in seen]
    last = seen[-1]

    assert 3 == code
    assert [(number, 5, "small") for number in range(1, 6)] == [(run.done, run.total, run.id) for run in runs]
    assert ["running"] * 4 + ["finished"] == [run.state for run in runs]
    assert (4, 1) == (last.queues[0].completed_total, last.queues[0].failed_total)
    assert [("UNREADABLE", 1)] == [(error.code, error.count) for error in last.errors]
    assert {os.path.basename(each.current.item or "") for each in seen[0].workers if each.current} <= {
        *(f"{number}.png" for number in range(4)), "bad.jpg"
    }  # fmt: skip


def test_port_that_is_taken(photos, tmp_path, capfd):
    """Nothing has been done when that is said."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert 2 == main(["process", str(photos), "-o", str(tmp_path / "out"), "--metrics-port", port])

    assert "metrics-port" in capfd.readouterr().err
    assert [] == list((tmp_path / "out").glob("*.png"))


def test_embedded_queue(photos, tmp_path, capfd):
    """Its server ends with the run; what can be watched instead is said."""
    arguments = ["process", str(photos), "-o", str(tmp_path / "out"), "--executor", "redis", "--redis", "embedded"]

    assert 2 == main([*arguments, "--metrics-port", "0"])
    assert "imgpipe up" in capfd.readouterr().err


def test_nobody_listens_unless_asked(photos, tmp_path, monkeypatch):
    """Without the option, nobody hears of a result but who did before."""
    monkeypatch.setattr(LocalRun, "__init__", None)

    assert 3 == main(["process", str(photos), "-o", str(tmp_path / "out"), "-q"])
