"""Filters to learn from: the blur in pure Python is a right one, and the other only waits."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image, ImageFilter

from filter_samples import frame_of, noise
from imgpipe import BadPipeline, Pipeline
from imgpipe.filters import find
from imgpipe.filters.registry import names
from imgpipe.frame import Frame


@pytest.mark.parametrize("radius", [1, 2, 5])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pyblur_is_a_box_blur(mode, radius):
    """It gives what Pillow's box blur gives, to the bit."""
    pixels = noise(mode, 23, 17)
    expected = np.asarray(Image.fromarray(pixels.squeeze()).filter(ImageFilter.BoxBlur(radius)))

    actual = Pipeline.parse(f"teach.pyblur:{radius}").apply(Frame.of_array(pixels))

    assert np.array_equal(expected, actual.array.squeeze())


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_pyblur_of_a_box_larger_than_the_picture(size):
    """Edges are continued as far as the box reaches: an even picture stays even."""
    pixels = np.full((*size, 3), 77, np.uint8)

    actual = Pipeline.parse("teach.pyblur:radius=250").apply(Frame.of_array(pixels))

    assert np.array_equal(pixels, actual.array)


def test_iowait_waits_and_changes_nothing():
    """The pixels are the same; the clock went on, the processor did not."""
    frame = frame_of("RGBA", 5, 4)
    clock, cpu = time.monotonic(), time.thread_time()

    after = Pipeline.parse("teach.iowait:50").apply(frame)

    waited, computed = time.monotonic() - clock, time.thread_time() - cpu
    assert np.array_equal(frame.array, after.array)
    assert computed < waited / 2


def test_they_say_what_they_do_with_the_gil():
    """One holds it, so that `auto` chooses processes; one lets it go."""
    gil = {name: find(name).spec.gil for name in ("teach.pyblur", "teach.iowait")}

    assert {"teach.pyblur": "holds", "teach.iowait": "releases"} == gil


def test_they_are_listed_behind_the_others():
    """Nobody who looks for a filter finds them first."""
    own = [name for name in names() if find(name).__module__.startswith("imgpipe.")]

    assert ["teach.pyblur", "teach.iowait"] == own[-2:]


@pytest.mark.parametrize("text", ["teach.pyblur:0", "teach.pyblur:1.5", "teach.iowait:-1", "teach.iowait:10001"])
def test_senseless_values(text):
    """What makes no sense is refused."""
    with pytest.raises(BadPipeline):
        Pipeline.parse(text)
