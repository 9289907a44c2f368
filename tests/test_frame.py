"""Frame: one buffer at a time, crossings counted, and colours that obey their profile."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from filter_samples import frame_of
from imgpipe.colour import srgb_profile
from imgpipe.errors import FailureCode, PictureError
from imgpipe.frame import Frame
from imgpipe.info import ImageInfo, Mode

_GAMMA_1 = b"curv" + bytes(4) + (0).to_bytes(4, "big")


def _edited(profile: bytes, tags: dict[bytes, bytes], renamed: dict[bytes, bytes] | None = None) -> bytes:
    """Return an ICC profile with other contents of some tags, and other names."""
    raw = bytearray(profile)
    for start in range(132, 132 + 12 * int.from_bytes(raw[128:132]), 12):
        name = bytes(raw[start : start + 4])
        if name in tags:
            offset = len(raw)
            raw += tags[name]
            raw[start + 4 : start + 12] = offset.to_bytes(4, "big") + len(tags[name]).to_bytes(4, "big")
        raw[start : start + 4] = (renamed or {}).get(name, name)
    raw[0:4] = len(raw).to_bytes(4, "big")
    return bytes(raw)


def linear_rgb() -> bytes:
    """Return the profile of RGB without gamma: middle grey is at 55, not at 128."""
    return _edited(srgb_profile(), {b"rTRC": _GAMMA_1, b"gTRC": _GAMMA_1, b"bTRC": _GAMMA_1})


def linear_grey() -> bytes:
    """Return the profile of grey without gamma."""
    raw = bytearray(_edited(srgb_profile(), {b"rTRC": _GAMMA_1}, {b"rTRC": b"kTRC"}))
    raw[16:20] = b"GRAY"
    return bytes(raw)


def test_arrays_and_images_wrap() -> None:
    """Every layout can be wrapped; size, mode and header are known."""
    modes: tuple[Mode, ...] = ("L", "LA", "RGB", "RGBA")
    for mode in modes:
        frame = frame_of(mode, 5, 3)

        assert (5, 3, mode) == (frame.width, frame.height, frame.mode)
        assert ImageInfo(width=5, height=3, mode=mode) == frame.info
        assert frame.image.mode == mode


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2), np.uint16),
        np.zeros((2, 2), np.float32),
        np.zeros((2, 2), bool),
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((2, 2, 0), np.uint8),
        np.zeros((0, 2, 3), np.uint8),
        np.zeros((1, 2, 2, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    """What is no 8-bit picture is refused, and the remedy says what is."""
    with pytest.raises(PictureError, match="is not a picture") as caught:
        Frame.of_array(array)

    assert caught.value.code is FailureCode.MODE_UNSUPPORTED
    assert "uint8" in caught.value.remedy


@pytest.mark.parametrize("mode", ["1", "P", "I;16", "F", "CMYK", "YCbCr", "HSV"])
def test_other_images_are_refused(mode: str) -> None:
    """Pillow's other modes are for the decoder to convert."""
    with pytest.raises(PictureError, match=mode):
        Frame.of_image(Image.new(mode, (2, 2)))


def test_one_channel_is_grey() -> None:
    """An array of one channel loses its third axis."""
    frame = Frame.of_array(np.zeros((2, 3, 1), np.uint8))

    assert ("L", (2, 3)) == (frame.mode, frame.array.shape)


def test_crossings_are_counted() -> None:
    """Asking for the same library twice costs nothing; going over and back counts two."""
    frame = frame_of("RGB", 5, 3)

    assert 0 == frame.in_numpy().in_numpy().conversions
    assert 1 == frame.in_pillow().in_pillow().conversions
    assert 2 == frame.in_pillow().in_numpy().conversions
    assert np.array_equal(frame.array, frame.in_pillow().in_numpy().array)


def test_arrays_cannot_be_written_to() -> None:
    """A filter cannot change its input by mistake."""
    frame = frame_of("RGB", 5, 3)

    for one in (frame, frame.in_pillow()):
        with pytest.raises(ValueError, match="read-only"):
            one.array[0] = 0


@given(st.sampled_from(get_args(Mode)), st.sampled_from(get_args(Mode)))
def test_every_layout_becomes_every_other(source: Mode, target: Mode) -> None:
    """All pairs convert, and the size stays."""
    frame = Frame.of_image(Image.new(source, (3, 2)))

    result = frame.in_mode(target)

    assert (target, target, (3, 2)) == (result.mode, result.image.mode, result.image.size)


def test_premultiplied_and_back() -> None:
    """Opaque colours survive premultiplication, and hidden ones do not."""
    pixels = np.array([[[1, 2, 3, 255], [90, 90, 90, 0]]], np.uint8)
    frame = Frame.of_array(pixels)

    result = frame.premultiplied()

    assert "RGBa" == result.mode
    assert [[[1, 2, 3, 255], [0, 0, 0, 0]]] == result.straight().array.tolist()
    assert "RGBa" == result.with_array(pixels).mode
    assert frame_of("RGB", 2, 2).premultiplied().mode == "RGB"


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_become_srgb(mode: str) -> None:
    """Pixels with a profile are converted, alpha stays as it is, and the profile is then sRGB."""
    frame = Frame.of_image(Image.new(mode, (2, 2), (55, 55, 55, 99)[: len(mode)]), linear_rgb())

    result = frame.in_srgb()

    assert mode == result.mode
    assert np.abs(result.array[0, 0, :3].astype(int) - 128).max() <= 2
    assert mode == "RGB" or 99 == result.array[0, 0, 3]
    assert srgb_profile() == result.icc
    assert result is result.in_srgb()


