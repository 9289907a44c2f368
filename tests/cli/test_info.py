"""info: tells what is in the header, all of it and nothing else, whatever is wrong with a file or its name."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageFile

from imgpipe.colour import srgb_profile
from imgpipe_cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MakePicture


def bomb(path: Path, width: int, height: int) -> str:
    """Write a PNG of 60 bytes that claims to be huge; return its path."""
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", b""),
        (b"IEND", b""),
    ):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(data)
    return str(path)


def documents(capfd: Any) -> list[Any]:
    """Return the JSON lines on stdout."""
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def only_document(capfd: Any) -> Any:
    """Return the only JSON line on stdout."""
    (document,) = documents(capfd)
    return document


def test_everything_about_a_jpeg(tmp_path: Path, picture_file: MakePicture, capfd):
    """What the header says, and what follows from it, is one document."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = picture_file(tmp_path, "a.jpg", size=(40, 30), progressive=True, dpi=(300, 150), exif=exif,
                        icc_profile=srgb_profile(), xmp=b"<x:xmpmeta/>")  # fmt: skip

    assert 0 == main(["info", path, "--json"])
    data = only_document(capfd)
    assert data.pop("memory_bytes") >= 40 * 30 * 4
    assert {
        "schema": "imgpipe.info/1",
        "path": path,
        "width": 30,
        "height": 40,
        "megapixels": 0.001,
        "format": "jpeg",
        "stored_mode": "RGB",
        "mode": "RGB",
        "bits": 8,
        "frames": 1,
        "paged": False,
        "orientation": 6,
        "progressive": True,
        "profile": "sRGB built-in",
        "profile_bytes": len(srgb_profile()),
        "exif_bytes": len(exif.tobytes().removeprefix(b"Exif\0\0")),
        "xmp_bytes": 12,
        "dpi": [300, 150],
        "file_bytes": os.path.getsize(path),
        "notes": [],
    } == data


