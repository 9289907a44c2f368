"""process: the main command as a user runs it, on real files."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

from imgpipe_cli.main import main
from looking import look


@pytest.fixture
def photos(tmp_path, picture_file) -> Path:
    """Return a folder of five pictures in two levels, and a text that is none."""
    folder: Path = tmp_path / "photos"
    for name in ("a.jpg", "b.png", "sub/c.webp", "sub/d.tif", "sub/deep/e.gif"):
        picture_file(folder, name)
    (folder / "notes.txt").write_text("no picture")
    return folder


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


def tree(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder with their bytes, without imgpipe's own."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".imgpipe" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def events(text: str) -> list[dict[str, Any]]:
    """Return the events of a run with --json."""
    return [json.loads(line) for line in text.splitlines()]


def test_a_folder_is_mirrored(run, photos, tmp_path):
    """Every picture below the input has its result at the same place below the output."""
    code, out, _ = run("process", photos, "-o", tmp_path / "out", "-f", "resize:24x")

    assert 0 == code
    assert ["a.jpg", "b.png", "sub/c.webp", "sub/d.tif", "sub/deep/e.gif"] == sorted(tree(tmp_path / "out"))
    assert "5 of 5 pictures" in out
    assert f"results: {tmp_path / 'out'}" in out
    assert {24} == {look(tmp_path / "out" / name)[1] for name in tree(tmp_path / "out")}


def test_a_second_run_does_nothing(run, photos, tmp_path):
    """What is up to date is left alone; what changed, or was added, is done."""
    arguments = ("process", photos, "-o", tmp_path / "out", "-f", "resize:24x")
    run(*arguments)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*g")}
    code, out, _ = run(*arguments)

    assert (0, True) == (code, "5 skipped" in out)
    assert before == {path: path.stat().st_mtime_ns for path in before}

    shutil.copy(photos / "a.jpg", photos / "new.jpg")
    Image.new("RGB", (30, 30)).save(photos / "b.png")

    assert "2 of 6 pictures" in run(*arguments)[1]
    assert "6 of 6 pictures" in run("process", photos, "-o", tmp_path / "out", "-f", "resize:20x")[1]


@pytest.mark.parametrize("executor", ["sequential", "threads", "thread", "seq", "processes", "multiprocessing", "auto"])
def test_executors_write_the_same_bytes(run, photos, tmp_path, executor):
    """The executor decides where the work is done, never what comes out."""
    run("process", photos, "-o", tmp_path / "one", "-f", "resize:24x | blur:1 | sharpen", "--executor", "sequential")
    code, _, _ = run(
        "process", photos, "-o", tmp_path / "two", "-f", "resize:24x", "-f", "blur:1", "-f", "sharpen",
        "--executor", executor, "-j", 3,
    )  # fmt: skip

    assert 0 == code
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_failures_are_told_and_can_be_retried(run, photos, tmp_path):
    """One bad file makes exit code 3 and is named with its reason; the rest is done; a retry takes it alone."""
    (photos / "bad.jpg").write_bytes((photos / "a.jpg").read_bytes()[:400])
    arguments = ("process", photos, "-o", tmp_path / "out", "-f", "blur")
    code, out, _ = run(*arguments)

    assert 3 == code
    assert "1 failed" in out
    assert f"TRUNCATED\n        {photos}/bad.jpg" in out
    assert f"retry only these:  imgpipe process {photos} -o {tmp_path / 'out'} -f blur --retry-failed" in out
    assert "bad.jpg" not in tree(tmp_path / "out")

    shutil.copy(photos / "a.jpg", photos / "bad.jpg")
    shutil.copy(photos / "a.jpg", photos / "later.jpg")
    code, out, _ = run(*arguments, "--retry-failed")

    assert (0, True) == (code, "1 of 1 pictures" in out)
    assert "later.jpg" not in tree(tmp_path / "out")


def test_dry_run_writes_nothing(run, photos, tmp_path):
    """The plan shows what would be made from what, what is refused and why, and which executor would do it."""
    Image.new("I;16", (60, 60)).save(photos / "deep.png")
    code, out, _ = run("process", photos, "-o", tmp_path / "out", "-f", "resize:24x", "--dry-run")

    assert 3 == code
    assert not (tmp_path / "out").exists()
    assert "a.jpg → " in out
    assert "24x16 jpeg" in out
    assert "SIXTEEN_BIT" in out
    assert "6 pictures" in out
    assert "5 to process, 0 to copy, 0 to skip, 1 refused" in out
    assert "1 other files ignored" in out
    assert "threads with" in out or "sequential with" in out


def test_dry_run_as_json(run, photos, tmp_path):
    """For machines the plan is a line for each picture and one with the sums."""
    lines = events(run("process", photos, "-o", tmp_path / "out", "-f", "resize:24x", "--dry-run", "--json")[1])

    assert ["item"] * 5 + ["plan"] == [line["type"] for line in lines]
    assert (5, 5, 1) == (lines[-1]["pictures"], lines[-1]["process"], lines[-1]["ignored"])
    assert (24, 16) == (lines[0]["width"], lines[0]["height"])


def test_json_events(run, photos, tmp_path):
    """Events begin with start and end with the summary; stdout has nothing else."""
    (photos / "bad.jpg").write_bytes(b"no picture")
    code, out, _ = run("process", photos, "-o", tmp_path / "out", "-f", "blur", "--json", "--json-items")
    lines = events(out)

    assert 3 == code
    assert {"imgpipe.events/1"} == {line["schema"] for line in lines}
    assert ("start", "summary") == (lines[0]["type"], lines[-1]["type"])
    assert (6, 1) == (lines[0]["pictures"], lines[0]["ignored"])
    assert 6 == sum(line["type"] == "item" for line in lines)
    assert ["UNREADABLE"] == [line["code"] for line in lines if line["type"] == "error"]
    assert (5, 1, {"UNREADABLE": 1}) == (lines[-1]["done"], lines[-1]["failed"], lines[-1]["failures"])


def test_report_files(run, photos, tmp_path):
    """A line for every picture, as JSON lines or as a table; the JSON one serves as a manifest."""
    run("process", photos, "-o", tmp_path / "one", "-f", "blur", "--report", tmp_path / "run.csv")
    run("process", photos, "-o", tmp_path / "two", "-f", "blur", "--report", tmp_path / "run.jsonl")
    with (tmp_path / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert {"done"} == {row["outcome"] for row in rows}
    assert 5 == len(rows)

    code, out, _ = run(
        "process", f"@{tmp_path / 'run.jsonl'}", "-o", tmp_path / "three", "-f", "blur", "--base", photos
    )

    assert (0, True) == (code, "5 of 5" in out)
    assert tree(tmp_path / "two") == tree(tmp_path / "three")


def test_one_file_to_one_file(run, photos, tmp_path):
    """A name with a picture's extension as output is the file, and says its format."""
    code, _, _ = run("process", photos / "a.jpg", "-o", tmp_path / "small.png", "-f", "resize:10x")

    assert 0 == code
    assert ("PNG", 10) == look(tmp_path / "small.png")[:2]


