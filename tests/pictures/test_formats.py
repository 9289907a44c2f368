"""Tests of the formats: what a file is, whether it is whole, and walks that no file can make endless."""

from __future__ import annotations

import contextlib
import io
import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgpipe.errors import FailureCode, PictureError
from imgpipe.pictures.formats import BY_EXTENSION, BY_NAME, avif_bits, extension_of, sniff
from imgpipe.pictures.options import FORMATS, Limits
from imgpipe.pictures.tiff import Tiff
from imgpipe.pictures.walks import walk

PICTURE = Image.effect_noise((40, 30), 60).convert("RGB")
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("jpeg", {}),
    ("jpeg", {"progressive": True, "comment": b"c"}),
    ("png", {}),
    ("png", {"save_all": True}),
    ("webp", {}),
    ("webp", {"lossless": True, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}),
    ("webp", {"save_all": True}),
    ("tiff", {}),
    ("tiff", {"compression": "tiff_lzw"}),
    ("tiff", {"compression": "tiff_adobe_deflate", "save_all": True}),
    ("tiff", {"save_all": True}),
    ("tiff", {"big_tiff": True}),
    ("gif", {}),
    ("gif", {"save_all": True, "comment": b"c" * 300}),
    ("bmp", {}),
    ("avif", {}),
    ("avif", {"save_all": True}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in VARIANTS]


def written(name: str, options: dict[str, Any]) -> bytes:
    """Write a picture, or three if `save_all` is among the options."""
    buffer = io.BytesIO()
    more = {"append_images": [PICTURE.rotate(90), PICTURE.rotate(180)]} if "save_all" in options else {}
    PICTURE.save(buffer, BY_NAME[name].pillow, **options, **more)
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=IDS)
def test_whole_files_are_complete(name, options):
    """Every file that Pillow writes is complete."""
    assert BY_NAME[name].complete(io.BytesIO(written(name, options)))


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=IDS)
def test_cut_files_are_not_complete(name, options):
    """A file without its last byte, its last bytes or its second half is not complete."""
    data = written(name, options)
    if name == "tiff":
        data = data.rstrip(b"\0")  # which may be nothing but padding

    for length in (len(data) - 1, len(data) - 2, len(data) - 5, len(data) - 100, len(data) // 2, 20, 8, 1, 0):
        assert not BY_NAME[name].complete(io.BytesIO(data[:length])), length


@pytest.mark.parametrize("name", ["jpeg", "png", "gif"])  # the others end with pixels, of which zeros are a kind
def test_zeros_at_the_end_are_not_complete(name):
    """A file whose end was reserved on disk but never written is not complete."""
    data = written(name, {})
    broken = data[: len(data) // 2] + bytes(len(data) - len(data) // 2)

    assert not BY_NAME[name].complete(io.BytesIO(broken))


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=IDS)
def test_sniff_knows_its_own(name, options):
    """The first bytes tell the format, 32 of them are enough for files of these writers."""
    data = written(name, options)

    assert name == sniff(data[:32]) == sniff(data)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<!DOCTYPE html>",
        b"<svg xmlns=",
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF",
        b"8BPS\0\1",
        b"RIFF\0\0\0\0WAVE",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"avif",  # the brand stands behind the box
        b"\0\0\0\x18ftypisom" + b"avif" + b"isomiso2",  # the version happens to spell it
        b"\x89PNG\n\x1a\n",
        b"\xff\xd8",
        b"GIF88a",
        b"\0\0\0\x0cjP  \r\n\x87\n",
    ],
)
def test_sniff_knows_no_other(head):
    """What is none of ours is nothing."""
    assert "" == sniff(head)


def test_table_is_consistent():
    """Every format has a name, its Pillow name and extensions that lead back to it."""
    assert list(FORMATS) == list(BY_NAME)
    for name, entry in BY_NAME.items():
        assert name == BY_EXTENSION[extension_of(name)].name
        assert all(extension == extension.lower() and extension[0] == "." for extension in entry.extensions)
    assert len(BY_EXTENSION) == sum(len(entry.extensions) for entry in BY_NAME.values())


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=IDS)
def test_walk_counts_frames(name, options):
    """GIF and TIFF are counted, the others are left to their decoders; the file stays where it was."""
    file = io.BytesIO(written(name, options))
    file.seek(7)

    frames = walk(name, file, Limits())

    assert ((3 if "save_all" in options else 1) if name in {"gif", "tiff"} else frames) == frames
    assert 7 == file.tell()


def page(at: int, following: int, *, width: int = 1) -> bytes:
    """Make a TIFF directory of one pixel row."""
    return struct.pack("<H", 2) + struct.pack("<HHIIHHIII", 256, 4, 1, width, 257, 4, 1, 1, following)


def test_walk_of_a_tiff_that_loops():
    """Pages in a circle are counted once."""
    data = b"II*\0\x08\0\0\0" + page(8, 38) + page(38, 8)

    assert 2 == walk("tiff", io.BytesIO(data), Limits())


