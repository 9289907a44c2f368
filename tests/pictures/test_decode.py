"""Tests of decode: depths, keys, inks, turns and animations become frames, and what is cut off is found out."""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from imgpipe.colour import srgb_profile
from imgpipe.errors import FailureCode, PictureError
from imgpipe.pictures.decode import TimedFrame, decode, to_frame, verify
from imgpipe.pictures.header import open_header
from imgpipe.pictures.options import Limits, ReadOptions
from imgpipe.pictures.wholeness import check_whole
from running_tasks import picture, shown

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def frames_of(path: str | Path, **options: Any) -> list[TimedFrame]:
    """Decode all frames of a file."""
    with open_header(str(path), Limits()) as header:
        return [
            TimedFrame(timed.frame.with_image(timed.frame.image.copy()), timed.milliseconds)
            for timed in decode(header, ReadOptions(**options))
        ]


def pixels_of(path: str | Path, **options: Any) -> NDArray[Any]:
    """Decode the only frame of a file into an array."""
    (timed,) = frames_of(path, **options)
    return timed.frame.array


def code_of(path: str | Path, **options: Any) -> FailureCode:
    """Return the code with which decoding fails."""
    with pytest.raises(PictureError) as failed:
        frames_of(path, **options)
    return failed.value.code


def png_of(width: int, depth: int, kind: int, row: bytes, key: bytes = b"") -> bytes:
    """Make a PNG of one row by hand; Pillow does not write all depths and keys."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0))
    keys = chunk(b"tRNS", key) if key else b""
    return b"\x89PNG\r\n\x1a\n" + head + keys + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")


def written(folder: Path, name: str, data: bytes) -> Path:
    """Write bytes into a file."""
    path = folder / name
    path.write_bytes(data)
    return path


# Layouts.


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("a.png", "1", "L"), ("a.png", "L", "L"), ("a.png", "LA", "LA"), ("a.png", "P", "RGB"), ("a.png", "RGB", "RGB"),
        ("a.png", "RGBA", "RGBA"), ("a.tif", "1", "L"), ("a.tif", "LA", "LA"), ("a.tif", "P", "RGB"),
        ("a.tif", "PA", "RGBA"), ("a.tif", "RGBA", "RGBA"), ("a.tif", "CMYK", "RGB"), ("a.tif", "YCbCr", "RGB"),
        ("a.tif", "LAB", "RGB"), ("a.jpg", "L", "L"), ("a.jpg", "CMYK", "RGB"), ("a.gif", "P", "RGB"),
        ("a.webp", "RGBA", "RGBA"), ("a.avif", "L", "L"), ("a.bmp", "1", "L"), ("a.bmp", "P", "RGB"),
    ],
)  # fmt: skip
def test_layouts(tmp_path, name, mode, expected):
    """Every stored layout becomes one that filters know, and the header foresees which."""
    path = str(tmp_path / name)
    in_mode(mode).save(path)

    (timed,) = frames_of(path)
    with open_header(path, Limits()) as header:
        foreseen = header.info.mode

    assert expected == timed.frame.mode == foreseen


def in_mode(mode: str) -> Image.Image:
    """Return a picture in any mode that a file can have."""
    if mode == "PA":
        return picture("RGBA").convert("PA")
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(picture(), srgb, lab, outputMode="LAB")
        assert converted is not None
        converted.info = {}
        return converted
    return picture(mode)


def test_lab_becomes_the_colours_it_means(tmp_path):
    """Lab without a profile is taken for what it is, with a note."""
    in_mode("LAB").save(tmp_path / "a.tif")

    (timed,) = frames_of(tmp_path / "a.tif")

    assert np.abs(timed.frame.array.astype(int) - np.asarray(picture()).astype(int)).mean() < 3
    assert ("profile-assumed",) == timed.frame.notes
    assert srgb_profile() == timed.frame.icc


def test_palette_with_alpha_of_its_own(tmp_path):
    """A palette whose entries have alpha gives alpha to the pixels."""
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for x in range(3):
        image.putpixel((x, 0), x)
    image.save(tmp_path / "a.png", transparency=bytes([0, 128, 255]))

    assert [[255, 0, 0, 0], [0, 255, 0, 128], [0, 0, 255, 255]] == pixels_of(tmp_path / "a.png")[0].tolist()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png_of(4, 1, 0, b"\x50", b"\0\1"), [[0, 255], [255, 0], [0, 255], [255, 0]]),
        (png_of(4, 2, 0, b"\x1b", b"\0\1"), [[0, 255], [85, 0], [170, 255], [255, 255]]),
        (png_of(2, 4, 0, b"\x2f", b"\0\x0f"), [[34, 255], [255, 0]]),
        (png_of(2, 8, 0, b"\x07\x08", b"\0\x08"), [[7, 255], [8, 0]]),
        (png_of(2, 8, 2, b"\1\2\3\4\5\6", b"\0\4\0\5\0\6"), [[1, 2, 3, 255], [4, 5, 6, 0]]),
        (png_of(2, 16, 0, b"\x03\xe8\x07\xd0", b"\x07\xd0"), [[4, 255], [8, 0]]),
        (png_of(2, 16, 2, bytes(range(12)), bytes(range(6))), [[0, 2, 4, 0], [6, 8, 10, 255]]),
    ],
    ids=["grey of 1 bit", "grey of 2", "grey of 4", "grey of 8", "colour", "grey of 16", "colour of 16"],
)
def test_transparent_colour(tmp_path, data, expected):
    """The colour that a PNG names as transparent is found at every depth."""
    path = written(tmp_path, "a.png", data)

    assert expected == pixels_of(path, allow_8bit=True)[0].tolist()


# Depths.


@pytest.mark.parametrize(
    ("kind", "row"), [(0, b"\1\2"), (2, bytes(6)), (4, bytes(4)), (6, bytes(8))], ids=["L", "RGB", "LA", "RGBA"]
)
def test_sixteen_bits_are_refused(tmp_path, kind, row):
    """16-bit PNGs of every layout are refused, with the option that allows them."""
    path = written(tmp_path, "a.png", png_of(1, 16, kind, row))

    assert FailureCode.SIXTEEN_BIT == code_of(path)
    (timed,) = frames_of(path, allow_8bit=True)
    assert ("reduced-to-8-bit",) == timed.frame.notes


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (128, 0), (129, 1), (32767, 127), (32768, 128), (65406, 254), (65535, 255)]
)
def test_sixteen_bits_are_rounded(tmp_path, value, expected):
    """Grey of 16 bits is scaled to 8 and rounded, not clipped or cut off."""
    path = written(tmp_path, "a.png", png_of(1, 16, 0, struct.pack(">H", value)))

    assert [[expected]] == pixels_of(path, allow_8bit=True).tolist()


def test_sixteen_bits_of_a_later_page_are_found(tmp_path):
    """Each page of a TIFF has its own depth."""
    deep = Image.fromarray(np.full((4, 4), 300, np.uint16))
    Image.new("L", (4, 4)).save(tmp_path / "a.tif", save_all=True, append_images=[deep])

    assert FailureCode.SIXTEEN_BIT == code_of(tmp_path / "a.tif")
    frames = frames_of(tmp_path / "a.tif", allow_8bit=True)
    assert [(), ("reduced-to-8-bit",)] == [timed.frame.notes for timed in frames]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_without_black_and_white(tmp_path, mode):
    """32-bit numbers are refused whatever is allowed, in files, in later pages and in memory."""
    image = Image.new(mode, (4, 4), 70000)
    image.save(tmp_path / "a.tif")
    Image.new("L", (4, 4)).save(tmp_path / "b.tif", save_all=True, append_images=[image])

    with pytest.raises(PictureError) as failed:
        to_frame(image, None, allow_8bit=True)

    assert FailureCode.MODE_UNSUPPORTED == failed.value.code
    for name in ("a.tif", "b.tif"):
        assert FailureCode.MODE_UNSUPPORTED == code_of(tmp_path / name, allow_8bit=True)


def test_sixteen_bits_in_memory():
    """A 16-bit image in memory is not reduced unasked either."""
    image = Image.fromarray(np.full((2, 2), 65535, np.uint16))

    with pytest.raises(PictureError) as failed:
        to_frame(image, None)

    assert FailureCode.SIXTEEN_BIT == failed.value.code


# Profiles and turns.


def test_profile_that_does_not_fit_is_dropped(tmp_path):
    """A profile for colour on grey pixels says nothing; it goes, with a note."""
    picture("L").save(tmp_path / "a.png", icc_profile=srgb_profile())

    (timed,) = frames_of(tmp_path / "a.png")

    assert (None, ("profile-dropped",)) == (timed.frame.icc, timed.frame.notes)


def test_each_page_has_its_own_profile(tmp_path):
    """A page without a profile does not get that of the page before it."""
    second = picture(seed=1)
    second.encoderinfo = {"icc_profile": None}
    picture().save(tmp_path / "a.tif", save_all=True, append_images=[second], icc_profile=srgb_profile())

    assert [srgb_profile(), None] == [timed.frame.icc for timed in frames_of(tmp_path / "a.tif")]


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_without_a_profile(tmp_path, name):
    """Inks without a profile become colours by plain formulas, with a note; white stays white."""
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / name)

    (timed,) = frames_of(tmp_path / name)

    assert [255, 255, 255] == timed.frame.array[0, 0].tolist()
    assert (("profile-assumed",), None) == (timed.frame.notes, timed.frame.icc)


def test_damaged_profile_of_inks_is_passed_over(tmp_path):
    """What claims to be a CMYK profile and is none does not stop a picture."""
    fake = bytes(16) + b"CMYK" + bytes(16) + b"acsp" + bytes(100)
    picture("CMYK").save(tmp_path / "a.jpg", icc_profile=fake)

    (timed,) = frames_of(tmp_path / "a.jpg")

    assert (("profile-assumed",), None) == (timed.frame.notes, timed.frame.icc)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns(tmp_path, orientation):
    """Every orientation gives the picture that Pillow's own turning gives."""
    exif = Image.Exif()
    exif[274] = orientation
    picture("RGB", (7, 5)).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))

    assert np.array_equal(expected, pixels_of(tmp_path / "a.png"))