def test_page_of_a_jpeg(tmp_path: Path, picture_file: MakePicture, capfd):
    """For people the same stands in lines."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = picture_file(tmp_path, "a.jpg", size=(400, 300), progressive=True, dpi=(300, 150), exif=exif,
                        icc_profile=srgb_profile(), xmp=b"<x:xmpmeta/>")  # fmt: skip

    assert 0 == main(["info", path])
    out, err = capfd.readouterr()
    lines = out.replace("→", "->").splitlines()
    assert ("", path) == (err, lines[0])
    assert "  size      300x400, 0.12 MP (upright; orientation 6 on disk)" in lines
    assert "  format    jpeg, progressive" in lines
    assert "  pixels    RGB with 8 bits per channel -> RGB" in lines
    assert f"  profile   sRGB built-in, {len(srgb_profile())} B" in lines
    assert "  metadata  EXIF 26 B, XMP 12 B" in lines
    assert "  density   300x150 pixels per inch" in lines


def test_page_says_only_what_is_there(tmp_path: Path, picture_file: MakePicture, capfd):
    """A plain picture has no lines about what it does not have."""
    assert 0 == main(["info", picture_file(tmp_path, "a.png")])
    words = [line.split()[0] for line in capfd.readouterr().out.splitlines()[1:]]
    assert ["size", "format", "pixels", "file", "memory"] == words


@pytest.mark.parametrize(
    ("name", "mode", "stored", "working", "bits"),
    [
        ("a.png", "RGBA", "RGBA", "RGBA", 8),
        ("a.png", "L", "L", "L", 8),
        ("a.png", "P", "P", "RGB", 8),
        ("a.png", "I;16", "I;16", "L", 16),
        ("a.png", "1", "1", "L", 1),
        ("a.jpg", "CMYK", "CMYK", "RGB", 8),
        ("a.webp", "RGBA", "RGBA", "RGBA", 8),
        ("a.bmp", "RGB", "RGB", "RGB", 8),
        ("a.tif", "RGB", "RGB", "RGB", 8),
    ],
)
def test_modes(name: str, mode: str, stored: str, working: str, bits: int, tmp_path: Path, capfd):
    """The mode on disk, the one that filters see, and the depth."""
    path = tmp_path / name
    Image.new(mode, (8, 8)).save(path)

    assert 0 == main(["info", str(path), "--json"])
    data = only_document(capfd)
    assert (stored, working, bits) == (data["stored_mode"], data["mode"], data["bits"])


@pytest.mark.parametrize(("name", "paged", "words"), [("a.gif", False, "of an animation"), ("a.tif", True, "pages")])
def test_frames(name: str, paged: bool, words: str, tmp_path: Path, capfd):
    """Frames of an animation and pages of a document are counted, and their pixels added up."""
    frames = [Image.new("L", (500, 200), number * 50) for number in range(3)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])

    assert 0 == main(["info", str(tmp_path / name), "--json"])
    data = only_document(capfd)
    assert (3, paged, 0.3) == (data["frames"], data["paged"], data["megapixels"])
    assert 0 == main(["info", str(tmp_path / name)])
    out = capfd.readouterr().out
    assert f"  frames    3 {words}, 0.30 MP together\n" in out
    assert "  size      500x200, 0.10 MP\n" in out


def test_no_pixel_is_decoded(tmp_path: Path, picture_file: MakePicture, monkeypatch, capfd):
    """All this is known without decoding."""
    paths = [picture_file(tmp_path, f"a.{extension}") for extension in ("jpg", "png", "webp", "tif", "gif", "bmp")]

    def load(self: object) -> None:
        raise AssertionError("a pixel was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)

    assert 0 == main(["info", *paths, "--json"])
    assert paths == [data["path"] for data in documents(capfd)]


@pytest.mark.parametrize(
    "profile", [b"not a profile", b"\0" * 200, srgb_profile()[:200], srgb_profile() + bytes(4 << 20)]
)
def test_profile_that_is_damaged_or_huge(profile: bytes, tmp_path: Path, picture_file: MakePicture, capfd):
    """A profile that cannot be read, or that nobody should read, has no name, and the rest is shown."""
    path = picture_file(tmp_path, "a.jpg", icc_profile=profile)

    assert 0 == main(["info", path, "--json"])
    data = only_document(capfd)
    assert ("", len(profile)) == (data["profile"], data["profile_bytes"])
    assert 0 == main(["info", path])
    assert "  profile   without a name, " in capfd.readouterr().out


def test_name_of_a_profile_is_shown_safely(tmp_path: Path, picture_file: MakePicture, capfdbinary):
    """The description of a profile is foreign text."""
    profile = srgb_profile().replace("sRGB".encode("utf-16-be"), "\x1b[2J".encode("utf-16-be"))
    path = picture_file(tmp_path, "a.png", icc_profile=profile)

    assert 0 == main(["info", path])
    out = capfdbinary.readouterr().out
    assert b"\x1b" not in out
    assert b"\\x1b[2J built-in" in out


def test_failures_and_the_others(tmp_path: Path, picture_file: MakePicture, capfd):
    """A file that fails is a line on stderr with its code; the others are shown; the exit code is 3."""
    good, text, empty = (str(tmp_path / name) for name in ("good.png", "text.jpg", "empty.jpg"))
    picture_file(tmp_path, "good.png")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.jpg").write_bytes(b"")

    assert 3 == main(["info", text, empty, good, str(tmp_path / "missing.jpg")])
    out, err = capfd.readouterr()
    assert good == out.splitlines()[0]
    formats = "it reads jpeg, png, webp, tiff, gif, bmp, avif"
    assert [
        f"imgpipe: UNREADABLE: {text}: not a picture in a format that imgpipe reads; {formats}",
        f"imgpipe: UNREADABLE: {empty} is empty",
        f"imgpipe: {tmp_path}/missing.jpg does not exist",
    ] == err.splitlines()


def test_failure_in_json(tmp_path: Path, picture_file: MakePicture, capfd):
    """A failed file has its line too, in its place, with code, message and remedy."""
    huge = bomb(tmp_path / "huge.png", 60_000, 60_000)
    good = picture_file(tmp_path, "good.png")

    assert 3 == main(["info", huge, good, "--json"])
    first, second = documents(capfd)
    assert (huge, "TOO_LARGE") == (first["path"], first["failure"]["code"])
    assert {"code", "message", "remedy"} == set(first["failure"])
    assert good == second["path"]


def test_limit_that_is_raised(tmp_path: Path, capfd):
    """A huge picture is described by whoever raises the limit."""
    huge = bomb(tmp_path / "huge.png", 20_000, 20_000)

    assert 3 == main(["info", huge])
    assert 0 == main(["info", huge, "--max-pixels", "400MP", "--json"])
    assert 400 == only_document(capfd)["megapixels"]


def test_folder_and_pattern(tmp_path: Path, picture_file: MakePicture, monkeypatch, capfd):
    """Folders and patterns stand for the pictures in them."""
    for name in ("b/2.png", "b/1.jpg", "c.png"):
        picture_file(tmp_path, name)
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)

    assert 0 == main(["info", "b", "*.png", "--json"])
    assert ["b/1.jpg", "b/2.png", "c.png"] == [data["path"] for data in documents(capfd)]


def test_list_on_standard_input(tmp_path: Path, picture_file: MakePicture, monkeypatch, capfd):
    """A dash reads names from standard input."""
    path = picture_file(tmp_path, "a.png")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.encode() + b"\n")))

    assert 0 == main(["info", "-", "--json"])
    assert path == only_document(capfd)["path"]


@pytest.mark.parametrize("name", ["missing.jpg", "*.jpg", "", "empty"])
def test_nothing_matched(name: str, tmp_path: Path, monkeypatch, capfd):
    """When no input matched any file, the exit code is 4."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)

    assert 4 == main(["info", name])
    out, err = capfd.readouterr()
    assert "" == out
    assert err.startswith("imgpipe: ")


