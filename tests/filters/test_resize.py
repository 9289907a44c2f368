"""Resize: sizes follow the documented rules, pixels are those of Pillow, and near those of libvips."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from filter_samples import any_filter, frame_of, scene
from imgpipe.errors import BadPipeline, FailureCode, PictureError
from imgpipe.filters import run_filter
from imgpipe.filters.resize import Resize
from imgpipe.frame import Frame
from imgpipe.info import ImageInfo
from imgpipe.pipeline import Pipeline

if TYPE_CHECKING:
    from pathlib import Path

SIDES = st.integers(1, 300)


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ((400, 300), "200x200", (200, 150)),
        ((300, 400), "200x200", (150, 200)),
        ((400, 300), "200x", (200, 150)),
        ((400, 300), "x150", (200, 150)),
        ((400, 300), "x150,fit=cover", (200, 150)),
        ((100, 50), "200x200", (100, 50)),
        ((100, 50), "200x200,enlarge=true", (200, 100)),
        ((100, 50), "200x", (100, 50)),
        ((100, 50), "x100,enlarge=yes", (200, 100)),
        ((3, 1000), "100x500", (2, 500)),  # 1.5 is rounded up
        ((1000, 1), "10x10", (10, 1)),  # 0.01 is at least 1
        ((400, 300), "200x200,outside", (267, 200)),
        ((400, 300), "500x100,outside", (400, 300)),
        ((400, 300), "500x100,outside,true", (500, 375)),
        ((400, 300), "200x200,cover", (200, 200)),
        ((400, 300), "300x600,cover", (150, 300)),  # too small: the aspect of the box, at the picture's own scale
        ((400, 300), "300x600,cover,true", (300, 600)),
        ((400, 300), "200x200,contain", (200, 200)),
        ((100, 50), "200x200,contain", (200, 200)),
        ((400, 300), "200x200,fill", (200, 200)),
        ((100, 50), "60x200,fill", (60, 50)),
        ((100, 50), "60x200,fill,enlarge=on", (60, 200)),
        ((400, 300), "800,300,fill,enlarge=on", (800, 300)),
        ((400, 300), '"200 × 200"', (200, 150)),
    ],
)
def test_sizes(source: tuple[int, int], text: str, expected: tuple[int, int]) -> None:
    """Each way to fit a box gives the documented size, in the plan and in truth."""
    pipeline = Pipeline.parse(f"resize:{text}")
    frame = frame_of("L", *source)

    after, result = pipeline.stages(frame.info)[-1], pipeline.apply(frame)

    assert expected == (after.width, after.height) == (result.width, result.height)


@settings(max_examples=150, deadline=None)
@given(width=SIDES, height=SIDES, box=st.tuples(SIDES, SIDES), step=any_filter("resize"))
def test_plan_tells_the_size(width: int, height: int, box: tuple[int, int], step: Resize) -> None:
    """For any picture, box, fit and kernel, the plan is what happens."""
    values: dict[str, Any] = step.params()
    values |= {name: side for name, side in zip(("width", "height"), box, strict=True) if values[name]}
    step = Resize(**values)
    frame = Frame.of_image(Image.new("RGB", (width, height)))
    try:
        after = step.plan(frame.info)
    except PictureError:  # a side above 65535
        with pytest.raises(PictureError):
            step.apply(frame)
        return
    assume(after.pixels < 300_000)

    result = step.apply(frame)

    assert (after.width, after.height, after.mode) == (result.width, result.height, result.mode)


@given(width=SIDES, height=SIDES, box=st.tuples(SIDES, SIDES))
def test_inside_and_outside(width: int, height: int, box: tuple[int, int]) -> None:
    """Inside never leaves the box, outside always covers it, and each is less than a pixel off the aspect."""
    inside = Resize(*box, enlarge=True).geometry(width, height).scaled
    assume(max(box[0] * height / width, box[1] * width / height) < 65_535)
    outside = Resize(*box, fit="outside", enlarge=True).geometry(width, height).scaled

    assert inside[0] <= box[0]
    assert inside[1] <= box[1]
    assert inside[0] == box[0] or inside[1] == box[1]
    assert outside[0] >= box[0]
    assert outside[1] >= box[1]
    assert outside[0] == box[0] or outside[1] == box[1]
    for size in (inside, outside):
        off = min(abs(size[0] - width * size[1] / height), abs(size[1] - height * size[0] / width))
        assert off <= 0.5 or 1 in size


@given(width=SIDES, height=SIDES, box=st.tuples(SIDES, SIDES))
def test_nothing_grows_unasked(width: int, height: int, box: tuple[int, int]) -> None:
    """Without `enlarge`, no fit scales a picture up."""
    for fit in ("inside", "outside", "cover", "contain", "fill"):
        geometry = Resize(*box, fit=fit).geometry(width, height)
        left, top, right, bottom = geometry.region

        # Half a pixel of rounding on a side that follows is no enlargement.
        assert geometry.scaled[0] <= right - left + 0.5
        assert geometry.scaled[1] <= bottom - top + 0.5
        assert (left, top) >= (0, 0)
        assert right <= width
        assert bottom <= height


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_pixels_are_pillows(mode: str) -> None:
    """Shrinking is Pillow's Lanczos, alpha premultiplied by Pillow itself."""
    frame = frame_of(mode, 120, 90)
    expected = np.asarray(frame.image.resize((40, 30), Image.Resampling.LANCZOS))

    result = run_filter(Resize(40, 30), frame).straight()

    assert np.array_equal(expected, result.array)


