"""Pipeline: filters in their order, and what can be said before any pixel is decoded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_samples import any_filter, frame_of
from imgpipe.errors import FailureCode, PictureError
from imgpipe.filters.blur import Blur
from imgpipe.filters.resize import Resize
from imgpipe.info import ImageInfo
from imgpipe.pipeline import Pipeline

PHOTO = ImageInfo(width=4000, height=3000, mode="RGB")


def test_filters_run_in_their_order() -> None:
    """The second filter gets what the first one made."""
    frame = frame_of("RGB", 40, 30)
    first = Pipeline.parse("resize:20x").apply(frame)
    expected = Pipeline.parse("edges").apply(first)

    result = Pipeline.parse("resize:20x | edges").apply(frame)

    assert np.array_equal(expected.array, result.array)


def test_empty_pipeline_does_nothing() -> None:
    """No filters leave the frame itself."""
    frame = frame_of("RGBA", 4, 3)

    assert frame is Pipeline().apply(frame)
    assert Pipeline().is_identity(frame.info)
    assert [frame.info] == Pipeline().stages(frame.info)
    assert "" == str(Pipeline())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(any_filter(), max_size=4).map(Pipeline),
    st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_stages_tell_what_comes(pipeline: Pipeline, mode: str, width: int, height: int) -> None:
    """For any filters in any order, the last stage is the result, or foreseeing fails as running does."""
    frame = frame_of(mode, width, height)
    try:
        pipeline.check_size(frame.info, 100_000)
    except PictureError:
        return
    after = pipeline.stages(frame.info)[-1]

    result = pipeline.apply(frame).straight()

    assert (after.width, after.height, after.mode) == (result.width, result.height, result.mode)


def test_stages() -> None:
    """There is one stage more than filters, each with its own size and layout."""
    stages = Pipeline.parse("resize:800x600 | crop:100x50 | edges").stages(PHOTO)

    assert [(4000, 3000, "RGB"), (800, 600, "RGB"), (100, 50, "RGB"), (100, 50, "L")] == [
        (stage.width, stage.height, stage.mode) for stage in stages
    ]


def test_size_is_checked_at_every_stage() -> None:
    """A picture that would be too large in between is refused, and the message names the filter."""
    pipeline = Pipeline.parse("resize:20000x20000,enlarge=true | resize:10x10")

    with pytest.raises(PictureError, match=r"resize:width=20000.* would make 20000x15000 pixels") as caught:
        pipeline.check_size(PHOTO, 100_000_000)
    pipeline.check_size(PHOTO, 300_000_000)

    assert caught.value.code is FailureCode.TOO_LARGE


def test_identity_takes_all() -> None:
    """A pipeline changes nothing only if none of its filters does."""
    assert Pipeline.parse("resize:5000x5000 | blur:0 | brightness:1").is_identity(PHOTO)
    assert not Pipeline.parse("resize:5000x5000 | blur:0.1").is_identity(PHOTO)


def test_kinds() -> None:
    """A pipeline needs a worker that can do all of it."""
    assert frozenset() == Pipeline().kinds
    assert {"io"} == Pipeline.parse("resize:5x5 | blur").kinds
    assert {"io", "cpu"} == Pipeline.parse("resize:5x5 | edges").kinds


def test_pipelines_are_values() -> None:
    """Equal pipelines are equal, hash equally and cannot be changed."""
    one, two = Pipeline([Resize(5), Blur()]), Pipeline.parse("resize:5 | blur")

    assert one == two
    assert {one} == {two}
    with pytest.raises(AttributeError):
        one.filters = ()  # type: ignore[misc]


def test_memory_of_nothing_is_the_picture() -> None:
    """Without filters, or with such as change nothing, only the picture itself is held."""
    assert 4000 * 3000 * 4 == Pipeline().memory_bytes(PHOTO)
    assert 4000 * 3000 * 4 == Pipeline.parse("blur:0 | resize:9000x9000").memory_bytes(PHOTO)


def test_memory_is_that_of_the_costliest_filter() -> None:
    """Filters run one after the other: the peak is the largest of them, not their sum."""
    flip, sharpen = (Pipeline.parse(name).memory_bytes(PHOTO) for name in ("flip", "sharpen"))

    assert sharpen == Pipeline.parse("flip | sharpen").memory_bytes(PHOTO) > flip
    assert Pipeline.parse("resize:800x600 | sharpen").memory_bytes(PHOTO) < sharpen / 2


_MEASURE = """
import gc, sys
from PIL import Image
from imgpipe.frame import Frame
from imgpipe.pipeline import Pipeline

def status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

for mode in ("RGB", "RGBA"):
    for text in sys.argv[1:]:
        pipeline = Pipeline.parse(text)
        pipeline.apply(Frame.of_image(Image.new(mode, (64, 64), "red")))
        frame = Frame.of_image(Image.linear_gradient("L").resize((2000, 1500)).convert(mode))
        gc.collect()
        with open("/proc/self/clear_refs", "w") as reset:
            reset.write("5")
        before = status("VmRSS")
        result = pipeline.apply(frame)
        measured = status("VmHWM") - before + frame.info.frame_bytes
        print(pipeline.memory_bytes(frame.info) / measured, mode, text)
        del frame, result
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak can only be measured on Linux")
def test_memory_is_honest() -> None:
    """The estimate is at least nine tenths and at most two and a half times what is really used."""
    texts = ["resize:800x600", "resize:2500x2500,contain,true", "rotate:10", "blur:3", "sharpen", "edges", "pad:2500x"]
    # So that memory which is given back leaves the process, and can be measured again.
    settings_ = {"MALLOC_MMAP_THRESHOLD_": "65536", "PILLOW_BLOCKS_MAX": "0", "PYTHONPATH": os.pathsep.join(sys.path)}

    result = subprocess.run(
        [sys.executable, "-c", _MEASURE, *texts],
        env={**os.environ, **settings_},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    ratios = result.stdout.splitlines()
    assert len(texts) * 2 == len(ratios)
    assert [] == [line for line in ratios if not 0.9 <= float(line.split()[0]) <= 2.5]
