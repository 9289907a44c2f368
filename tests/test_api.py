"""The façade: three lines process a folder; one applies a pipeline in memory."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

import imgpipe
from imgpipe import (
    FailureCode,
    Outcome,
    PictureError,
    Pipeline,
    PlanOptions,
    Recipe,
    Result,
    UsageError,
    WriteOptions,
    apply,
    create_executor,
    process,
)
from looking import look


@pytest.fixture
def folder(tmp_path, picture_file):
    """Return a folder of six pictures, one of which is damaged."""
    for number in range(5):
        picture_file(tmp_path / "in", f"{number}.jpg", size=(40, 30))
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no picture")
    return tmp_path / "in"


def test_process_in_three_lines(folder, tmp_path):
    """A folder, a pipeline as text, an output: the report counts what was done and groups what failed."""
    report = process(folder, "resize:20x", tmp_path / "out")

    assert (5, 1, 0) == (report.done, report.failed, report.skipped)
    assert [FailureCode.UNREADABLE] == list(report.failures)
    assert 20 == look(tmp_path / "out" / "0.jpg")[1]


def test_process_tells_of_each_result(folder, tmp_path):
    """The callback gets every result, also of what was skipped."""
    first: list[Result] = []
    second: list[Result] = []
    process(folder, "blur", tmp_path / "out", executor="sequential", each=first.append)
    process(folder, "blur", tmp_path / "out", executor="threads", workers=2, each=second.append)

    assert 5 == sum(result.outcome is Outcome.DONE for result in first)
    assert 5 == sum(result.outcome is Outcome.SKIPPED for result in second)
    assert 6 == len(first) == len(second)


def test_process_takes_an_executor_and_leaves_it_open(folder, tmp_path):
    """One executor serves several runs; who made it closes it."""
    with create_executor("threads", workers=2) as executor:
        one = process(folder, "blur", tmp_path / "one", executor=executor)
        two = process([folder / "0.jpg", str(folder / "1.jpg")], "blur", tmp_path / "two", executor=executor)

    assert (5, 2) == (one.done, two.done)


def test_process_with_a_recipe_and_options(folder, tmp_path):
    """A recipe says how to write, options say what to do with what exists."""
    recipe = Recipe(Pipeline.parse("blur"), write=WriteOptions(format="png"))
    process(folder, recipe, tmp_path / "out")
    report = process(folder, recipe, tmp_path / "out", options=PlanOptions(on_exists="overwrite"))

    assert 5 == report.done
    assert "PNG" == look(tmp_path / "out" / "0.png")[0]


@pytest.mark.parametrize(
    "arguments", [("nowhere", "blur", "out"), ("in", "blurr", "out"), ("in", "blur", None), ("in", "blur", "in")]
)
def test_process_raises_before_anything_is_done(folder, tmp_path, monkeypatch, arguments):
    """A request that cannot be right raises; nothing is written."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(UsageError):
        process(*arguments)
    assert before == sorted(tmp_path.rglob("*"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_apply_returns_an_image_for_an_image(mode):
    """Any Pillow image goes in, an image comes out, and the one that went in is as before."""
    image = Image.linear_gradient("L").convert(mode)
    before = image.tobytes()

    result = apply(image, "resize:64x64 | blur:1")

    assert isinstance(result, Image.Image)
    assert (64, 64) == result.size
    assert before == image.tobytes()


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 1), (30, 40, 2), (30, 40, 3), (30, 40, 4)])
def test_apply_returns_an_array_for_an_array(shape):
    """An array keeps its type and number of dimensions, may be written to, and is not the one that went in."""
    array = np.random.RandomState(0).randint(0, 256, shape, dtype=np.uint8)
    before = array.copy()

    result = apply(array, "resize:20x")
    result[...] = 0

    assert (15, 20, *shape[2:]) == result.shape
    assert (np.uint8, True) == (result.dtype, bool((array == before).all()))


def test_apply_of_nothing_returns_a_copy():
    """Even an empty pipeline gives an object that the caller owns."""
    array = np.zeros((4, 4, 3), np.uint8)
    apply(array, "")[...] = 9

    assert 0 == array.max()


def test_apply_keeps_the_profile():
    """A picture's profile is still on it afterwards."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (8, 8))
    image.info["icc_profile"] = profile

    assert profile == apply(image, "blur").info["icc_profile"]


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4), np.float64),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros(4, np.uint8),
        Image.new("F", (4, 4)),
        Image.new("I;16", (4, 4)),
    ],
)
def test_apply_refuses_what_is_no_picture(picture):
    """Other types and shapes are refused with what would do."""
    with pytest.raises(PictureError):
        apply(picture, "blur")


def test_apply_refuses_bombs():
    """A pipeline that would make an enormous picture is refused before it does."""
    with pytest.raises(PictureError, match="MP"):
        apply(np.zeros((10, 10, 3), np.uint8), "resize:60000x60000,enlarge=true,fit=fill")


def test_all_is_the_public_face():
    """Every name of `__all__` exists, and nothing else looks public."""
    for name in imgpipe.__all__:
        assert getattr(imgpipe, name) is not None
    assert sorted(imgpipe.__all__) == dir(imgpipe)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = imgpipe.nothing


def test_importing_imgpipe_loads_nothing_heavy():
    """`import imgpipe` is cheap: what a name needs is loaded when the name is used."""
    heavy = ("numpy", "PIL", "cv2", "psutil", "rich", "click")
    code = f"import sys, imgpipe; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert "[]" == out.strip()
