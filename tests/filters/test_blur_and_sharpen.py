"""Blur and sharpen: near their references, flat where the picture is flat, and blind to hidden colour."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from filter_samples import frame_of, scene
from imgpipe.errors import BadPipeline
from imgpipe.filters import Filter, run_filter
from imgpipe.filters.blur import Blur
from imgpipe.filters.resize import Resize
from imgpipe.filters.sharpen import Sharpen
from imgpipe.frame import Frame
from imgpipe.pipeline import Pipeline

MIXERS = [
    Blur(0.7),
    Blur(5),
    Blur(12),
    Sharpen(),
    Sharpen(3, 4.5),
    Sharpen(2, threshold=9),
    Resize(7, 7),
    Resize(50, enlarge=True),
]


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("radius", [0.5, 1, 3, 10])
def test_blur_is_the_gaussian(mode: str, radius: float) -> None:
    """Blur is OpenCV's Gaussian blur, edges continued, and `radius` its standard deviation."""
    frame = frame_of(mode, 50, 40)
    expected = cv2.GaussianBlur(frame.array, (0, 0), radius, borderType=cv2.BORDER_REPLICATE)

    result = run_filter(Blur(radius), frame)

    assert np.array_equal(expected, result.array)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_wide_blur_is_pillows(mode: str) -> None:
    """Above the limit it is Pillow's, which takes the same time for every radius."""
    frame = frame_of(mode, 50, 40)
    expected = np.asarray(frame.image.filter(ImageFilter.GaussianBlur(11)))

    result = run_filter(Blur(11), frame)

    assert np.array_equal(expected, result.array)


@pytest.mark.parametrize("radius", [1, 2, 5, 10])
def test_blur_is_near_pillows(radius: int) -> None:
    """Both sides of the limit are the same filter: one radius from the edge they differ by four levels at most.

    At the edge Pillow, which blurs three times, continues each time what it has blurred before.
    """
    frame = Frame.of_image(scene(240, 180, "RGB"))
    expected = np.asarray(frame.image.filter(ImageFilter.GaussianBlur(radius))).astype(int)

    result = run_filter(Blur(radius), frame)

    assert np.abs(expected - result.array)[radius:-radius, radius:-radius].max() <= 4


def test_sharpen_is_the_unsharp_mask() -> None:
    """Sharpen is value + amount * (value - blurred), bit for bit what OpenCV gives."""
    frame = frame_of("RGB", 50, 40)
    blurred = cv2.GaussianBlur(frame.array, (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE)
    expected = cv2.addWeighted(frame.array, 1.8, blurred, -0.8, 0)

    result = run_filter(Sharpen(0.8, 1.5), frame)

    assert np.array_equal(expected, result.array)


def test_sharpen_saturates() -> None:
    """Values that leave 0 to 255 stay at the end; they do not come out at the other."""
    frame = frame_of("L", 50, 40)
    values = frame.array.astype(float)
    blurred = cv2.GaussianBlur(frame.array, (0, 0), 2, borderType=cv2.BORDER_REPLICATE)
    expected = np.clip(values + 20 * (values - blurred), 0, 255)

    result = run_filter(Sharpen(20, 2), frame)

    assert np.abs(expected - result.array).max() <= 0.5


def test_sharpen_is_near_pillows() -> None:
    """Pillow's own unsharp mask, with its other blur, differs by less than a level on average."""
    frame = Frame.of_image(frame_of("RGB", 90, 60).image.filter(ImageFilter.GaussianBlur(2)))
    expected = np.asarray(frame.image.filter(ImageFilter.UnsharpMask(2, 100, 0))).astype(int)

    result = run_filter(Sharpen(1, 2), frame)

    assert np.abs(expected - result.array).mean() <= 1


def test_small_differences_stay_below_the_threshold() -> None:
    """With a threshold, what hardly differs from its surroundings keeps its value exactly."""
    frame = frame_of("RGB", 50, 40)
    blurred = cv2.GaussianBlur(frame.array, (0, 0), 1, borderType=cv2.BORDER_REPLICATE).astype(int)
    small = np.abs(frame.array - blurred) < 30
    plain = run_filter(Sharpen(), frame)

    result = run_filter(Sharpen(threshold=30), frame)

    assert np.array_equal(frame.array[small], result.array[small])
    assert np.array_equal(plain.array[~small], result.array[~small])


@settings(max_examples=60, deadline=None)
@given(
    step=st.sampled_from([*MIXERS, Resize(7, 7), Resize(50, enlarge=True)]),
    mode=st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
)
def test_flat_stays_flat(step: Filter, mode: str, size: tuple[int, int], colour: tuple[int, ...]) -> None:
    """A picture of one colour comes out in that colour, whatever its size."""
    ink = colour[: 1 if mode[0] == "L" else 3] + ((255,) if mode[-1] == "A" else ())
    frame = Frame.of_image(Image.new(mode, size, ink))

    result = run_filter(step, frame).straight()

    assert np.array_equal(np.unique(result.array.reshape(-1, len(ink)), axis=0), [ink])


@pytest.mark.parametrize("step", [Sharpen(2, 3), Blur(3)], ids=str)
def test_hidden_colour_leaves_no_fringe(step: Filter) -> None:
    """Red beside fully transparent green stays red, up to the last visible pixel."""
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:, :10] = (200, 0, 0, 255)
    pixels[:, 10:] = (0, 200, 0, 0)

    result = run_filter(step, Frame.of_array(pixels)).straight().array
    visible = result[result[..., 3] > 0]

    assert 0 == visible[:, 1].max()
    assert 200 == visible[visible[:, 3] == 255][:, 0].min()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_sharpen_keeps_alpha(mode: str) -> None:
    """Alpha is not sharpened, and what cannot be seen keeps its value."""
    frame = frame_of(mode, 30, 30)
    hidden = frame.array[..., -1] == 0

    result = run_filter(Sharpen(2), frame)

    assert np.array_equal(frame.array[..., -1], result.array[..., -1])
    assert result.mode == mode
    assert hidden.any()


@pytest.mark.parametrize("step", MIXERS, ids=str)
def test_does_not_know_left_from_right(step: Filter) -> None:
    """Mirroring before or after makes a difference of rounding only."""
    frame = frame_of("RGB", 41, 30)
    mirrored = Frame.of_array(frame.array[:, ::-1].copy())
    expected = run_filter(step, frame).array[:, ::-1].astype(int)

    result = run_filter(step, mirrored)

    assert np.abs(expected - result.array).max() <= 1


@pytest.mark.parametrize("step", [Blur(2), Resize(13, 11, kernel="box"), Resize(13, 11, kernel="bilinear")], ids=str)
def test_averages_stay_in_range(step: Filter) -> None:
    """Kernels without negative parts make nothing darker than the darkest or lighter than the lightest."""
    frame = Frame.of_array(np.clip(frame_of("RGB", 41, 30).array, 60, 190))

    result = run_filter(step, frame)

    assert result.array.min() >= 60
    assert result.array.max() <= 190


@pytest.mark.parametrize(
    "text",
    ["blur:251", "blur:-1", "blur:nan", "blur:1e999", "blur:radius=true", "sharpen:sigma=0", "sharpen:threshold=2.5"],
)
def test_bad_parameters(text: str) -> None:
    """Values that cost too much or mean nothing are refused."""
    with pytest.raises(BadPipeline, match="expected a"):
        Pipeline.parse(text)
