"""compare: the command as a user runs it, on a few small pictures; no time is asserted."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from comparison_samples import register_chance
from imgpipe.compare import comparison
from imgpipe_cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _short_look(monkeypatch) -> None:
    """Nobody waits to see how busy the machine is."""
    monkeypatch.setattr(comparison, "_LOOK_AT_LOAD_SECONDS", 0.01)


@pytest.fixture
def photos(tmp_path, picture_file) -> Path:
    """Return a folder of two pictures."""
    folder: Path = tmp_path / "photos"
    picture_file(folder, "a.jpg")
    picture_file(folder, "b.png")
    return folder


@pytest.fixture
def run(capfd):
    """Return a function that runs the command quickly and gives its exit code, stdout and stderr."""

    def command(*arguments: object, few: bool = True) -> tuple[int, str, str]:
        options = ["--executors", "threads", "--workers", "2", "--reps", "2", "--quick"] if few else []
        code = main(["compare", *map(str, arguments), *options])
        out, err = capfd.readouterr()
        return code, out, err

    return command


@pytest.fixture
def quick(run) -> Any:
    """Return the document of a quick comparison, as small as it can be with all executors and pipelines."""
    code, out, _ = run("--quick", "--json", "--reps", "1", "--workers", "1,2", few=False)
    assert 0 == code
    return json.loads(out)


def test_quick_needs_nothing(quick):
    """Without a picture and a filter, three pipelines are compared, and all outputs are the same."""
    pipelines = quick["pipelines"]

    assert ("imgpipe.compare/1", True) == (quick["schema"], quick["identical"])
    assert ["resize", "sharpen", "teach.pyblur"] == [pipeline["name"] for pipeline in pipelines]
    for pipeline in pipelines:
        cells = [(cell["executor"], cell["workers"]) for cell in pipeline["cells"]]
        assert [("sequential", 1), ("threads", 1), ("threads", 2), ("processes", 1), ("processes", 2)] == cells
        assert {1} == {len(cell["seconds"]) for cell in pipeline["cells"]}
        assert [] == pipeline["differences"]
    gil_shares = [pipeline["prediction"]["gil_share"] for pipeline in pipelines]
    assert None in gil_shares or max(gil_shares) == gil_shares[-1]


def test_screen(run, photos):
    """What the numbers depend on, the prediction before the table, the reasons after it, and what to type next."""
    code, out, err = run(photos, "-f", "blur")

    assert 0 == code
    assert "measuring blur: 6 passes" in err
    places = [out.index(text) for text in ("predicted  blur: ", "compare  ", " pipeline ", "why\n", " next: imgpipe")]
    assert sorted(places) == places
    assert "OpenCV threads 1" in out
    assert "outputs identical ✓" in out
    assert "threads ×2: measured" in out
    assert "\x1b" not in out + err


def test_explain(run, photos):
    """The columns are explained, fits are told or refused, and letters show who did what."""
    _, out, _ = run(photos, "-f", "blur", "--explain")

    assert "how to read it" in out
    assert "no fit" in out  # of one worker count
    assert "blur, 2 threads" in out


def test_filters_are_one_pipeline(run, photos):
    """Several filters are one pipeline, as for process; its name is what was typed."""
    _, out, _ = run(photos, "-f", "resize:24x", "-f", "sharpen", "--json")

    (pipeline,) = json.loads(out)["pipelines"]
    assert ("resize:24x | sharpen", "resize:width=24 | sharpen") == (pipeline["name"], pipeline["pipeline"])
    assert 2 == pipeline["pictures"]


def test_json_is_one_document(run, photos):
    """Nothing but the document is on stdout; raw repetitions are in it."""
    code, out, err = run(photos, "-f", "blur", "--json")

    document = json.loads(out)
    assert 0 == code
    assert 1 == out.count("\n")
    assert "predicted  blur" in err
    assert [2, 2] == [len(cell["seconds"]) for cell in document["pipelines"][0]["cells"]]


def test_chance_is_found_out(run, photos, monkeypatch):
    """A filter that gives other pixels each time ends with code 7, and the difference is named."""
    register_chance(monkeypatch)

    code, out, _ = run(photos, "-f", "test.chance")

    assert 7 == code
    assert "OUTPUTS DIFFER" in out
    assert "test.chance: " in out
    assert str(photos / "a.jpg") in out
    assert "sequential differs from itself" in out


def test_pictures_are_drawn(run, photos, tmp_path):
    """--plot draws curves as its extension says; --trace writes events, and draws them beside."""
    code, out, _ = run(photos, "-f", "blur", "--plot", tmp_path / "p.png", "--trace", tmp_path / "t.json")

    assert 0 == code
    assert "written: " in out
    with Image.open(tmp_path / "p.png") as image:
        assert "PNG" == image.format
    assert "traceEvents" in json.loads((tmp_path / "t.json").read_text())
    assert ET.parse(tmp_path / "t.svg").getroot().tag.endswith("svg")
    assert ["p.png", "photos", "t.json", "t.svg"] == sorted(os.listdir(tmp_path))


def test_plot_as_svg(run, photos, tmp_path):
    """The other format."""
    run(photos, "-f", "blur", "--plot", tmp_path / "p.SVG")

    assert ET.parse(tmp_path / "p.SVG").getroot().tag.endswith("svg")


def test_limit_takes_some_of_the_pictures(run, photos):
    """Of many pictures, some are taken, and that is said."""
    _, out, err = run(photos, "-f", "blur", "--limit", "1", "--json")

    assert 1 == json.loads(out)["pipelines"][0]["pictures"]
    assert "1 of 2 pictures" in err


def test_bad_picture_is_left_out(run, photos):
    """A picture that cannot be read is named, and the rest is compared."""
    (photos / "c.jpg").write_bytes(b"nothing")

    code, out, _ = run(photos, "-f", "blur")

    assert 0 == code
    assert f"left out {photos / 'c.jpg'}" in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--plot", "p.gif"], "plot: got 'p.gif', expected a file name that ends with .svg or .png"),
        (["--trace", "t.txt"], "trace: got 't.txt', expected a file name that ends with .json"),
        (["--trace", "p.json", "--plot", "p.svg"], "plot: got 'p.svg', expected another name"),
        (["--plot", "no/such/folder/p.svg"], "a file in a folder that can be written"),
        (["--workers", "0"], "whole numbers from 1 to 256"),
        (["--workers", "1,x"], "whole numbers from 1 to 256"),
        (["--executors", "sequential"], "threads or processes"),
        (["--executors", "auto"], "some of sequential, threads, processes"),
        (["--executors", "warp"], "executor: got 'warp'"),
        (["-f", "shapren"], "did you mean sharpen"),
    ],
)
def test_senseless_commands(run, arguments, reason):
    """What cannot be right is refused before anything is painted or measured."""
    code, out, err = run(*arguments, few=False)

    assert (2, "") == (code, out)
    assert reason in err
    assert "painting" not in err


def test_no_pictures(run, tmp_path):
    """A folder without pictures has nothing to compare."""
    code, _, err = run(tmp_path, "-f", "blur")

    assert 4 == code
    assert "no picture in" in err
