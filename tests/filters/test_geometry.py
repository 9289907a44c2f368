"""Crop, pad, rotate and flip: pixels move where they should, and no other is made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from filter_samples import any_filter, frame_of
from imgpipe.errors import BadPipeline, FailureCode, PictureError
from imgpipe.filters import Filter, run_filter
from imgpipe.filters._canvas import ink
from imgpipe.filters.crop import Crop
from imgpipe.filters.flip import Flip
from imgpipe.filters.pad import Pad
from imgpipe.filters.rotate import Rotate
from imgpipe.frame import Frame
from imgpipe.pipeline import Pipeline

SIDES = st.integers(1, 120)


@settings(max_examples=100, deadline=None)
@given(
    width=SIDES,
    height=SIDES,
    mode=st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    step=st.sampled_from(["crop", "pad", "rotate", "flip"]).flatmap(any_filter),
)
def test_plan_tells_the_size(width: int, height: int, mode: str, step: Filter) -> None:
    """For any picture and parameters the plan is what happens, or both fail."""
    frame = Frame.of_image(Image.new(mode, (width, height)))
    try:
        after = step.plan(frame.info)
    except PictureError:
        with pytest.raises(PictureError):
            run_filter(step, frame)
        return
    assume(after.pixels < 300_000)

    result = run_filter(step, frame).straight()

    assert (after.width, after.height) == (result.width, result.height)
    assert step.is_identity(frame.info) or after.mode == result.mode


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("crop:4x2", np.s_[4:6], np.s_[3:7]),
        ("crop:3x3", np.s_[3:6], np.s_[3:6]),  # the odd pixel is left over on the right and at the bottom
        ("crop:4x2,northwest", np.s_[:2], np.s_[:4]),
        ("crop:4x2,gravity=north", np.s_[:2], np.s_[3:7]),
        ("crop:4x2,southeast", np.s_[-2:], np.s_[-4:]),
        ("crop:4x2,west", np.s_[4:6], np.s_[:4]),
        ("crop:4x2,x=1,y=7", np.s_[7:9], np.s_[1:5]),
        ("crop:4x200", np.s_[:], np.s_[3:7]),
        ("crop:4,2", np.s_[4:6], np.s_[3:7]),
    ],
)
def test_crop_keeps_a_rectangle(text: str, rows: slice, columns: slice) -> None:
    """The rectangle lies where its gravity or its offsets say, and is limited to the picture."""
    frame = frame_of("RGBA", 10, 10)

    result = Pipeline.parse(text).apply(frame)

    assert np.array_equal(frame.array[rows, columns], result.array)


@pytest.mark.parametrize(("x", "y"), [(7, 0), (0, 9), (65534, 0)])
def test_crop_outside_fails(x: int, y: int) -> None:
    """An explicit rectangle that leaves the picture fails it: a part of it is not what was asked for."""
    step = Crop(4, 2, x=x, y=y)
    frame = frame_of("RGB", 10, 10)

    with pytest.raises(PictureError, match="leaves a picture of 10x10") as caught:
        step.plan(frame.info)
    with pytest.raises(PictureError, match="leaves a picture of 10x10"):
        run_filter(step, frame)

    assert caught.value.code is FailureCode.FILTER_FAILED
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crop:4x", "crop.height: expected a whole number"),
        ("crop:width=4", "crop.height: missing"),
        ("crop:4x4,x=1", "give both x and y"),
        ("crop:4x4,north,x=1,y=1", "not both"),
        ("pad", "give width, height or both"),
        ("pad:5x5,background=#ff", "a colour as"),
        ("rotate", "rotate.angle: missing"),
        ("rotate:inf", "expected a number"),
        ("rotate:1e9", "at most 36000"),
        ("flip:diagonal", "one of horizontal, vertical"),
    ],
)
def test_bad_parameters(text: str, message: str) -> None:
    """What makes no sense is refused with a hint."""
    with pytest.raises(BadPipeline, match=message):
        Pipeline.parse(text)


def test_pad_surrounds() -> None:
    """The picture lies at its gravity, untouched, and the rest is background."""
    frame = frame_of("RGB", 4, 4)

    result = run_filter(Pad(8, 6, gravity="southeast", background="#010203"), frame)

    assert np.array_equal(frame.array, result.array[2:, 4:])
    assert (result.array[:2] == (1, 2, 3)).all()
    assert (result.array[:, :4] == (1, 2, 3)).all()


@pytest.mark.parametrize(
    ("mode", "background", "expected", "corner"),
    [
        ("L", "#777777", "L", 0x77),
        ("L", "#ff0000", "RGB", (255, 0, 0)),
        ("L", "#77777780", "LA", (0x77, 0x80)),
        ("LA", "#ff0000", "RGBA", (255, 0, 0, 255)),
        ("RGB", "#00000000", "RGBA", (0, 0, 0, 0)),
        ("RGBA", "#0a0b0c0d", "RGBA", (10, 11, 12, 13)),
    ],
)
def test_background_widens_the_layout(mode: str, background: str, expected: str, corner: object) -> None:
    """A coloured background gives colour and a translucent one alpha, exactly as it was asked for."""
    frame = frame_of(mode, 4, 4)

    result = run_filter(Pad(6, 6, background=background), frame)

    assert expected == result.mode
    assert corner == result.image.getpixel((0, 0))


def test_background_does_not_shine_through() -> None:
    """What is transparent in the picture stays so: the background fills only what is new."""
    frame = Frame.of_image(Image.new("RGBA", (2, 2), (1, 2, 3, 4)))

    result = run_filter(Pad(4, 4, background="#ff0000"), frame)

    assert (1, 2, 3, 4) == result.image.getpixel((1, 1))


@pytest.mark.parametrize(
    ("angle", "turns"), [(90, 3), (180, 2), (270, 1), (-90, 1), (450, 3), (-180, 2), (35910, 1), (0, 0), (-720, 0)]
)
@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_quarter_turns_are_exact(mode: str, angle: float, turns: int) -> None:
    """Multiples of 90 degrees turn clockwise and change no pixel."""
    frame = frame_of(mode, 7, 4)
    expected = np.rot90(frame.premultiplied().straight().array, turns)

    result = run_filter(Rotate(angle), frame).premultiplied().straight()

    assert np.array_equal(expected, result.array)


def test_quarter_turn_without_expand_keeps_the_size() -> None:
    """The middle of the turned picture stays on the canvas and the ends are background."""
    frame = frame_of("L", 8, 4)

    result = run_filter(Rotate(90, expand=False, background="#000000"), frame)

    assert (8, 4) == (result.width, result.height)
    assert np.array_equal(np.rot90(frame.array, 3)[2:6], result.array[:, 2:6])
    assert not result.array[:, :2].any()


def test_small_angles_are_continuous() -> None:
    """A hair more than a quarter turn looks like a quarter turn: centre and direction are right."""
    frame = Frame.of_image(Image.radial_gradient("L").crop((0, 40, 160, 140)))
    exact = run_filter(Rotate(90, expand=False), frame).array.astype(int)

    near = run_filter(Rotate(90.01, expand=False), frame).array.astype(int)

    assert np.abs(exact - near)[:, 40:-40].max() <= 2


@given(width=SIDES, height=SIDES, angle=st.floats(-720, 720))
def test_expanded_canvas_holds_all_corners(width: int, height: int, angle: float) -> None:
    """No corner of the turned picture lies outside the canvas, and the canvas is less than a pixel too large."""
    after = Rotate(angle).plan(frame_of("L", 1, 1).info.resized(width, height))
    turn = np.exp(1j * np.radians(angle))
    corners = np.array([width + height * 1j, width - height * 1j]) * turn

    assert 0 <= after.width - np.abs(corners.real).max() + 1e-5 < 1.1
    assert 0 <= after.height - np.abs(corners.imag).max() + 1e-5 < 1.1


def test_rotated_corners_are_background() -> None:
    """Corners are the background, and a translucent one mixes with no black fringe."""
    frame = Frame.of_image(Image.new("RGB", (40, 40), "#c86432"))

    result = run_filter(Rotate(45, background="#c8643200"), frame).straight()
    visible = result.array[result.array[..., 3] > 16]

    assert "RGBA" == result.mode
    assert (0, 0, 0, 0) == result.image.getpixel((0, 0))
    assert np.abs(visible[:, :3].astype(int) - (200, 100, 50)).max() <= 8


@given(st.tuples(*[st.integers(0, 255)] * 4))
def test_ink_is_premultiplied_as_pillow_does(colour: tuple[int, ...]) -> None:
    """A background in a premultiplied layout is what Pillow makes of its colour."""
    expected = Image.new("RGBA", (1, 1), colour).convert("RGBa").getpixel((0, 0))

    assert expected == ink("#" + bytes(colour).hex(), "RGBa")


def test_flips() -> None:
    """Horizontal swaps left and right, vertical swaps top and bottom."""
    frame = frame_of("RGBA", 5, 3)

    assert np.array_equal(frame.array[:, ::-1], run_filter(Flip(), frame).array)
    assert np.array_equal(frame.array[::-1], run_filter(Flip("vertical"), frame).array)