# Animations.


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.avif"])
def test_frames_are_what_is_shown(tmp_path, name):
    """Each frame is the whole picture as it is seen at that time, for as long as it is seen."""
    frames = [picture("RGB", (24, 16), seed) for seed in range(4)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=[40, 50, 60, 70])

    found = frames_of(tmp_path / name)

    expected = shown(tmp_path / name)
    assert [40, 50, 60, 70] == [timed.milliseconds for timed in found]
    for timed, (pixels, _) in zip(found, expected, strict=True):
        assert np.array_equal(pixels, np.asarray(timed.frame.image.convert("RGBA")))


def test_first_frame_alone(tmp_path):
    """Asked for the first frame only, the others are not decoded, and a note tells of them."""
    frames = [picture("RGB", (24, 16), seed) for seed in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])

    (timed,) = frames_of(tmp_path / "a.gif", frames="first")

    assert ("frames-dropped",) == timed.frame.notes


def test_page_that_is_much_larger_than_the_first(tmp_path):
    """The limits were checked against the first page; a giant behind it is refused."""
    Image.new("L", (4, 4)).save(tmp_path / "a.tif", save_all=True, append_images=[Image.new("L", (40, 40))])

    assert FailureCode.TOO_LARGE == code_of(tmp_path / "a.tif")