def test_cover_is_one_cropping_resize() -> None:
    """Cover scales the centred region of the box's aspect, without rounding it to whole pixels."""
    frame = frame_of("RGB", 121, 90)
    expected = np.asarray(frame.image.resize((30, 30), Image.Resampling.LANCZOS, box=(15.5, 0, 105.5, 90)))

    result = run_filter(Resize(30, 30, fit="cover"), frame)

    assert np.array_equal(expected, result.array)


def test_enlarging_is_bicubic() -> None:
    """The kernel auto is bicubic where a picture grows."""
    frame = frame_of("RGB", 20, 20)
    expected = np.asarray(frame.image.resize((50, 50), Image.Resampling.BICUBIC))

    result = run_filter(Resize(50, 50, enlarge=True), frame)

    assert np.array_equal(expected, result.array)


def test_cover_of_a_small_picture_only_crops() -> None:
    """A picture that is smaller than the box loses its margins and no pixel is mixed with another."""
    frame = frame_of("RGB", 41, 30)

    result = run_filter(Resize(300, 300, fit="cover"), frame)

    assert np.array_equal(frame.array[:, 5:35], result.array)


def test_contain_pads_with_the_background() -> None:
    """The picture stands in the middle of the box, unscaled here, and the rest is the background."""
    frame = frame_of("RGB", 10, 10)

    result = run_filter(Resize(20, 10, fit="contain", background="#0a141e"), frame)

    assert np.array_equal(frame.array, result.array[:, 5:15])
    assert [[10, 20, 30]] == np.unique(np.delete(result.array, np.s_[5:15], axis=1).reshape(-1, 3), axis=0).tolist()


def test_thin_to_flat_stays_small() -> None:
    """Where one side grows and the other shrinks, the shrinking comes first, so that nothing large lies between.

    From 1x65535 to 65535x1 the other way round would take 4 GB; Pillow 13 sees to that by itself, 12 does not.
    """
    frame = frame_of("L", 4, 60)
    small = frame.image.resize((4, 5), Image.Resampling.BICUBIC)
    expected = np.asarray(small.resize((70, 5), Image.Resampling.BICUBIC))

    result = run_filter(Resize(70, 5, fit="fill", enlarge=True), frame)

    assert np.array_equal(expected, result.array)


def test_impossible_side_is_refused() -> None:
    """A side that follows and would be above 65535 fails the picture, in the plan already."""
    info = ImageInfo(width=1, height=300, mode="L")

    with pytest.raises(PictureError, match="90000 pixels") as caught:
        Resize(width=300, enlarge=True).plan(info)

    assert caught.value.code is FailureCode.TOO_LARGE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resize", "give width, height or both"),
        ("resize:x", "give width, height or both"),
        ("resize:0x100", "width: expected a whole number at least 1"),
        ("resize:100x70000", "at most 65535"),
        ("resize:width=-5", "at least 1"),
        ("resize:width=1.5", "whole number"),
        ("resize:100x100,fit=covr", "did you mean cover"),
        ("resize:100x100,background=white", "a colour as #rrggbb"),
        ("resize:widht=100", "did you mean width"),
        ("resize:1,2,3,4,5,6,7", "takes 6 values, got 7"),
        ("resize:800x600x3", "whole number"),
    ],
)
def test_bad_parameters(text: str, message: str) -> None:
    """What makes no sense is refused with a hint."""
    with pytest.raises(BadPipeline, match=message):
        Pipeline.parse(text)


@pytest.mark.skipif(shutil.which("vips") is None, reason="the vips command is not installed")
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_near_libvips(tmp_path: Path, mode: str) -> None:
    """Lanczos agrees with another implementation, but for its rounding."""
    source = scene(640, 480, mode)
    source.save(tmp_path / "in.png")
    command = ["vips", "resize", "in.png", "out.png", "0.3125", "--kernel", "lanczos3", "--gap", "0"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    with Image.open(tmp_path / "out.png") as reference:
        expected = np.asarray(reference).astype(int)

    result = run_filter(Resize(200, 150), Frame.of_image(source))

    off = np.abs(expected - result.array)[3:-3, 3:-3]
    assert off.mean() <= 0.5
    assert np.percentile(off, 99) <= 2