@pytest.mark.parametrize("name", ["\x1b]0;owned\x07.png", "\u202egnp.png", "a\nimgpipe: fine\n.png", "\udcff.png"])
@pytest.mark.parametrize("content", ["picture", "rubbish", "nothing"])
def test_hostile_names(name: str, content: str, tmp_path: Path, picture_file: MakePicture, capfdbinary):
    """No name of a file can act on the terminal or write lines of its own, whatever becomes of the file."""
    if content == "picture":
        picture_file(tmp_path, name)
    elif content == "rubbish":
        (tmp_path / name).write_bytes(b"rubbish")

    assert {"picture": 0, "rubbish": 3, "nothing": 4}[content] == main(["info", str(tmp_path / name)])
    text = b"".join(capfdbinary.readouterr()).decode()
    assert [] == [char for char in text if not char.isprintable() and char != "\n"]
    assert "imgpipe: fine" not in text.splitlines()


def test_hostile_name_in_json(tmp_path: Path, picture_file: MakePicture, capfdbinary):
    """JSON is ASCII, and gives back the very name."""
    path = picture_file(tmp_path, "\x1b\u202e\udcff\n.png")

    assert 0 == main(["info", path, "--json"])
    out = capfdbinary.readouterr().out
    assert out.isascii()
    assert path == json.loads(out)["path"]
    assert b"\x1b" not in out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFO")
def test_fifo_does_not_block(tmp_path: Path, picture_file: MakePicture):
    """A FIFO that nobody writes to, a device and a folder of both are refused, not waited for."""
    os.mkfifo(tmp_path / "pipe.jpg")
    os.symlink("/dev/zero", tmp_path / "zero.jpg")
    good = picture_file(tmp_path, "good.jpg")
    command = [sys.executable, "-m", "imgpipe_cli", "info", str(tmp_path), str(tmp_path / "pipe.jpg")]

    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)

    assert (3, good) == (done.returncode, done.stdout.splitlines()[0])
    assert [
        f"imgpipe: NOT_A_FILE: {tmp_path}/{name}.jpg is not a regular file" for name in ("pipe", "zero", "pipe")
    ] == done.stderr.splitlines()


@pytest.mark.corpus
def test_corpus(corpus: Path, capfd):
    """Of every real picture there is a line, either with its size or with the code of its failure."""
    assert main(["info", str(corpus), "--json"]) in (0, 3)
    found = documents(capfd)
    assert found
    assert all(data["failure"]["code"] if "failure" in data else data["width"] * data["height"] for data in found)