def test_premultiplied_colours_become_srgb() -> None:
    """Conversion sees colours that are not multiplied by alpha."""
    frame = Frame.of_image(Image.new("RGBA", (2, 2), (55, 55, 55, 128)), linear_rgb())

    result = frame.premultiplied().in_srgb()

    assert "RGBA" == result.mode
    assert np.abs(result.array[0, 0, :3].astype(int) - 128).max() <= 4


@pytest.mark.parametrize(("mode", "expected"), [("L", "RGB"), ("LA", "RGBA")])
def test_grey_becomes_srgb(mode: str, expected: str) -> None:
    """A grey picture with a grey profile becomes sRGB, which has colours."""
    frame = Frame.of_image(Image.new(mode, (2, 2), 55 if mode == "L" else (55, 99)), linear_grey())

    result = frame.in_srgb()

    assert (expected, srgb_profile()) == (result.mode, result.icc)
    assert abs(int(result.array[0, 0, 0]) - 128) <= 2


@pytest.mark.parametrize("profile", [None, srgb_profile(), linear_grey(), b"", b"nonsense", linear_rgb()[:40]])
def test_nothing_to_convert(profile: bytes | None) -> None:
    """Without a profile that fits, and in sRGB already, pixels stay."""
    frame = Frame.of_image(Image.new("RGB", (2, 2), (55, 55, 55)), profile)

    assert frame is frame.in_srgb()


def test_unreadable_profile_is_dropped_with_a_note() -> None:
    """A damaged profile does not fail the picture: its pixels are taken for sRGB, and that is noted."""
    damaged = linear_rgb()[:132] + bytes(200)
    frame = Frame.of_image(Image.new("RGBA", (2, 2), (55, 55, 55, 9)), damaged)

    result = frame.in_srgb()

    assert (None, ("profile-unreadable",)) == (result.icc, result.notes)
    assert frame.buffer is result.buffer


@given(st.integers(0, 600), st.binary(min_size=1, max_size=8))
def test_no_profile_breaks_a_picture(place: int, damage: bytes) -> None:
    """Whatever bytes a profile has, the picture comes out: converted, as it was, or with the note."""
    raw = bytearray(linear_rgb())
    raw[place : place + len(damage)] = damage
    frame = Frame.of_image(Image.new("RGB", (2, 2), (55, 55, 55)), bytes(raw))

    result = frame.in_srgb()

    assert result is frame or result.icc == srgb_profile() or result.notes == ("profile-unreadable",)


def test_grey_from_colour_has_no_profile() -> None:
    """Colour that becomes grey goes by way of sRGB and ends without a profile, and nothing is lost by that."""
    frame = Frame.of_image(Image.new("RGB", (2, 2), (55, 55, 55)), linear_rgb())

    result = frame.in_colours("L")

    assert ("L", None, ()) == (result.mode, result.icc, result.notes)
    assert abs(int(result.array[0, 0]) - 128) <= 2


def test_colour_from_grey_obeys_the_profile() -> None:
    """Grey with a profile becomes RGB by way of sRGB; grey without one becomes three equal values."""
    image = Image.new("L", (2, 2), 55)

    with_profile = Frame.of_image(image, linear_grey()).in_colours("RGB")
    without = Frame.of_image(image).in_colours("RGB")

    assert ("RGB", srgb_profile()) == (with_profile.mode, with_profile.icc)
    assert abs(int(with_profile.array[0, 0, 0]) - 128) <= 2
    assert ([55, 55, 55], None) == (without.array[0, 0].tolist(), without.icc)


@pytest.mark.parametrize("mode", get_args(Mode))
def test_same_colours_stay(mode: Mode) -> None:
    """Asking for what is there costs nothing."""
    frame = Frame.of_image(Image.new(mode, (2, 2)), b"whatever")

    assert frame is frame.in_colours("L" if mode[0] == "L" else "RGB")


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.in_mode("L"),
        lambda frame: frame.with_image(Image.new("L", (2, 2))),
        lambda frame: frame.with_array(np.zeros((2, 2), np.uint8)),
    ],
)
def test_profile_that_does_not_fit_is_dropped(change: Any) -> None:
    """An RGB profile never stays on grey pixels, and that is noted once."""
    frame = Frame.of_image(Image.new("RGB", (2, 2)), linear_rgb())

    result = change(frame)

    assert (None, ("profile-dropped",)) == (result.icc, result.notes)
    assert result.notes == result.noting("profile-dropped").notes


def test_profile_that_fits_stays() -> None:
    """New pixels of the same kind keep the profile, with and without alpha."""
    frame = Frame.of_image(Image.new("RGB", (2, 2)), linear_rgb())

    assert linear_rgb() == frame.in_mode("RGBA").premultiplied().icc
    assert linear_rgb() == frame.with_array(np.zeros((5, 5, 4), np.uint8)).icc