# Files that change or end early.


@pytest.mark.parametrize("write", [lambda path: os.utime(path, ns=(0, 0)), lambda path: os.truncate(path, 99)])
def test_change_while_reading(tmp_path, write):
    """A file that is written to between two frames is no picture but a mixture."""
    path = tmp_path / "a.gif"
    frames = [picture("RGB", (24, 16), seed) for seed in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])

    with open_header(str(path), Limits()) as header:
        decoded = decode(header, ReadOptions())
        next(decoded)
        write(path)
        with pytest.raises(PictureError) as failed:
            list(decoded)

    assert FailureCode.CHANGED == failed.value.code


def test_change_while_verifying(tmp_path):
    """A file that grew since its header was read is no longer that file."""
    path = tmp_path / "a.jpg"
    picture().save(path)

    with open_header(str(path), Limits()) as header, open(path, "ab") as file:
        file.write(b"more")
        file.flush()
        with pytest.raises(PictureError) as failed:
            verify(header)

    assert FailureCode.CHANGED == failed.value.code


def saved(mode: str = "RGB", **saving: Any) -> bytes:
    """Return the bytes of a small file."""
    buffer = io.BytesIO()
    picture(mode, (24, 16)).save(buffer, **saving)
    return buffer.getvalue()


@pytest.mark.parametrize("format_name", ["jpeg", "png", "gif"])
def test_end_is_looked_for(format_name):
    """Without its last byte a file is not whole; with anything behind its end it is."""
    data = saved(format=format_name.upper())

    check_whole(io.BytesIO(data), format_name)
    check_whole(io.BytesIO(data + b"trailer\0\xff of a camera"), format_name)
    with pytest.raises(PictureError) as failed:
        check_whole(io.BytesIO(data[:-1]), format_name)

    assert FailureCode.TRUNCATED == failed.value.code


