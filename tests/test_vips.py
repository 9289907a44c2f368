"""Vips: libvips gives what Pillow and OpenCV give, to a level or two, with the same metadata, errors and options."""

from __future__ import annotations

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from imgpipe import FailureCode, ReadOptions, Recipe, UsageError, make_plan
from imgpipe.frame import Frame
from imgpipe.pictures import vips
from imgpipe.samples import sample
from running_tasks import code_of, done, pixels_of, raw_exif, run

if TYPE_CHECKING:
    from pathlib import Path

needs_vips = pytest.mark.skipif(
    importlib.util.find_spec("pyvips") is None and not os.environ.get("CI"), reason="pyvips is not installed"
)
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>what was said of it</x:xmpmeta>"


def photograph(path: Path, size: tuple[int, int] = (640, 480), mode: str = "RGB", **save: Any) -> str:
    """Write a sample as JPEG."""
    sample(2, *size).convert(mode).save(path, "JPEG", **{"quality": 90, **save})
    return str(path)


def profile() -> bytes:
    """Return a profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def both(source: str, folder: Path, text: str, extension: str = "png", **options: Any) -> tuple[Path, Path]:
    """Process a picture with Pillow and with libvips; what is said of the results is the same."""
    results = [
        done(source, folder / f"{engine}.{extension}", text, engine=engine, format=extension, **options)
        for engine in ("pillow", "vips")
    ]
    assert (results[0].notes, results[0].width, results[0].height) == (
        results[1].notes, results[1].width, results[1].height,
    )  # fmt: skip
    return folder / f"pillow.{extension}", folder / f"vips.{extension}"


def difference(one: Path, two: Path) -> np.ndarray:
    """Return how many levels the pixels of two files differ by."""
    return np.abs(pixels_of(one) - pixels_of(two))


@needs_vips
@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("blur:0.8", 2),
        ("blur:3", 3),
        ("blur:10", 3),
        ("gamma:1.5 | blur:2 | flip", 4),
        ("grayscale | blur:2", 3),
        # Where a line is as thin as a pixel, 64 places for a kernel between two of them are few.
        ("resize:300x", 24),
        ("resize:640x200,fit=fill,kernel=bilinear", 12),
        ("resize:120x90,kernel=bicubic | blur:1.5 | brightness:1.2", 4),
        ("resize:200x | grayscale", 24),
        ("resize:200x | sharpen", 30),
    ],
)
@pytest.mark.parametrize("quality", ["balanced", "exact"])
def test_pixels_are_nearly_the_same(tmp_path, text, most, quality):
    """Of a hundred pixels 99 differ by two levels at most, and the others by not much more."""
    source = photograph(tmp_path / "in.jpg")
    levels = difference(*both(source, tmp_path, text, decode_quality=quality))

    assert levels.mean() < 0.5
    assert np.percentile(levels, 99) <= 2
    assert levels.max() <= most


@needs_vips
@pytest.mark.parametrize(
    "text", ["brightness:1.3", "gamma:0.7 | contrast:1.4 | brightness:0.9,offset=9", "brightness:1 | gamma:2 | sharpen"]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 95}, {"subsampling": "4:4:4"}, {"subsampling": "4:2:2"}, {"optimize": True}, {"quality": 1}],
)
def test_tables_give_the_same_file(tmp_path, text, mode, options):
    """What is looked up is exact, and libvips encodes as Pillow does: the files are the same, byte for byte."""
    source = photograph(tmp_path / "in.jpg", (403, 301), mode, icc_profile=profile(), dpi=(300, 300), comment="hello")
    pillow, libvips = both(source, tmp_path, text, "jpeg", **options)

    assert pillow.read_bytes() == libvips.read_bytes()


@needs_vips
@pytest.mark.parametrize("text", ["brightness:1.3", "blur:2", "resize:100x | brightness:1.1", "sharpen", "resize:50x"])
@pytest.mark.parametrize("metadata", ["keep", "copyright", "none"])
def test_everything_beside_the_pixels_is_the_same(tmp_path, text, metadata):
    """EXIF, XMP, profile, comment and resolution are those that imgpipe writes, whoever encodes."""
    save: dict[str, Any] = {"exif": raw_exif(), "xmp": XMP, "icc_profile": profile(), "dpi": (72, 96)}
    source = photograph(tmp_path / "in.jpg", comment=b"hello", **save)
    pillow, libvips = both(source, tmp_path, text, "jpeg", metadata=metadata, strip_gps=True)
    heads = [path.read_bytes().partition(b"\xff\xdb")[0] for path in (pillow, libvips)]

    assert heads[0] == heads[1]
    assert len(profile()) < len(heads[0])


@needs_vips
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("text", ["blur:2", "resize:160x | brightness:1.2", "gamma:2"])
def test_turned_pictures(tmp_path, orientation, text):
    """Pictures stand upright before anything is done to them."""
    exif = Image.Exif()
    exif[274] = orientation
    source = photograph(tmp_path / "in.jpg", exif=exif)
    levels = difference(*both(source, tmp_path, text))

    assert np.percentile(levels, 99) <= 2


@needs_vips
@pytest.mark.parametrize(
    "save", [{"mode": "L"}, {"mode": "CMYK"}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}]
)
@pytest.mark.parametrize("text", ["blur:2", "resize:100x", "resize:100x | sharpen"])
def test_every_kind_of_jpeg(tmp_path, save, text):
    """Grey, progressive and every subsampling go through libvips, what is stored in inks through Pillow."""
    levels = difference(*both(photograph(tmp_path / "in.jpg", **save), tmp_path, text))

    assert np.percentile(levels, 99) <= 2
    assert levels.any() == ("mode" not in save or save["mode"] != "CMYK")


@needs_vips
def test_a_profile_that_does_not_fit(tmp_path):
    """It is dropped with a note, as Pillow's engine does."""
    source = photograph(tmp_path / "in.jpg", mode="L", icc_profile=profile())
    results = [done(source, tmp_path / "out.jpg", "blur:2", engine=engine) for engine in ("pillow", "vips")]

    assert ("profile-dropped",) == results[0].notes == results[1].notes


