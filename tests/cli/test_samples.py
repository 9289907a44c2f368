"""samples: the command paints what was asked for, names it on stdout, and refuses what cannot be painted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgpipe_cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

SMALL = "--size=64x40"


def test_names_on_stdout(tmp_path: Path, capfd):
    """The paths of the pictures are the data, one a line; the rest stands on stderr."""
    folder = tmp_path / "new" / "folder"

    assert 0 == main(["samples", str(folder), "--count", "2", SMALL])
    out, err = capfd.readouterr()
    assert [str(folder / "sample-001.jpg"), str(folder / "sample-002.jpg")] == out.splitlines()
    assert "painting up to 2 pictures of 64x40 pixels\n" == err
    for path in folder.iterdir():
        with Image.open(path) as picture:
            assert ("JPEG", (64, 40)) == (picture.format, picture.size)


def test_json(tmp_path: Path, capfd):
    """With --json stdout is one document with the same paths."""
    assert 0 == main(["samples", str(tmp_path), "--count", "1", SMALL, "--json"])
    assert {
        "schema": "imgpipe.samples/1",
        "files": [str(tmp_path / "sample-001.jpg")],
    } == json.loads(capfd.readouterr().out)


def test_default_count(tmp_path: Path, capfd):
    """The help says how many there are without --count, and so many there are."""
    assert 0 == main(["samples", str(tmp_path), SMALL])
    assert 8 == len(list(tmp_path.iterdir())) == len(capfd.readouterr().out.splitlines())


def test_files_that_are_there_are_kept(tmp_path: Path, capfd):
    """A file of that name is not touched, whatever is in it, and is named all the same."""
    mine = tmp_path / "sample-001.jpg"
    mine.write_bytes(b"mine")

    assert 0 == main(["samples", str(tmp_path), "--count", "1", SMALL])
    assert b"mine" == mine.read_bytes()
    assert [str(mine)] == capfd.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("size", "hint"),
    [
        ("3840", "write it as 3840x2160"),
        ("0x10", "write it as 3840x2160"),
        ("-1x10", "write it as 3840x2160"),
        ("10x10x10", "write it as 3840x2160"),
        ("\u0661x\u0661", "write it as 3840x2160"),
        ("10x10\n", "write it as 3840x2160"),
        ("65501x1", "no side above 65500"),
        ("60000x60000", "more than 179 MP"),
    ],
)
def test_size_that_cannot_be(size: str, hint: str, tmp_path: Path, capfd):
    """A size that is none, or that no picture could have, is refused before anything is painted."""
    assert 2 == main(["samples", str(tmp_path), "--size", size])
    assert hint in capfd.readouterr().err
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("count", ["0", "-1", "1000", "many", "1.5"])
def test_count_that_cannot_be(count: str, tmp_path: Path, capfd):
    """A number of pictures outside 1 to 999 is refused, and the option is named."""
    assert 2 == main(["samples", str(tmp_path), "--count", count, SMALL])
    assert "--count" in capfd.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_folder_that_is_a_file(tmp_path: Path, capfd):
    """A file cannot be the folder."""
    (tmp_path / "file").write_bytes(b"")

    assert 2 == main(["samples", str(tmp_path / "file"), "--count", "1", SMALL])
    assert "is a file" in capfd.readouterr().err


def test_folder_that_cannot_be_made(tmp_path: Path, capfd):
    """Where nothing can be written, the code of the failure says so."""
    (tmp_path / "file").write_bytes(b"")

    assert 3 == main(["samples", str(tmp_path / "file" / "below"), "--count", "1", SMALL])
    out, err = capfd.readouterr()
    assert "" == out
    assert err.splitlines()[-1].startswith("imgpipe: CANNOT_WRITE: ")


def test_hostile_folder(tmp_path: Path, capfdbinary):
    """The name of the folder cannot act on the terminal, and JSON keeps it exactly."""
    folder = tmp_path / "\x1b[2J\udcff"

    assert 0 == main(["samples", str(folder), "--count", "1", SMALL])
    assert f"{tmp_path}/\\x1b[2J\\xff/sample-001.jpg\n".encode() == capfdbinary.readouterr().out
    assert 0 == main(["samples", str(folder), "--count", "1", SMALL, "--json"])
    assert [str(folder / "sample-001.jpg")] == json.loads(capfdbinary.readouterr().out)["files"]