def test_format_and_names(run, photos, tmp_path):
    """Results are named by the template and carry the extension of their format."""
    run("process", photos, "-o", tmp_path / "out", "--format", "webp", "--quality", 50, "--name", "{n:03}-{stem}{ext}",
        "--exclude", "*.gif")  # fmt: skip

    assert ["001-a.webp", "002-b.webp", "003-c.webp", "004-d.webp"] == sorted(tree(tmp_path / "out"))


def test_collisions_end_before_the_start(run, photos, tmp_path, picture_file):
    """Two inputs for one output are found before anything is written."""
    picture_file(photos, "A.png")
    code, out, err = run("process", photos, "-o", tmp_path / "out", "--format", "jpeg")

    assert (2, "") == (code, out)
    assert "would both be written to" in err
    assert not (tmp_path / "out").exists()


def test_foreign_files_are_not_replaced(run, photos, tmp_path):
    """A file that imgpipe did not write stays, unless the user says otherwise."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").write_text("mine")
    code, out, _ = run("process", photos, "-o", tmp_path / "out", "-f", "blur")

    assert 3 == code
    assert "TARGET_EXISTS" in out
    assert "--on-exists overwrite" in out
    assert "mine" == (tmp_path / "out" / "a.jpg").read_text()

    assert 0 == run("process", photos, "-o", tmp_path / "out", "-f", "blur", "--on-exists", "overwrite")[0]
    assert "JPEG" == look(tmp_path / "out" / "a.jpg")[0]


def test_in_place_never_works_twice(run, photos):
    """In place the pictures themselves are replaced, and a second run leaves them alone."""
    code, _, _ = run("process", photos, "--in-place", "-f", "resize:24x")
    once = tree(photos)
    code_again, out, _ = run("process", photos, "--in-place", "-f", "resize:24x")

    assert (0, 0) == (code, code_again)
    assert 24 == look(photos / "a.jpg")[1]
    assert once == tree(photos)
    assert "5 skipped" in out


def test_output_is_not_an_input(run, photos):
    """Writing into the input folder is refused, with both ways out."""
    before = tree(photos)
    code, _, err = run("process", photos, "-o", photos, "-f", "blur")

    assert 2 == code
    assert "--in-place" in err
    assert before == tree(photos)


def test_recipe_file_with_filters_and_options(run, photos, tmp_path):
    """A TOML recipe holds filters and options; options of the command go before it."""
    recipe = tmp_path / "web.toml"
    recipe.write_text('[[filters]]\nname = "resize"\nwidth = 30\n\n[write]\nformat = "webp"\nquality = 40\n')
    run("process", photos / "a.jpg", "-o", tmp_path / "one", "--recipe", recipe)
    run("process", photos / "a.jpg", "-o", tmp_path / "two", "--recipe", recipe, "--format", "png", "-f", "grayscale")

    assert ("WEBP", 30, 20, "RGB") == look(tmp_path / "one" / "a.webp")
    assert ("PNG", 30, 20, "L") == look(tmp_path / "two" / "a.png")


def test_the_json_form_of_a_pipeline(run, photos, tmp_path):
    """The form that the HTTP interface takes is taken here as well, as a filter and as a recipe."""
    data = {
        "filters": ["resize", "blur"],
        "filter_params": {"resize": {"width": 800, "height": 12}, "blur": {"radius": 3.0}},
    }
    (tmp_path / "recipe.json").write_text(json.dumps(data))
    run("process", photos, "-o", tmp_path / "one", "-f", json.dumps(data))
    run("process", photos, "-o", tmp_path / "two", "--recipe", tmp_path / "recipe.json")
    run("process", photos, "-o", tmp_path / "three", "-f", "resize:800x12 | blur:3")

    assert 12 == look(tmp_path / "one" / "a.jpg")[2]
    assert tree(tmp_path / "one") == tree(tmp_path / "two") == tree(tmp_path / "three")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-f", "shapren"], 2, "did you mean sharpen?"),
        (["-f", "resize:0x10", "-f", "blur:radius=inf"], 2, "filter 2, blur.radius"),
        (["--executor", "gpu"], 2, "one of auto, sequential, threads, processes"),
        (["-j", "0"], 2, "neither auto nor a whole number above 0"),
        (["--max-memory", "lots"], 2, "is not a size"),
        (["--quality", "101"], 2, "--quality"),
        (["--background", "pink"], 2, "background"),
        (["--name", "{nme}"], 2, "{name}"),
        (["--recipe", "none.toml"], 2, "recipe: got 'none.toml'"),
        (["--report", "run.txt"], 2, "report"),
        (["--import", "no_such_module"], 2, "no_such_module"),
        (["--include", "*.xyz"], 4, ""),
    ],
)
def test_what_cannot_be_right_is_refused_before_the_start(run, photos, tmp_path, arguments, code, message):
    """Each mistake ends with its exit code and a message that says what would be right; nothing is written."""
    result, out, err = run("process", photos, "-o", tmp_path / "out", *arguments)

    assert (code, "") == (result, out)
    assert message in err
    assert {} == tree(tmp_path / "out") if (tmp_path / "out").exists() else True


def test_missing_inputs_have_an_exit_code_of_their_own(run, tmp_path):
    """Nothing to do is code 4, and the name that matched nothing is told."""
    code, _, err = run("process", tmp_path / "nowhere", "-o", tmp_path / "out")

    assert 4 == code
    assert "nowhere" in err


def test_limits_are_options(run, photos, tmp_path):
    """Pictures above the limit are refused from their headers, with the option that would let them in."""
    code, out, _ = run("process", photos, "-o", tmp_path / "out", "-f", "blur", "--max-pixels", "0.001MP")

    assert 3 == code
    assert "5 TOO_LARGE" in out
    assert "--max-pixels" in out


def test_fail_fast_stops_the_run(run, tmp_path, picture_file):
    """The first failure stops what has not begun, and the screen says so."""
    for number in range(50):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number:02}.jpg").write_bytes(b"no picture")
    code, out, _ = run("process", tmp_path / "in", "-o", tmp_path / "out", "--fail-fast", "--executor", "sequential")

    assert 3 == code
    assert "stopped: more than 0 pictures failed" in out
    assert "✗ 1 failed" in out or "!! 1 failed" in out


def test_names_cannot_act_on_the_terminal(run, tmp_path, picture_file):
    """Control characters, markup and broken encodings in names are shown as escapes and processed as they are."""
    names = ["\x1b]0;owned\x07.jpg", "[red]x[bold].png", "line\nbreak.jpg", "rtl\u202e.jpg", "-o.jpg", "a%2e{b}.jpg"]
    for name in names:
        picture_file(tmp_path / "in", name)
    raw = os.fsencode(tmp_path / "in") + b"/lone\xff.jpg"
    shutil.copy(tmp_path / "in" / "-o.jpg", raw)
    (tmp_path / "in" / "bad\x1b[2J\x9b.jpg").write_bytes(b"x")
    code, out, err = run(
        "process", tmp_path / "in", "-o", tmp_path / "out", "-f", "blur", "--report", tmp_path / "r.jsonl"
    )
    made = {os.fsencode(path.name) for path in (tmp_path / "out").iterdir() if path.is_file()}

    assert 3 == code
    assert {b"lone\xff.jpg", *(os.fsencode(name) for name in names)} == made
    assert all(char == "\n" or char.isprintable() for char in out + err)

    assert 3 == run("process", tmp_path / "in", "-o", tmp_path / "out2", "-f", "blur", "--dry-run")[0]


def test_special_files_do_not_block(run, tmp_path, picture_file):
    """A pipe, a device, a folder and a loop of links, all named like pictures, fail at once when they are named."""
    folder = tmp_path / "in"
    picture_file(folder, "good.jpg")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "gone.jpg").symlink_to("nowhere")
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in sorted(folder.iterdir())))
    code, out, _ = run("process", f"@{listed}", "-o", tmp_path / "out", "-f", "blur")

    assert 3 == code
    assert "4 NOT_A_FILE" in out
    assert "1 NOT_FOUND" in out
    assert ["good.jpg"] == list(tree(tmp_path / "out"))


def test_a_read_only_output_is_found_before_the_start(run, photos, tmp_path):
    """Where the output cannot be written, no picture is decoded in vain."""
    (tmp_path / "out").write_text("a file, not a folder")
    code, _, err = run("process", photos, "-o", tmp_path / "out", "-f", "blur")

    assert 2 == code
    assert "output" in err


def test_quiet_says_nothing_when_all_is_well(run, photos, tmp_path):
    """With -q only failures are shown."""
    assert (0, "", "") == run("process", photos, "-o", tmp_path / "out", "-f", "blur", "-q")


def test_filters_of_ones_own(run, photos, tmp_path, monkeypatch):
    """A module with filters, in the current folder, is imported by name, and its filters work like the others."""
    (tmp_path / "my_filters.py").write_text(
        "import numpy as np\nfrom imgpipe import as_filter\n\n\n@as_filter(name='test.red')\n"
        "def red(pixels: np.ndarray) -> np.ndarray:\n    out = pixels.copy()\n    out[..., 1:] = 0\n    return out\n"
    )
    monkeypatch.setattr("sys.path", [path for path in sys.path if path])
    monkeypatch.chdir(tmp_path)
    code, _, _ = run("process", photos / "b.png", "-o", tmp_path / "out", "--import", "my_filters", "-f", "test.red")

    assert 0 == code
    with Image.open(tmp_path / "out" / "b.png") as image:
        assert ((0, 0), (0, 0)) == image.getextrema()[1:]