@needs_vips
@pytest.mark.parametrize(
    ("name", "save"), [("a.png", {}), ("a.webp", {"lossless": True}), ("a.gif", {}), ("a.tif", {}), ("a.bmp", {})]
)
def test_other_formats_are_pillows(tmp_path, picture_file, name, save):
    """What is no JPEG comes out as if libvips were not there."""
    source = picture_file(tmp_path, name, **save)
    pillow, libvips = both(
        source, tmp_path, "resize:20x | blur:2", os.path.splitext(name)[1][1:].replace("tif", "tiff")
    )

    assert pillow.read_bytes() == libvips.read_bytes()


@needs_vips
@pytest.mark.parametrize("text", ["blur:2", "resize:100x", "brightness:1.2 | sharpen"])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_a_file_that_was_cut_off_fails(tmp_path, text, keep):
    """No part of a picture is taken for the whole, and nothing is left behind."""
    source = photograph(tmp_path / "in.jpg")
    data = (tmp_path / "in.jpg").read_bytes()
    (tmp_path / "in.jpg").write_bytes(data[: int(len(data) * keep)])

    assert FailureCode.TRUNCATED == code_of(run(source, tmp_path / "out.jpg", text, engine="vips"))
    assert ["in.jpg"] == os.listdir(tmp_path)


@needs_vips
@pytest.mark.parametrize("text", ["blur:2", "resize:100x", "brightness:1.2 | sharpen"])
def test_damage_inside_is_noticed(tmp_path, capfd, text):
    """What Pillow would make grey blocks of is refused, and libvips keeps quiet about it."""
    source = photograph(tmp_path / "in.jpg")
    data = bytearray((tmp_path / "in.jpg").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2] = b"\xff\xd9"  # the end, long before the end
    (tmp_path / "in.jpg").write_bytes(data)
    result = run(source, tmp_path / "out.jpg", text, engine="vips")

    assert FailureCode.UNREADABLE == code_of(result)
    assert ["in.jpg"] == os.listdir(tmp_path)
    assert ("", "") == capfd.readouterr()


