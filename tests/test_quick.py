"""Quick: an array that becomes a JPEG does not pass through Pillow, and nobody can tell from the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageCms

from imgpipe import work
from imgpipe.samples import sample
from running_tasks import code_of, done, pixels_of, raw_exif, run

if TYPE_CHECKING:
    from pathlib import Path


def photograph(path: Path, mode: str = "RGB", **save: Any) -> str:
    """Write a sample with everything that a picture can have beside its pixels."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() if mode == "RGB" else b""
    beside = {"exif": raw_exif(6), "icc_profile": profile, "dpi": (300, 300), "comment": "hello", **save}
    sample(2, 403, 301).convert(mode).save(path, "JPEG", quality=90, **beside)
    return str(path)


@pytest.mark.parametrize(
    "text", ["blur:2", "sharpen", "edges", "resize:200x | sharpen", "blur:2 | grayscale | sharpen"]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 1},
        {"quality": 100},
        {"quality": 92, "subsampling": "4:2:0"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:4:4"},
        {"optimize": True},
        {"progressive": True},
        {"metadata": "none"},
    ],
)
def test_the_bytes_are_those_of_pillow(tmp_path, monkeypatch, text, mode, options):
    """Whether OpenCV encodes or Pillow, the files are the same, byte for byte, and so is what is said of them."""
    source = photograph(tmp_path / "in.jpg", mode)
    quick = done(source, tmp_path / "quick.jpg", text, **options)
    monkeypatch.setattr(work, "encodes", lambda *_: False)
    slow = done(source, tmp_path / "slow.jpg", text, **options)

    assert (tmp_path / "slow.jpg").read_bytes() == (tmp_path / "quick.jpg").read_bytes()
    assert slow.notes == quick.notes
    assert slow.conversions - quick.conversions == ("optimize" not in options and "progressive" not in options)


def test_other_sources_too(tmp_path, monkeypatch, picture_file):
    """What a PNG becomes is encoded in the same way; what has alpha is laid over the background by Pillow."""
    for mode in ("RGB", "RGBA"):
        source = picture_file(tmp_path, f"{mode}.png", mode=mode)
        done(source, tmp_path / "quick.jpg", "sharpen", format="jpeg")
        with monkeypatch.context() as patch:
            patch.setattr(work, "encodes", lambda *_: False)
            done(source, tmp_path / "slow.jpg", "sharpen", format="jpeg")

        assert (tmp_path / "slow.jpg").read_bytes() == (tmp_path / "quick.jpg").read_bytes()


def test_a_side_that_jpeg_cannot_have(tmp_path, picture_file):
    """It is refused with the same words as ever."""
    source = picture_file(tmp_path, "a.png", size=(65_501, 1))
    result = run(source, tmp_path / "out.jpg", "sharpen", format="jpeg")

    assert "CANNOT_ENCODE" == code_of(result)


def test_colours_are_not_swapped(tmp_path):
    """OpenCV takes blue first."""
    Image.new("RGB", (64, 64), (250, 20, 10)).save(tmp_path / "in.png")
    done(tmp_path / "in.png", tmp_path / "out.jpg", "blur:2", format="jpeg")
    red, green, blue = pixels_of(tmp_path / "out.jpg")[30, 30]

    assert red > 240
    assert max(green, blue) < 30
