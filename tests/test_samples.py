"""Samples: the painted pictures are the same everywhere, look like photographs to a codec, and are written safely."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from imgpipe.errors import BadOption
from imgpipe.samples import make_samples, sample

SMALL = {"width": 192, "height": 108}


def digest(picture: Image.Image) -> str:
    """Return a hash of the pixels."""
    return hashlib.sha256(picture.tobytes()).hexdigest()


def steps(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return how much each pixel differs from its neighbour."""
    return np.abs(np.diff(np.asarray(picture, dtype=np.float64), axis=1))


def test_same_number_gives_same_pixels_in_another_process() -> None:
    """A sample depends on its number and size alone, not on what was painted before or on hash seeds."""
    program = "import hashlib; from imgpipe.samples import sample; sample(1, 192, 108);"
    program += "print(hashlib.sha256(sample(7, 192, 108).tobytes()).hexdigest())"

    child = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert digest(sample(7, **SMALL)) == child.stdout.strip()


def test_no_two_numbers_look_alike() -> None:
    """Samples differ from one another, also those of the same time of day."""
    skies = {digest(sample(number, **SMALL).crop((0, 0, 192, 54))) for number in range(10)}

    assert 10 == len(skies)


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 2**32 - 2), width=st.integers(1, 90), height=st.integers(1, 90))
def test_any_size_can_be_painted(number: int, width: int, height: int) -> None:
    """Upright, lying and tiny pictures come out in the size that was asked for."""
    picture = sample(number, width, height)

    assert ("RGB", (width, height)) == (picture.mode, picture.size)


def test_weighs_as_much_as_a_photograph() -> None:
    """At quality 90 a sample takes 1 to 3 MB per 8.3 million pixels, as photographs do."""
    file = io.BytesIO()

    sample(2, 1920, 1080).save(file, "JPEG", quality=90)

    assert 1.0 < len(file.getvalue()) * 4 / 1e6 < 3.0


def test_has_smooth_and_rough_parts_and_grain() -> None:
    """Filters meet a smooth sky and rough mountains, and on both the noise of a sensor."""
    picture = sample(1, 960, 540).convert("L")

    grain = steps(picture)[80:120, 240:]
    plain = steps(picture.reduce(4))  # grain has no part in this
    sky, ground = plain[20:30, 60:], plain[75:95, 60:]
    assert np.median(grain) > 2
    assert np.median(sky) <= 1
    assert np.median(ground) > 2


@pytest.mark.parametrize(("number", "width", "height"), [(-1, 8, 8), (2**32 - 1, 8, 8), (0, 0, 8), (0, 8, -3)])
def test_senseless_arguments_are_refused(number: int, width: int, height: int) -> None:
    """A number or size that cannot be painted names itself in the error."""
    with pytest.raises(BadOption, match=r"number|size"):
        sample(number, width, height)


def test_files_are_a_mixed_folder(tmp_path: Path) -> None:
    """JPEG files, an upright one stored on its side, and a PNG with alpha: what real folders hold."""
    paths = make_samples(str(tmp_path / "new"), 4, **SMALL)

    kinds = []
    for path in paths:
        with Image.open(path) as picture:
            kinds.append((Path(path).name, picture.mode, picture.size, ImageOps.exif_transpose(picture).size))
    assert [
        ("sample-001.jpg", "RGB", (192, 108), (192, 108)),
        ("sample-002.jpg", "RGB", (192, 108), (192, 108)),
        ("sample-003.png", "RGBA", (48, 27), (48, 27)),
        ("sample-004.jpg", "RGB", (192, 108), (108, 192)),
    ] == kinds
    assert sorted(paths) == sorted(str(path) for path in (tmp_path / "new").iterdir())


def test_upright_sample_is_upright_once_turned(tmp_path: Path) -> None:
    """The orientation undoes the turn: bright sky is above, the dark lake below."""
    with Image.open(make_samples(str(tmp_path), 4, **SMALL)[3]) as picture:
        upright = np.asarray(ImageOps.exif_transpose(picture), dtype=np.float64)

    expected = np.asarray(sample(4, SMALL["height"], SMALL["width"]), dtype=np.float64)
    assert np.abs(expected - upright).mean() < 12


def test_alpha_fades_to_the_corners(tmp_path: Path) -> None:
    """The PNG is opaque in the middle and transparent in its corners."""
    with Image.open(make_samples(str(tmp_path), 3, **SMALL)[2]) as picture:
        alpha = picture.getchannel("A")

    assert (255, 0) == (alpha.getpixel((24, 13)), alpha.getpixel((0, 0)))


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    """A second call writes only what is missing, and touches nothing else, whatever it is."""
    (tmp_path / "sample-002.jpg").write_bytes(b"mine")

    first = make_samples(str(tmp_path), 2, **SMALL)
    before = Path(first[0]).stat().st_mtime_ns
    second = make_samples(str(tmp_path), 3, **SMALL)

    assert b"mine" == (tmp_path / "sample-002.jpg").read_bytes()
    assert before == Path(first[0]).stat().st_mtime_ns
    assert first == second[:2]


@pytest.mark.parametrize(("count", "quality"), [(0, 90), (-1, 90), (1, 0), (1, 101)])
def test_senseless_orders_are_refused_before_anything_is_written(tmp_path: Path, count: int, quality: int) -> None:
    """A count or quality out of range is an error, and the folder stays as it was."""
    with pytest.raises(BadOption, match=r"count|quality"):
        make_samples(str(tmp_path), count, **SMALL, quality=quality)

    assert [] == list(tmp_path.iterdir())