@needs_vips
@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.integers(1, 60),
    st.sampled_from(["inside", "outside", "fill", "cover", "contain"]), st.sampled_from(["balanced", "fast", "exact"]),
    st.sampled_from(["", "blur:2 | ", "gamma:2 | "]),
)  # fmt: skip
def test_any_size(tmp_path_factory, width, height, across, down, fit, quality, before):
    """However small or narrow a picture is, its result has the size that Pillow's engine gives, and its colour."""
    folder = tmp_path_factory.mktemp("size")
    Image.new("RGB", (width, height), "teal").save(folder / "in.jpg")
    text = f"{before}resize:{across}x{down},fit={fit} | brightness:1.1"
    pillow, libvips = both(str(folder / "in.jpg"), folder, text, decode_quality=quality)

    assert difference(pillow, libvips).max() <= 1


@needs_vips
def test_threads_do_not_disturb_each_other(tmp_path):
    """Several pictures at once give what each gives alone."""
    sources = []
    for number in range(6):
        sources.append(str(tmp_path / f"{number}.jpg"))
        sample(number, 500, 400).save(sources[-1], quality=90)

    def work(source: str) -> bytes:
        done(source, source + ".out.jpg", "resize:300x | blur:2 | brightness:1.1", engine="vips")
        with open(source + ".out.jpg", "rb") as file:
            return file.read()

    alone = [work(source) for source in sources]
    with ThreadPoolExecutor(3) as pool:
        assert alone == list(pool.map(work, sources))


@needs_vips
@pytest.mark.parametrize("sigma", [0.8, 0.9, 1, 1.5, 2.3, 3, 4.7, 6, 8.5, 10])
def test_a_blur_changes_no_plain_colour(sigma):
    """Weights that were rounded badly would make everything lighter or darker."""
    for value in (0, 1, 128, 254, 255):
        plain = np.full((70, 80, 3), value, np.uint8)

        assert np.array_equal(plain, vips.array_of(vips.blurred(vips.of_array(plain), sigma)))


@needs_vips
@pytest.mark.parametrize("sigma", [0.8, 1, 1.5, 2.3, 3, 4.7, 6, 8.5, 10])
def test_a_blur_of_noise_is_that_of_opencv(sigma):
    """Nothing is harder to blur than noise: it is within four levels of what imgpipe's filter makes of it."""
    from imgpipe.filters.blur import Blur

    noise = np.random.default_rng(3).integers(0, 256, (120, 150, 3), dtype=np.uint8)
    expected = Blur(sigma).apply(Frame.of_array(noise)).array.astype(int)
    levels = np.abs(expected - vips.array_of(vips.blurred(vips.of_array(noise), sigma)))

    assert levels.max() <= 4
    assert levels.mean() < 0.7


@needs_vips
def test_one_thread_and_no_memory_of_the_past():
    """Each worker is a thread already, and no picture comes twice."""
    import pyvips

    assert vips.version().startswith(f"libvips {pyvips.version(0)}.")
    assert (1, 0) == (pyvips.concurrency_get(), pyvips.cache_get_max())


def test_the_engine_is_part_of_the_recipe():
    """Results of different engines never mix silently in one folder."""
    prints = {Recipe(read=ReadOptions(engine=engine)).fingerprint for engine in ("pillow", "turbo", "vips")}

    assert 3 == len(prints)


@pytest.mark.parametrize("missing", ["pyvips", "simplejpeg"])
def test_a_missing_engine_is_an_error(tmp_path, picture_file, monkeypatch, missing):
    """Without all that the extra brings nothing is done, and the error says how to get it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else object())
    picture_file(tmp_path, "a.jpg")

    with pytest.raises(UsageError, match="pip install 'imgpipe\\[vips\\]'"):
        make_plan([str(tmp_path)], Recipe(read=ReadOptions(engine="vips")), output=str(tmp_path / "out"))
