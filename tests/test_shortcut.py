"""Shortcut: what the decoder does for a pipeline changes how long it takes, hardly what comes out, never its size."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgpipe import ImageInfo, Limits, Outcome, Pipeline, ReadOptions, Recipe, Task, WriteOptions, run_task
from imgpipe.pictures.header import open_header
from imgpipe.samples import sample
from imgpipe.shortcut import Shortcut, shortcut

if TYPE_CHECKING:
    from pathlib import Path


def recipe(text: str, quality: str = "balanced", **write: str) -> Recipe:
    """Return a recipe that writes without loss."""
    options = {"format": "png", **write}
    return Recipe(Pipeline.parse(text), ReadOptions(decode_quality=quality), WriteOptions(**options))  # type: ignore[arg-type]


def info(width: int, height: int, **more: object) -> ImageInfo:
    """Return what the header of a JPEG says."""
    known = {"mode": "RGB", "stored_mode": "RGB", "format": "jpeg", **more}
    return ImageInfo(width=width, height=height, **known)  # type: ignore[arg-type]


def photograph(path: Path, number: int, size: tuple[int, int], orientation: int = 1, **save: object) -> str:
    """Write a sample as JPEG."""
    exif = Image.Exif()
    exif[274] = orientation
    sample(number, *size).save(path, "JPEG", quality=92, exif=exif, **save)
    return str(path)


def pixels(source: str, target: Path, made_by: Recipe) -> np.ndarray:
    """Run a task and return the pixels of its result."""
    result = run_task(Task("1", source, str(target), made_by))
    assert result.outcome is Outcome.DONE, result.failure
    with Image.open(target) as image:
        return np.asarray(image)


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two pictures, in decibels."""
    error = float(np.mean((one.astype(np.float64) - two.astype(np.float64)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


@pytest.mark.parametrize(
    ("text", "size", "quality", "expected"),
    [
        ("resize:800x600", (3840, 2160), "balanced", Shortcut(2)),
        ("resize:800x600", (3840, 2160), "fast", Shortcut(4)),
        ("resize:800x600", (3840, 2160), "exact", Shortcut()),
        ("resize:256x256", (3840, 2160), "balanced", Shortcut(4)),
        ("resize:100x", (3840, 2160), "balanced", Shortcut(8)),
        ("resize:1920x", (3840, 2160), "balanced", Shortcut()),
        ("resize:1920x", (3840, 2160), "fast", Shortcut(2)),
        ("resize:480x2160,fit=fill", (3840, 2160), "fast", Shortcut()),
        ("resize:400x400,fit=cover", (3840, 2160), "balanced", Shortcut(2)),
        ("resize:100x,kernel=nearest", (3840, 2160), "balanced", Shortcut()),
        ("blur:1 | resize:100x", (3840, 2160), "balanced", Shortcut(array=True)),
        ("brightness:1 | resize:100x", (3840, 2160), "balanced", Shortcut(8)),
        ("edges", (3840, 2160), "balanced", Shortcut(1, luma=True, array=True)),
        ("grayscale | blur:2", (3840, 2160), "balanced", Shortcut(1, luma=True)),
        ("resize:800x600 | grayscale", (3840, 2160), "balanced", Shortcut(2, luma=True)),
        ("blur:2 | grayscale", (3840, 2160), "balanced", Shortcut(array=True)),
        ("edges", (3840, 2160), "exact", Shortcut()),
        ("", (3840, 2160), "balanced", Shortcut()),
    ],
)
def test_what_is_asked_of_the_decoder(text, size, quality, expected):
    """A leading resize is served with at least twice its size, or just enough; grey work needs no colour."""
    assert expected == shortcut(info(*size), recipe(text, quality))


@pytest.mark.parametrize("more", [{"format": "png"}, {"format": "webp"}, {"format": "tiff"}])
def test_only_jpeg_can_do_it(more):
    """Other decoders give all pixels or none."""
    assert Shortcut() == shortcut(info(3840, 2160, **more), recipe("resize:100x | grayscale"))


@pytest.mark.parametrize(
    ("text", "quality", "more", "expected"),
    [
        ("resize:800x600", "balanced", {}, Shortcut(2, array=True, streamed=1)),
        ("resize:800x600", "exact", {}, Shortcut()),  # shrinks 4.8 times
        ("resize:1600x", "exact", {}, Shortcut(streamed=1)),
        ("resize:1600x", "balanced", {"orientation": 6}, Shortcut(array=True, streamed=1)),
        ("resize:800x600 | blur:1 | gamma:2 | sharpen", "balanced", {}, Shortcut(2, array=True, streamed=3)),
        ("brightness:1 | blur:1 | brightness:1", "balanced", {}, Shortcut(streamed=2)),
        ("resize:800x600 | grayscale | blur:2", "balanced", {}, Shortcut(2, luma=True, array=True, streamed=3)),
        ("grayscale | blur:2", "balanced", {}, Shortcut(luma=True, array=True, streamed=2)),
        ("grayscale | blur:2", "balanced", {"has_profile": True}, Shortcut()),
        ("grayscale", "balanced", {}, Shortcut(luma=True)),
        ("resize:801x", "balanced", {"width": 3841}, Shortcut(2)),
        ("resize:400x400,fit=cover", "balanced", {}, Shortcut(2)),
        ("resize:800x600,fit=contain", "balanced", {}, Shortcut(2)),
        ("resize:1600x,kernel=hamming", "balanced", {}, Shortcut()),
        ("resize:5000x,enlarge=true", "balanced", {}, Shortcut()),
        ("blur:0.7", "balanced", {}, Shortcut(array=True)),
        ("blur:11", "balanced", {}, Shortcut(array=True)),
        ("sharpen", "balanced", {}, Shortcut(array=True)),
        ("blur:2", "balanced", {"stored_mode": "CMYK"}, Shortcut(array=True)),
        ("blur:2", "balanced", {"format": "png"}, Shortcut(array=True)),
    ],
)
def test_what_is_asked_of_libvips(text, quality, more, expected):
    """It gets the leading filters that it does as well as others; from the file, unless that is shrunk or turned."""
    made_by = Recipe(Pipeline.parse(text), ReadOptions(engine="vips", decode_quality=quality))

    assert expected == shortcut(replace(info(3840, 2160), **more), made_by)


def test_a_later_filter_is_judged_by_what_it_gets(tmp_path):
    """A second resize back to the size of the whole picture is not taken for one that does nothing."""
    source = photograph(tmp_path / "in.jpg", 1, (400, 300))
    shape = pixels(source, tmp_path / "out.png", recipe("resize:100x75 | resize:400x300,enlarge=true")).shape

    assert (300, 400, 3) == shape


def test_a_profile_forbids_luma():
    """Grey of a picture with a profile is that of its true colours, so the colours are needed."""
    assert Shortcut() == shortcut(info(3840, 2160, has_profile=True), recipe("edges"))


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize(("quality", "least"), [("balanced", 42), ("fast", 35)])
def test_hardly_anybody_sees_it(tmp_path, quality, least, subsampling):
    """On photographs, what a shortcut changes is far below what JPEG itself changes."""
    for number in range(3):
        source = photograph(tmp_path / "in.jpg", number, (1600, 1200), subsampling=subsampling)
        exact = pixels(source, tmp_path / "exact.png", recipe("resize:300x200", "exact"))
        short = pixels(source, tmp_path / "short.png", recipe("resize:300x200", quality))

        assert least <= psnr(exact, short)


def test_luma_is_the_grey_of_the_pixels(tmp_path):
    """Leaving colours out while decoding gives the grey of the pixels, but where those were cut off at 0 or 255."""
    source = photograph(tmp_path / "in.jpg", 1, (400, 300))
    exact = pixels(source, tmp_path / "exact.png", recipe("grayscale", "exact"))
    short = pixels(source, tmp_path / "short.png", recipe("grayscale"))

    difference = np.abs(exact.astype(int) - short)
    assert difference.mean() < 0.5
    assert np.percentile(difference, 99) <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "text", ["resize:90x60", "resize:60x60,fit=cover", "resize:100x80,fit=contain", "resize:x50 | grayscale"]
)
def test_turned_pictures(tmp_path, orientation, text):
    """The picture is turned after it was shrunk; odd sides do not shift it."""
    source = photograph(tmp_path / "in.jpg", 2, (807, 603), orientation)
    exact = pixels(source, tmp_path / "exact.png", recipe(text, "exact"))
    short = pixels(source, tmp_path / "short.png", recipe(text))

    assert exact.shape == short.shape
    assert 36 <= psnr(exact, short)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from(["inside", "cover", "contain", "fill", "outside"]), st.sampled_from(["balanced", "fast"]),
)  # fmt: skip
def test_the_size_is_that_of_the_plan(tmp_path_factory, width, height, across, down, fit, quality):
    """However small the decoder makes a picture, the result has the size that the whole picture leads to."""
    folder = tmp_path_factory.mktemp("size")
    data = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(data, "JPEG")
    (folder / "in.jpg").write_bytes(data.getvalue())
    made_by = recipe(f"resize:{across}x{down},fit={fit}", quality)
    with open_header(str(folder / "in.jpg"), Limits()) as header:
        planned = made_by.pipeline.stages(header.info)[-1]
    shape = pixels(str(folder / "in.jpg"), folder / "out.png", made_by).shape

    assert (planned.height, planned.width) == shape[:2]


def test_progressive_and_grey_and_cmyk(tmp_path):
    """Every kind of JPEG goes the short way."""
    base = sample(3, 800, 600)
    for name, image, save in (
        ("progressive", base, {"progressive": True}),
        ("grey", base.convert("L"), {}),
        ("cmyk", base.convert("CMYK"), {}),
    ):
        image.save(tmp_path / "in.jpg", "JPEG", quality=90, **save)
        source = str(tmp_path / "in.jpg")
        exact = pixels(source, tmp_path / "exact.png", recipe("resize:100x", "exact"))
        short = pixels(source, tmp_path / "short.png", recipe("resize:100x"))

        assert 36 <= psnr(exact, short), name
