"""Brightness, contrast, gamma and grayscale: each value has one right answer."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageEnhance

from filter_samples import frame_of
from imgpipe.errors import BadPipeline
from imgpipe.filters import run_filter
from imgpipe.filters.brightness import Brightness
from imgpipe.filters.contrast import Contrast
from imgpipe.filters.gamma import Gamma
from imgpipe.filters.grayscale import Grayscale
from imgpipe.filters.point import table_of
from imgpipe.frame import Frame
from imgpipe.pipeline import Pipeline

RAMP = Frame.of_array(np.arange(256, dtype=np.uint8).reshape(16, 16))


@pytest.mark.parametrize("factor", [0, 0.3, 0.9, 1.2, 1.5, 7])
def test_brightness_is_pillows(factor: float) -> None:
    """Brightness differs from Pillow's by rounding alone, one level at most."""
    frame = frame_of("RGB", 40, 30)
    expected = np.asarray(ImageEnhance.Brightness(frame.image).enhance(factor)).astype(int)

    result = run_filter(Brightness(factor), frame)

    assert np.abs(expected - result.array).max() <= 1


@pytest.mark.parametrize(
    ("step", "formula"),
    [
        (Brightness(1.3, -7), lambda value: value * 1.3 - 7),
        (Brightness(offset=20.5), lambda value: value + 20.5),
        (Contrast(1.7), lambda value: 128 + (value - 128) * 1.7),
        (Contrast(0.25, pivot=40), lambda value: 40 + (value - 40) * 0.25),
        (Gamma(2.2), lambda value: 255 * (value / 255) ** (1 / 2.2)),
        (Gamma(0.4), lambda value: 255 * (value / 255) ** 2.5),
    ],
    ids=lambda given: "" if callable(given) and not hasattr(given, "spec") else str(given),
)
def test_values_are_the_formula(step: Brightness, formula: object) -> None:
    """Every value is that of the formula, kept within 0 and 255 and rounded half up."""
    assert callable(formula)
    expected = [int(min(max(formula(value), 0), 255) + 0.5) for value in range(256)]

    result = run_filter(step, RAMP)

    assert expected == result.array.ravel().tolist()


def test_black_and_white_survive_gamma() -> None:
    """Gamma moves the middle only."""
    table = table_of([Gamma(3)])

    assert (0, 255) == (table[0], table[255])


def test_alpha_is_left_alone() -> None:
    """Only colours become lighter."""
    frame = frame_of("RGBA", 9, 9)

    result = run_filter(Brightness(2), frame)

    assert np.array_equal(frame.array[..., 3], result.array[..., 3])


def test_neighbours_are_rounded_once() -> None:
    """Point filters in a row give the values of the formulas in a row, with no rounding between."""
    pipeline = Pipeline.parse("gamma:2.2 | contrast:0.1 | contrast:10 | gamma:0.45454545454545453")

    result = pipeline.apply(RAMP)

    assert RAMP.array.ravel().tolist() == result.array.ravel().tolist()


def test_neighbours_still_clip() -> None:
    """What one filter drives to white does not come back with the next."""
    result = Pipeline.parse("brightness:2 | brightness:0.5").apply(RAMP)

    assert [*range(128), *[128] * 128] == result.array.ravel().tolist()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_neighbours_are_as_good_as_one_by_one(mode: str) -> None:
    """A row of point filters differs from its filters run singly by rounding alone, alpha not at all."""
    frame = frame_of(mode, 30, 20)
    pipeline = Pipeline.parse("brightness:1.2,5 | gamma:1.1 | contrast:0.9 | brightness")
    expected = frame
    for step in pipeline.filters:
        expected = run_filter(step, expected)

    result = pipeline.apply(frame)

    assert mode == result.mode
    assert np.abs(expected.array.astype(int) - result.array).max() <= 2
    if mode[-1] == "A":
        assert np.array_equal(frame.array[..., -1], result.array[..., -1])


@pytest.mark.parametrize("text", ["brightness:-1", "brightness:nan", "contrast:101", "gamma:0", "gamma:1e-3"])
def test_bad_parameters(text: str) -> None:
    """Values outside their range are refused."""
    with pytest.raises(BadPipeline, match="expected a number"):
        Pipeline.parse(text)


@pytest.mark.parametrize(("mode", "expected"), [("L", "L"), ("LA", "LA"), ("RGB", "L"), ("RGBA", "LA")])
def test_grayscale_keeps_alpha(mode: str, expected: str) -> None:
    """Grey has one channel of colour, and alpha if there was one, unchanged."""
    frame = frame_of(mode, 9, 9)

    result = run_filter(Grayscale(), frame)

    assert expected == result.mode
    if mode == "RGBA":
        assert np.array_equal(frame.array[..., 3], result.array[..., 1])


def test_grey_is_the_luma() -> None:
    """Without a profile, grey is 0.299 R + 0.587 G + 0.114 B."""
    frame = frame_of("RGB", 30, 30)
    expected = frame.array @ np.array([0.299, 0.587, 0.114])

    result = run_filter(Grayscale(), frame)

    assert np.abs(expected - result.array).max() <= 0.51
    assert result.icc is None


def test_grey_obeys_the_profile() -> None:
    """A picture in another colour space is converted to sRGB first, and no profile that does not fit stays."""
    profile = _swapped_srgb()
    frame = Frame.of_image(Image.new("RGB", (4, 4), (255, 0, 0)), profile)

    result = run_filter(Grayscale(), frame)

    # What that profile calls red is green.
    assert abs(150 - int(result.array[0, 0])) <= 2
    assert result.icc is None
    assert () == result.notes


def _swapped_srgb() -> bytes:
    """Return sRGB with the tags of red and green exchanged."""
    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for start in range(132, 132 + 12 * int.from_bytes(raw[128:132]), 12):
        name = bytes(raw[start : start + 4])
        raw[start : start + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(bytes(raw)))
    return bytes(raw)