def test_walk_of_a_tiff_of_many_pages():
    """A hundred thousand pages are refused as soon as the limit is passed."""
    pages = [page(at, at + 30) for at in range(8, 8 + 30 * 100_000, 30)]

    with pytest.raises(PictureError) as caught:
        walk("tiff", io.BytesIO(b"II*\0\x08\0\0\0" + b"".join(pages)), Limits())

    assert FailureCode.TOO_MANY_FRAMES == caught.value.code


def test_walk_of_a_tiff_whose_second_page_is_giant():
    """Each page is checked, not only the first."""
    data = b"II*\0\x08\0\0\0" + page(8, 38) + page(38, 0, width=200_000_000)

    with pytest.raises(PictureError) as caught:
        walk("tiff", io.BytesIO(data), Limits())

    assert FailureCode.TOO_LARGE == caught.value.code


def test_walk_of_a_tiff_of_many_fields():
    """Pages of thousands of fields, which may even share them, are refused before they cost minutes."""
    rows = struct.pack("<HHII", 256, 4, 1, 1) * 4000
    length = 2 + len(rows) + 4
    pages = [struct.pack("<H", 4000) + rows + struct.pack("<I", 8 + number * length) for number in range(1, 20)]

    with pytest.raises(PictureError) as caught:
        walk("tiff", io.BytesIO(b"II*\0\x08\0\0\0" + b"".join(pages)), Limits())

    assert FailureCode.UNREADABLE == caught.value.code


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("jpeg", b"\xff\xd8\xff\x00" + bytes(3_000_000)),
        ("jpeg", b"\xff\xd8" + b"\xff" * 3_000_000),
        ("jpeg", b"\xff\xd8" + b"\xff\xfe\x00\x02" * 500_000),
        ("jpeg", b"\xff\xd8" + b"\xff\xd0" * 500_000),
        ("jpeg", b"\xff\xd8" + (b"\xff\xe1\xff\xff" + bytes(65_533)) * 1100),
        ("png", b"\x89PNG\r\n\x1a\n" + (bytes(4) + b"tEXt" + bytes(4)) * 200_000),
        ("png", b"\x89PNG\r\n\x1a\n" + b"\x7f\xff\xff\xfftEXt"),
        ("gif", b"GIF89a" + bytes(7) + b"!\xfe" + b"\1x" * 5_100_000),
    ],
    ids=["zeros", "padding", "segments", "markers", "megabytes", "chunks", "giant chunk", "blocks"],
)
def test_endless_headers_are_refused(name, data):
    """A header of a million pieces, or of many megabytes, is not walked to its end."""
    with pytest.raises(PictureError) as caught:
        walk(name, io.BytesIO(data), Limits())

    assert FailureCode.UNREADABLE == caught.value.code


def test_gif_frames_outside_the_screen_count():
    """A frame that lies outside of the screen makes the picture as large as Pillow would."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\2\1\0\0"
    data = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + frame + b";"

    with pytest.raises(PictureError) as caught:
        walk("gif", io.BytesIO(data), Limits())

    assert FailureCode.TOO_LARGE == caught.value.code


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(FORMATS), seed=st.integers(0, 2**32))
def test_walks_and_checks_survive_damage(name, seed):
    """Flipped bytes make a walk or a check say something, or refuse, and never anything else."""
    chance = random.Random(seed)
    data = bytearray(_WHOLE[name])
    for _ in range(chance.randrange(1, 10)):
        data[chance.randrange(len(data))] = chance.choice((0, 255, chance.randrange(256)))
    file = io.BytesIO(data[: chance.randrange(len(data) + 1)])

    assert BY_NAME[name].complete(file) in {True, False}
    assert avif_bits(file) in {8, 10, 12}
    with contextlib.suppress(PictureError):
        assert walk(name, file, Limits()) >= 0


_WHOLE = {name: written(name, {}) for name in FORMATS}


@pytest.mark.parametrize(("flags", "expected"), [(0, 8), (0x20, 8), (0x40, 10), (0x60, 12)])
def test_avif_depth(flags, expected):
    """The depth of an AVIF is read from its codec box, even where pixels come first."""
    meta = b"\0\0\0\x14metaxxxxav1C\x81\x00" + bytes([flags, 0])
    data = b"\0\0\0\x0cftypavif" + struct.pack(">I", 5008) + b"mdat" + bytes(5000) + meta

    assert expected == avif_bits(io.BytesIO(data))


@pytest.mark.parametrize("big", [False, True])
def test_tiff_reads_what_pillow_wrote(big):
    """Fields, values and the chain of pages of both kinds of TIFF agree with Pillow's."""
    options = {"tiffinfo": {315: "An artist"}, "big_tiff": big, "save_all": True}
    file = io.BytesIO(written("tiff", options))

    tiff = Tiff.of(file)

    assert tiff is not None
    fields = {field.tag: field for field in tiff.fields(tiff.first)}
    assert b"An artist\0" == tiff.value(fields[315])
    assert (40, 30) == (tiff.integer(fields[256]), tiff.integer(fields[257]))
    assert (8, 8, 8) == tiff.integers(fields[258])
    assert big == tiff.big
    assert tiff.next_of(tiff.first) > 0
