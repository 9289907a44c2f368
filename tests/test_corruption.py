"""Corruption: cut and damaged files of every format end in a known code, leave nothing behind, and show nobody else."""

from __future__ import annotations

import faulthandler
import io
import os
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from imgpipe.pictures.options import Limits
from imgpipe.task import Outcome
from running_tasks import code_of, done, left_behind, picture, pixels_of, run

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP = 97
_LAST = 24  # bytes at the end of a file, each of which is left out once
_PADDING = {"pages.tif": 16}  # zeros with which Pillow fills up a page; nothing is lost with them
_FLIPS = 500
_HANGS_SECONDS = 30
_PICTURES_OWN = {"TRUNCATED", "UNREADABLE", "READ_ERROR", "TOO_LARGE", "TOO_MANY_FRAMES", "SIXTEEN_BIT",
                 "MODE_UNSUPPORTED", "CANNOT_ENCODE", "ANIMATED"}  # fmt: skip


def _still(name: str, **saving: Any) -> bytes:
    buffer = io.BytesIO()
    picture("RGB", (60, 45)).save(buffer, name, **saving)
    return buffer.getvalue()


def _moving(name: str, **saving: Any) -> bytes:
    frames = [picture("RGB", (30, 20), seed) for seed in range(3)]
    return _with(frames, name, duration=50, **saving)


def _with(frames: list[Image.Image], name: str, **saving: Any) -> bytes:
    buffer = io.BytesIO()
    frames[0].save(buffer, name, save_all=True, append_images=frames[1:], **saving)
    return buffer.getvalue()


_FILES: dict[str, Callable[[], bytes]] = {
    "baseline.jpg": lambda: _still("JPEG", quality=90),
    "progressive.jpg": lambda: _still("JPEG", quality=90, progressive=True),
    "restarts.jpg": lambda: _still("JPEG", restart_marker_blocks=2),
    "still.png": lambda: _still("PNG"),
    "moving.png": lambda: _moving("PNG"),
    "lossy.webp": lambda: _still("WEBP"),
    "lossless.webp": lambda: _still("WEBP", lossless=True),
    "moving.webp": lambda: _moving("WEBP"),
    "still.gif": lambda: _still("GIF"),
    "moving.gif": lambda: _moving("GIF"),
    "raw.tif": lambda: _still("TIFF"),
    "lzw.tif": lambda: _still("TIFF", compression="tiff_lzw"),
    "deflate.tif": lambda: _still("TIFF", compression="tiff_adobe_deflate"),
    "pages.tif": lambda: _moving("TIFF"),
    "still.bmp": lambda: _still("BMP"),
    "still.avif": lambda: _still("AVIF"),
    "moving.avif": lambda: _moving("AVIF"),
}


@pytest.mark.parametrize("pipeline", ["resize:20x20", ""])
@pytest.mark.parametrize("name", list(_FILES))
def test_every_truncation_fails(tmp_path, name, pipeline, capfd):
    """Wherever a file is cut, it is not taken for a picture: neither to be filtered nor to be copied."""
    data = _FILES[name]()
    source, folder = tmp_path / name, tmp_path / "out"
    end = len(data) - _PADDING.get(name, 0)
    cuts = sorted({*range(0, end, _STEP), *range(end - _LAST, end)})

    for cut in cuts if pipeline else cuts[-_LAST - 3 :]:
        source.write_bytes(data[:cut])
        result = run(source, folder / name, pipeline)
        assert code_of(result) in ("TRUNCATED", "UNREADABLE"), (cut, result)

    assert [] == (os.listdir(folder) if folder.exists() else [])
    source.write_bytes(data)
    assert Outcome.DONE == run(source, folder / name, pipeline).outcome
    assert ("", "") == tuple(capfd.readouterr())


@pytest.mark.parametrize("name", ["baseline.jpg", "still.png", "still.gif", "raw.tif", "lossy.webp", "moving.png"])
def test_junk_behind_the_end_is_nobodys_business(tmp_path, name):
    """Cameras and programs write behind the end of a picture; it is whole all the same."""
    data = _FILES[name]()
    (tmp_path / name).write_bytes(data + b"\0trailer\xff\xd8 of a camera")

    done(tmp_path / name, tmp_path / "out" / name, "resize:20x20")


@pytest.mark.parametrize("name", list(_FILES))
def test_flipped_bytes_do_no_harm(tmp_path, name, capfd):
    """Damaged bytes give a picture or a code of the picture's own, quickly; nothing breaks and nothing is left."""
    data = _FILES[name]()
    source, folder = tmp_path / name, tmp_path / "out"
    chance = random.Random(name)
    quick: dict[str, Any] = {"format": "png"} if name.endswith("gif") else {}  # choosing a palette takes longest of all

    for number in range(_FLIPS):
        damaged = bytearray(data)
        # The first bytes say most about a file, so half of the damage goes there.
        end = len(data) if number % 2 else min(len(data), 200)
        for _ in range(1 + number % 3):
            damaged[chance.randrange(end)] = chance.randrange(256)
        source.write_bytes(damaged)
        faulthandler.dump_traceback_later(_HANGS_SECONDS, exit=True)  # a merely slow machine is not judged
        result = run(source, folder / name, "resize:20x20", limits=Limits(max_pixels=100_000), **quick)
        faulthandler.cancel_dump_traceback_later()
        assert result.ok or code_of(result) in _PICTURES_OWN, (number, result)

    assert [] == left_behind(tmp_path)
    assert ("", "") == tuple(capfd.readouterr())


@pytest.mark.parametrize(
    "name", ["baseline.jpg", "progressive.jpg", "a.png", "a.webp", "a.gif", "a.tif", "a.bmp", "a.avif"]
)
def test_nobody_sees_the_picture_before(tmp_path, name):
    """What is missing in a damaged picture is not filled with the pixels of the one decoded before it."""
    before = Image.new("RGB", (600, 450), (255, 0, 255))
    format_name = {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], name.split(".")[1].upper())
    before.save(tmp_path / "before", format_name)
    saving = {"progressive": name.startswith("progressive")}
    grey = io.BytesIO()
    Image.new("RGB", (60, 45), (90, 90, 90)).save(grey, format_name, **saving)
    chance = random.Random(name)

    for _ in range(25):
        done(tmp_path / "before", tmp_path / "out-before", "flip")
        damaged = bytearray(grey.getvalue())
        for _ in range(3):
            damaged[chance.randrange(len(damaged) // 2, len(damaged))] = chance.randrange(256)
        (tmp_path / "damaged").write_bytes(damaged)
        result = run(tmp_path / "damaged", tmp_path / "out", "flip", format="png")
        if result.ok:
            magenta = np.abs(pixels_of(tmp_path / "out", "RGB") - (255, 0, 255)).max(axis=2) < 6
            assert magenta.mean() < 0.02