def test_end_of_a_thumbnail_is_not_the_end():
    """The thumbnail inside a JPEG's EXIF has an end marker; the picture's own is what counts."""
    data = saved(format="JPEG", exif=b"Exif\0\0" + saved(format="JPEG"))

    check_whole(io.BytesIO(data), "jpeg")
    with pytest.raises(PictureError):
        check_whole(io.BytesIO(data[:-2] + b"\0"), "jpeg")


def test_end_across_blocks_is_found():
    """An end that lies across two blocks of reading is found."""
    data = saved(format="PNG")
    for length in range(-14, 3):
        padded = data[:8] + bytes((1 << 20) + length) + data[-12:]

        check_whole(io.BytesIO(padded + b"junk"), "png")


def test_gif_without_a_trailer_has_lost_frames():
    """A GIF that ends between two frames is not whole, though every frame that is there can be decoded."""
    frames = [picture("P", (24, 16), seed) for seed in range(2)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=50)
    data = buffer.getvalue()
    second = data.rindex(b"!\xf9\x04")

    with pytest.raises(PictureError) as failed:
        check_whole(io.BytesIO(data[:second]), "gif")

    assert FailureCode.TRUNCATED == failed.value.code


def test_compressed_bmp_is_compared_with_its_length():
    """A BMP in run lengths is filled up by its decoder where it ends early; its header knows better."""
    head = b"BM" + struct.pack("<IHHI", 78, 0, 0, 62) + struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, 16, 0, 0, 2, 0)
    data = head + bytes(8) + b"\4\1\0\0\4\0\0\1" + bytes(8)

    check_whole(io.BytesIO(data), "bmp")
    with pytest.raises(PictureError):
        check_whole(io.BytesIO(data[:-12]), "bmp")


def test_check_keeps_the_position():
    """Looking for the end does not move the file under the decoder."""
    file = io.BytesIO(saved(format="PNG"))
    file.seek(5)

    check_whole(file, "png")

    assert 5 == file.tell()


def test_apng_cut_between_its_frames_is_not_whole(tmp_path):
    """An animation that lost its last frames is not taken for a shorter one."""
    buffer = io.BytesIO()
    frames = [picture("RGB", (24, 16), seed) for seed in range(3)]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], duration=50)
    data = buffer.getvalue()
    path = written(tmp_path, "a.png", data[: data.rindex(b"fcTL") - 4])

    assert FailureCode.TRUNCATED == code_of(path)


def test_text_of_a_png_is_not_taken_for_its_duration(tmp_path):
    """A text chunk named `duration` is a text."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("duration", "for ever")
    picture().save(tmp_path / "a.png", pnginfo=texts)

    (timed,) = frames_of(tmp_path / "a.png")

    assert 0 == timed.milliseconds


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif"])
def test_the_decoder_keeps_no_pixels(tmp_path, name):
    """Once the last frame is out, its pixels are the frame's alone, and the open file is still of use."""
    picture().save(tmp_path / name)
    with open_header(str(tmp_path / name), Limits()) as header:
        (timed,) = decode(header, ReadOptions())

        with pytest.raises(ValueError, match="closed"):
            _ = header.image.im
        assert (48, 32) == timed.frame.image.size
        assert timed.frame.image.getextrema()
        assert header.file.seek(0) == 0


@pytest.mark.parametrize(("name", "mode"), [("a.jpg", "RGB"), ("a.png", "RGBA"), ("a.png", "L"), ("a.gif", "P")])
def test_frames_as_arrays(tmp_path, name, mode):
    """Asked for arrays, the decoder gives the same pixels as arrays."""
    picture(mode).save(tmp_path / name)
    frames = []
    for array in (False, True):
        with open_header(str(tmp_path / name), Limits()) as header:
            frames += [timed.frame for timed in decode(header, ReadOptions(), array=array)]

    assert isinstance(frames[1].buffer, np.ndarray)
    assert (frames[0].mode, frames[0].conversions + 1) == (frames[1].mode, frames[1].conversions)
    assert np.array_equal(frames[0].array, frames[1].array)
