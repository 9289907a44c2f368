"""Edges: those of OpenCV at the same thresholds, at thresholds that suit the picture, and of visible things only."""

from __future__ import annotations

import subprocess
import sys
from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from filter_samples import frame_of
from imgpipe.errors import BadPipeline
from imgpipe.filters import run_filter
from imgpipe.filters.edges import Edges
from imgpipe.frame import Frame
from imgpipe.pipeline import Pipeline

REPLICATE = cv2.BORDER_REPLICATE
Method = Literal["canny", "sobel", "laplacian"]
METHODS: list[Method] = ["canny", "sobel", "laplacian"]


@pytest.fixture
def scene() -> Frame:
    """Give a grey picture of soft noise."""
    return Frame.of_image(frame_of("L", 90, 70).image.filter(ImageFilter.GaussianBlur(2)))


def test_canny_is_opencvs(scene: Frame) -> None:
    """With the same thresholds every pixel is OpenCV's."""
    smooth = cv2.GaussianBlur(scene.array, (0, 0), 1, borderType=REPLICATE)
    expected = cv2.Canny(smooth, 20, 60, L2gradient=True)

    result = run_filter(Edges(low=20, high=60), scene)

    assert np.array_equal(expected, result.array)
    assert {0, 255} == set(result.array.ravel().tolist())


def test_auto_thresholds_are_percentiles(scene: Frame) -> None:
    """High is what nine tenths of the gradients do not exceed, low is 0.4 of it."""
    dx = cv2.Sobel(scene.array, cv2.CV_64F, 1, 0, ksize=3, borderType=REPLICATE)
    dy = cv2.Sobel(scene.array, cv2.CV_64F, 0, 1, ksize=3, borderType=REPLICATE)
    high = float(np.quantile(np.rint(np.hypot(dx, dy)), 0.9, method="inverted_cdf"))
    expected = cv2.Canny(scene.array, 0.4 * high, high, L2gradient=True)

    result = run_filter(Edges(sigma=0), scene)

    assert high > 32
    assert np.array_equal(expected, result.array)


def test_one_threshold_given(scene: Frame) -> None:
    """A threshold given alone stays, and the other one follows."""
    smooth = cv2.GaussianBlur(scene.array, (0, 0), 1, borderType=REPLICATE)

    assert np.array_equal(cv2.Canny(smooth, 20, 50, L2gradient=True), run_filter(Edges(high=50), scene).array)
    assert np.array_equal(cv2.Canny(smooth, 900, 900, L2gradient=True), run_filter(Edges(low=900), scene).array)


def test_faint_noise_is_no_edge() -> None:
    """The thresholds that suit a plain background are still high enough not to draw its noise."""
    noise = np.random.default_rng(2).integers(250, 254, (60, 60), dtype=np.uint8)

    result = run_filter(Edges(), Frame.of_array(noise))

    assert not result.array.any()


def test_few_lines_on_white_are_found() -> None:
    """A drawing that is nearly all paper shows its lines and nothing else."""
    paper = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(paper).rectangle((50, 50, 150, 150), outline="black", width=3)

    result = run_filter(Edges(), Frame.of_image(paper)).array

    assert 0.01 < (result > 0).mean() < 0.1
    assert not result[:40].any()
    assert not result[70:130, 70:130].any()


def test_sobel_and_laplacian_are_their_formulas(scene: Frame) -> None:
    """Sobel is a quarter of the gradient, laplacian the absolute second derivative, at most 255 both."""
    values = scene.array.astype(float)
    dx = cv2.Sobel(values, -1, 1, 0, ksize=3, borderType=REPLICATE)
    dy = cv2.Sobel(values, -1, 0, 1, ksize=3, borderType=REPLICATE)
    around = cv2.filter2D(values, -1, np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float), borderType=REPLICATE)

    sobel, laplacian = (run_filter(Edges(method, sigma=0), scene).array for method in METHODS[1:])

    assert np.abs(np.minimum(np.hypot(dx, dy) / 4, 255) - sobel).max() <= 0.51
    assert np.array_equal(np.minimum(np.abs(around), 255), laplacian)


def test_strongest_step_is_255() -> None:
    """The step from black to white is the brightest edge there is."""
    pixels = np.zeros((9, 10), np.uint8)
    pixels[:, 5:] = 255

    result = run_filter(Edges("sobel", sigma=0), Frame.of_array(pixels))

    assert 255 == result.array.max()
    assert [4, 5] == np.flatnonzero(result.array[0]).tolist()


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    mode=st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    ink=st.integers(0, 255),
)
def test_flat_has_no_edges(method: Method, mode: str, size: tuple[int, int], ink: int) -> None:
    """A picture of one colour, translucent or not, is black afterwards."""
    bands = Frame.of_image(Image.new(mode, (1, 1))).image.getbands()
    frame = Frame.of_image(Image.new(mode, size, (ink,) * len(bands)))

    result = run_filter(Edges(method), frame)

    assert "L" == result.mode
    assert not result.array.any()


@pytest.mark.parametrize("method", METHODS)
def test_hidden_drawings_have_no_edges(method: Method) -> None:
    """What is drawn under alpha 0 is not there."""
    pixels = np.dstack((frame_of("RGB", 30, 30).array, np.zeros((30, 30), np.uint8)))

    result = run_filter(Edges(method), Frame.of_array(pixels))

    assert not result.array.any()


@pytest.mark.parametrize("ink", [0, 128, 255])
@pytest.mark.parametrize("method", METHODS)
def test_outlines_of_alpha_are_edges(method: Method, ink: int) -> None:
    """A shape on a transparent ground has an outline, whatever its colour is."""
    pixels = np.zeros((40, 40, 2), np.uint8)
    pixels[10:30, 10:30] = (ink, 255)

    result = run_filter(Edges(method), Frame.of_array(pixels)).array

    assert result[8:12, 20].any()
    assert not result[16:24, 16:24].any()
    assert not result[:5].any()


@pytest.mark.parametrize("method", ["sobel", "laplacian"])
def test_does_not_know_left_from_right(scene: Frame, method: Method) -> None:
    """Mirroring before or after makes a difference of rounding only."""
    expected = run_filter(Edges(method), scene).array[:, ::-1].astype(int)

    result = run_filter(Edges(method), Frame.of_array(scene.array[:, ::-1].copy()))

    assert np.abs(expected - result.array).max() <= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("edges:method=cany", "did you mean canny"),
        ("edges:low=90,high=30", "above high"),
        ("edges:sobel,low=3", "belong to method canny"),
        ("edges:low=automatic", "a number at least 0 and at most 1500 or auto"),
        ("edges:high=-1", "at least 0"),
        ("edges:high=nan", "got 'nan'"),
        ("edges:sigma=251", "at most 100"),
    ],
)
def test_bad_parameters(text: str, message: str) -> None:
    """What makes no sense is refused with a hint."""
    with pytest.raises(BadPipeline, match=message):
        Pipeline.parse(text)


def test_opencv_comes_late_and_with_one_thread() -> None:
    """OpenCV is loaded when the first picture needs it, not with the filters, and then works in one thread."""
    code = (
        "import sys, numpy\n"
        "from imgpipe.pipeline import Pipeline\n"
        "from imgpipe.frame import Frame\n"
        "steps = Pipeline.parse('resize:4x4 | blur | sharpen | edges')\n"
        "assert 'cv2' not in sys.modules\n"
        "steps.apply(Frame.of_array(numpy.zeros((9, 9, 3), numpy.uint8)))\n"
        "print(sys.modules['cv2'].getNumThreads())\n"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert ("1\n", "") == (result.stdout, result.stderr)
