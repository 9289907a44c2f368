"""Tests of colour management: profiles are understood, pixels move the right way, and threads may share the work."""

from __future__ import annotations

import io
import random
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms

from imgpipe.colour import fits, profile_space, srgb_profile, to_srgb

DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


def matrix_profile(colours: tuple[tuple[float, ...], ...]) -> bytes:
    """Make sRGB's profile one with other primaries (XYZ of red, green and blue, adapted to D50)."""
    profile = bytearray(srgb_profile())
    (count,) = struct.unpack_from(">I", profile, 128)
    for index in range(count):
        name, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if name in {b"rXYZ", b"gXYZ", b"bXYZ"}:
            values = [round(value * 65536) for value in colours[b"rgb".index(name[:1])]]
            struct.pack_into(">3i", profile, offset + 8, *values)
    return bytes(profile)


def noise(mode: str, size: tuple[int, int] = (64, 48), seed: int = 1) -> Image.Image:
    """Make a picture of seeded noise."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    return Image.frombytes(mode, size, values.tobytes())


def lab_profile() -> bytes:
    """Return a profile of CIE L*a*b*."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def grey_profile() -> bytes:
    """Make a grey profile with linear light: a header, a white point and a curve."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 156 + len(white), len(curve))
    size = 128 + len(tags) + len(white) + len(curve)
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ", bytes(12), b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + tags + white + curve


def test_srgb_stays_as_it_is():
    """A picture in sRGB does not change by more than a level."""
    picture = noise("RGB")

    moved = np.asarray(to_srgb(picture, srgb_profile())).astype(int) - np.asarray(picture)

    assert np.abs(moved).max() <= 1


def test_profile_is_the_same_every_time():
    """The embedded profile does not tell when it was made."""
    srgb_profile.cache_clear()
    first = srgb_profile()
    srgb_profile.cache_clear()

    assert first == srgb_profile()
    assert b"RGB " == profile_space(first)


@pytest.mark.parametrize("colours", [DISPLAY_P3, ADOBE_RGB], ids=["display-p3", "adobe-rgb"])
def test_wide_colours_become_stronger_numbers(colours):
    """A muted colour of a wide space needs more saturated numbers in sRGB; grey stays grey."""
    profile = matrix_profile(colours)

    red, green, blue = to_srgb(Image.new("RGB", (1, 1), (150, 60, 60)), profile).getpixel((0, 0))  # type: ignore[misc]
    grey = to_srgb(Image.new("RGB", (1, 1), (120, 120, 120)), profile).getpixel((0, 0))

    assert red > 155
    assert max(green, blue) < 62
    assert max(abs(value - 120) for value in grey) <= 2  # type: ignore[union-attr]


def test_display_p3_by_the_book():
    """A colour of Display P3 lands where the two matrices say."""
    stored = np.array([150, 60, 60]) / 255
    linear = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    srgb = np.array(((0.43607, 0.38515, 0.14307), (0.22249, 0.71687, 0.06061), (0.01392, 0.09708, 0.71410)))
    moved = np.linalg.solve(srgb, np.array(DISPLAY_P3).T @ linear)
    expected = 255 * np.where(moved <= 0.0031308, moved * 12.92, 1.055 * moved ** (1 / 2.4) - 0.055)

    actual = to_srgb(Image.new("RGB", (1, 1), (150, 60, 60)), matrix_profile(DISPLAY_P3)).getpixel((0, 0))

    assert expected == pytest.approx(actual, abs=1.5)


def test_grey_in_linear_light():
    """A grey picture with its own curve becomes grey in sRGB."""
    picture = Image.new("L", (2, 2), 55)

    result = to_srgb(picture, grey_profile())

    assert "RGB" == result.mode
    values = result.getpixel((0, 0))
    assert values == pytest.approx((128, 128, 128), abs=2)


def test_lab():
    """Lab becomes sRGB: a white, a grey, a red."""
    white = to_srgb(Image.new("LAB", (1, 1), (255, 128, 128)), lab_profile()).getpixel((0, 0))
    red = to_srgb(Image.new("LAB", (1, 1), (136, 208, 195)), lab_profile()).getpixel((0, 0))

    assert (255, 255, 255) == pytest.approx(white, abs=3)
    assert (255, 0, 0) == pytest.approx(red, abs=40)


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "mode"), [("cmyk-icc.jpg", "CMYK"), ("grayscale-icc.jpg", "L")])
def test_real_profiles(corpus, name, mode):
    """Printed and grey pictures become what their profiles say, as LittleCMS alone converts them."""
    with Image.open(corpus / "thumbor" / "images" / name) as picture:
        picture.thumbnail((200, 200))
        profile = picture.info["icc_profile"]
        result = to_srgb(picture, profile)
        expected = ImageCms.profileToProfile(
            picture, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip

        assert mode == picture.mode
        assert fits(profile, mode)
    assert expected is not None
    assert np.abs(np.asarray(expected).astype(int) - np.asarray(result)).max() <= 1


@pytest.mark.parametrize(
    ("profile", "mode", "expected"),
    [
        (srgb_profile(), "RGB", True),
        (srgb_profile(), "RGBA", True),
        (srgb_profile(), "P", True),
        (srgb_profile(), "L", False),
        (srgb_profile(), "CMYK", False),
        (grey_profile(), "L", True),
        (grey_profile(), "LA", True),
        (grey_profile(), "RGB", False),
        (lab_profile(), "LAB", True),
        (b"", "RGB", False),
        (b"x" * 200, "RGB", False),
    ],
)
def test_fits(profile, mode, expected):
    """A profile fits pixels of its own colour space alone."""
    assert expected == fits(profile, mode)


@pytest.mark.parametrize("mode", ["L", "CMYK", "LAB"])
def test_profile_of_another_space_is_refused(mode):
    """Pixels are not read by a profile that is not for them."""
    with pytest.raises(ImageCms.PyCMSError):
        to_srgb(Image.new(mode, (2, 2)), srgb_profile())


@pytest.mark.parametrize("length", [0, 1, 127, 128, 132, 300])
def test_cut_profile_is_refused(length):
    """A profile that is cut short is refused, by the one error that is promised."""
    with pytest.raises(ImageCms.PyCMSError):
        to_srgb(Image.new("RGB", (2, 2)), srgb_profile()[:length])


def test_damaged_profiles():
    """Damage leads to a picture or to the promised error, nothing else."""
    chance = random.Random(5)
    picture = noise("RGB", (4, 4))
    refused = 0
    for _ in range(150):
        profile = bytearray(srgb_profile())
        for _ in range(chance.randrange(1, 8)):
            profile[chance.randrange(len(profile))] = chance.randrange(256)
        try:
            assert "RGB" == to_srgb(picture, bytes(profile)).mode
        except ImageCms.PyCMSError:
            refused += 1

    assert 0 < refused < 150


def test_giant_profile_is_used_but_not_kept():
    """A profile of megabytes works like any other."""
    profile = bytearray(srgb_profile() + bytes(2 << 20))
    struct.pack_into(">I", profile, 0, len(profile))
    picture = noise("RGB")

    assert to_srgb(picture, srgb_profile()).tobytes() == to_srgb(picture, bytes(profile)).tobytes()


@pytest.mark.parametrize(("mode", "profile"), [("RGB", matrix_profile(ADOBE_RGB)), ("LAB", lab_profile())])
def test_threads_share_a_transform(mode, profile):
    """Eight threads that convert with one cached transform get what one thread gets."""
    pictures = [noise(mode, (400, 300), seed) for seed in range(8)]
    expected = [to_srgb(picture, profile).tobytes() for picture in pictures]

    with ThreadPoolExecutor(8) as pool:
        for _ in range(4):
            assert expected == list(pool.map(lambda picture: to_srgb(picture, profile).tobytes(), pictures))


def test_profile_can_be_embedded(tmp_path):
    """The profile that imgpipe embeds is one that others can open."""
    Image.new("RGB", (1, 1)).save(tmp_path / "a.png", icc_profile=srgb_profile())

    with Image.open(tmp_path / "a.png") as picture:
        found = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))

    assert "sRGB" in ImageCms.getProfileDescription(found)
