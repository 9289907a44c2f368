"""Turbo: the other decoder gives the very same pixels, sooner, and is never missing silently."""

from __future__ import annotations

import importlib.util
import os
import random
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageCms

from imgpipe import FailureCode, Outcome, Pipeline, ReadOptions, Recipe, Task, UsageError, make_plan, run_task
from imgpipe.samples import sample

if TYPE_CHECKING:
    from pathlib import Path

    from imgpipe import Result

needs_turbo = pytest.mark.skipif(
    importlib.util.find_spec("simplejpeg") is None and not os.environ.get("CI"), reason="simplejpeg is not installed"
)


def photograph(path: Path, **save: object) -> str:
    """Write a sample as JPEG."""
    exif = Image.Exif()
    exif[274] = save.pop("orientation", 1)
    image = sample(2, 403, 301).convert(str(save.pop("mode", "RGB")))
    image.save(path, "JPEG", quality=90, exif=exif, **save)
    return str(path)


def outcome(source: str, target: Path, text: str, engine: str, quality: str = "balanced") -> Result:
    """Run a task with an engine."""
    read = ReadOptions(engine=engine, decode_quality=quality)  # type: ignore[arg-type]
    return run_task(Task("1", source, str(target), Recipe(Pipeline.parse(text), read)))


@needs_turbo
@pytest.mark.parametrize("text", ["blur:2", "sharpen", "edges", "brightness:1.3", "resize:100x | sharpen", "grayscale"])
@pytest.mark.parametrize("quality", ["exact", "balanced"])
def test_the_bytes_are_the_same(tmp_path, text, quality):
    """Whichever engine decodes, the output is the same file."""
    source = photograph(tmp_path / "in.jpg")
    results = [outcome(source, tmp_path / f"{name}.jpg", text, name, quality) for name in ("pillow", "turbo")]

    assert [Outcome.DONE] * 2 == [result.outcome for result in results]
    assert (tmp_path / "pillow.jpg").read_bytes() == (tmp_path / "turbo.jpg").read_bytes()


@needs_turbo
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_pictures(tmp_path, orientation):
    """Arrays are turned upright as well."""
    source = photograph(tmp_path / "in.jpg", orientation=orientation)
    for name in ("pillow", "turbo"):
        outcome(source, tmp_path / f"{name}.jpg", "sharpen", name)

    assert (tmp_path / "pillow.jpg").read_bytes() == (tmp_path / "turbo.jpg").read_bytes()


@needs_turbo
@pytest.mark.parametrize(
    "save",
    [{"mode": "L"}, {"mode": "CMYK"}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"icc": "sRGB"}],
)
def test_every_kind_of_jpeg(tmp_path, save):
    """Grey, progressive and every subsampling go through turbo, CMYK through Pillow; profiles stay."""
    if "icc" in save:
        save = {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    source = photograph(tmp_path / "in.jpg", **save)
    results = [outcome(source, tmp_path / f"{name}.jpg", "sharpen | blur:1", name) for name in ("pillow", "turbo")]

    assert results[0].notes == results[1].notes
    assert (tmp_path / "pillow.jpg").read_bytes() == (tmp_path / "turbo.jpg").read_bytes()


@needs_turbo
def test_fewer_conversions(tmp_path):
    """What turbo saves is the copy from Pillow's memory into an array."""
    source = photograph(tmp_path / "in.jpg")

    assert [1, 0] == [outcome(source, tmp_path / "o.jpg", "sharpen", name).conversions for name in ("pillow", "turbo")]


@needs_turbo
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_damage_is_noticed(tmp_path, keep):
    """A file that was cut off fails."""
    source = photograph(tmp_path / "in.jpg")
    data = (tmp_path / "in.jpg").read_bytes()
    (tmp_path / "in.jpg").write_bytes(data[: int(len(data) * keep)])
    result = outcome(source, tmp_path / "out.jpg", "sharpen", "turbo")

    assert FailureCode.TRUNCATED == (result.failure.code if result.failure else None)
    assert ["in.jpg"] == [path.name for path in tmp_path.iterdir()]


@needs_turbo
def test_damage_inside_is_noticed_too(tmp_path):
    """Where Pillow gives whatever it can make of damaged data, turbo mostly refuses."""
    source = photograph(tmp_path / "in.jpg")
    data = bytearray((tmp_path / "in.jpg").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60] = random.Random(1).randbytes(60)
    (tmp_path / "in.jpg").write_bytes(data)
    result = outcome(source, tmp_path / "out.jpg", "sharpen", "turbo")

    assert FailureCode.UNREADABLE == (result.failure.code if result.failure else None)


def test_the_engine_is_part_of_the_recipe():
    """Results of two engines never mix silently in one folder."""
    assert Recipe(read=ReadOptions(engine="turbo")).fingerprint != Recipe().fingerprint


def test_a_missing_engine_is_an_error(tmp_path, picture_file, monkeypatch):
    """Without the extra nothing is done, and the error says how to get it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    picture_file(tmp_path, "a.jpg")

    with pytest.raises(UsageError, match="pip install 'imgpipe\\[turbo\\]'"):
        make_plan([str(tmp_path)], Recipe(read=ReadOptions(engine="turbo")), output=str(tmp_path / "out"))
