"""Recording, plain lines and pictures: the other ways in which a snapshot leaves the dashboard."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings

from fleet_samples import RUN, SNAPSHOT, any_snapshot
from imgpipe.errors import BadOption
from imgpipe.monitor import Snapshot  # noqa: TC001 - hypothesis reads the annotation
from imgpipe_cli.dashboard.export import export
from imgpipe_cli.dashboard.frame import render
from imgpipe_cli.dashboard.painter import Painter, svg
from imgpipe_cli.dashboard.plain import plain_line
from imgpipe_cli.dashboard.recording import Replay, recorded
from sample_frames import sample_scene


def test_what_was_recorded_is_replayed():
    """Each look comes back as it was, in order, then the end."""
    others = iter([SNAPSHOT, replace(SNAPSHOT, namespace="b"), None])
    file = io.StringIO()
    take = recorded(lambda: next(others), file)
    for _ in range(3):
        take()
    file.seek(0)
    replay = Replay(file, "rec.jsonl")

    assert [SNAPSHOT, replace(SNAPSHOT, namespace="b"), None, None] == [replay.take() for _ in range(4)]


@pytest.mark.parametrize("line", ["not json", "{}", "[" * 100_000, '{"schema": "imgpipe.metrics/1"}'])
def test_line_that_is_no_document_is_named(line):
    """The next one is read all the same."""
    file = io.StringIO()
    recorded(lambda: SNAPSHOT, file)()
    replay = Replay(io.StringIO(line + "\n" + file.getvalue()), "rec.jsonl")

    with pytest.raises(BadOption, match=r"rec\.jsonl, line 1"):
        replay.take()
    assert SNAPSHOT == replay.take()


def test_plain_line_has_names_and_values():
    """The names are those that scripts rely on."""
    pairs = dict(pair.split("=", 1) for pair in plain_line(SNAPSHOT, "14:03:21").split(" "))

    assert {
        "t": "14:03:21",
        "run": "thumbs-2024",
        "done": "6841204/10000000",
        "rate": "398",
        "eta_p50": "7920",
        "eta_p90": "9060",
        "ok": "6839880",
        "failed": "1324",
        "workers": "3",
        "lost": "1",
        "stuck": "1",
        "cpu.ready": "3912",
        "cpu.oldest": "9.8",
        "cpu.slots": "24/24",
        "io.ready": "12",
        "io.oldest": "0.1",
        "io.slots": "4/8",
        "cpu.advice": "SCALE_UP:12->17",
    } == pairs


def test_plain_line_of_what_is_unknown():
    """A dash, never a 0."""
    run = replace(RUN, total=None, eta_seconds=None)

    assert "done=6841204/- rate=398 eta_p50=- eta_p90=-" in plain_line(replace(SNAPSHOT, runs=(run,)), "")


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(any_snapshot())
def test_any_snapshot_is_one_line(snapshot: Snapshot):
    """No name can end the line or act on a terminal."""
    line = plain_line(snapshot, "14:03:21")

    assert [line] == line.splitlines()
    assert "\x1b" not in line


def test_paint_keeps_the_text():
    """Without a terminal there are no colours; with one, what is between them is the same."""
    lines = render(sample_scene(), 100, 30)
    plain = [line.plain for line in lines]

    assert plain == Painter(is_terminal=False).paint(lines)
    assert plain == [re.sub(r"\x1b\[[\d;]*m", "", line) for line in Painter(is_terminal=True).paint(lines)]


def test_no_color(monkeypatch):
    """NO_COLOR is respected, LINES and COLUMNS are not."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "10")
    painted = Painter(is_terminal=True).paint(render(sample_scene(), 100, 30))

    assert not any(re.search(r"\x1b\[[\d;]*3\dm", line) for line in painted)
    assert 100 <= len(painted[5])


def test_picture_is_the_same_every_time_and_asks_nobody():
    """It is well-formed, has all lines, and no address but that of its own language."""
    picture = svg(render(sample_scene(), 120, 36), 120)

    assert picture == svg(render(sample_scene(), 120, 36), 120)
    assert "thumbs-2024" in "".join(ET.fromstring(picture).itertext())
    assert {"http://www.w3.org/2000/svg"} == set(re.findall(r"https?://[^\"\s)]+", picture))


def test_export_writes_both_files_and_replaces_none(tmp_path, monkeypatch):
    """A second export of the same moment says that it is there."""
    monkeypatch.chdir(tmp_path)
    lines = render(sample_scene(), 100, 30)
    first, second = export(SNAPSHOT, lines, 100), export(SNAPSHOT, lines, 100)

    (document,) = tmp_path.glob("imgpipe-monitor-*.json")
    assert "written: " in first
    assert "cannot be written: File exists" in second
    assert "prod" == json.loads(document.read_text())["namespace"]
    assert [document.with_suffix(".svg")] == list(tmp_path.glob("*.svg"))
