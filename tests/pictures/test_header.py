"""Tests of the header: nothing that is given a picture's name can block, burst, warn or surprise."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import stat
import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin

from imgpipe.errors import FailureCode, PictureError
from imgpipe.pictures import header as header_module
from imgpipe.pictures.formats import BY_NAME
from imgpipe.pictures.header import muted, open_header
from imgpipe.pictures.options import FORMATS, Limits

LIMITS = Limits()
posix = pytest.mark.skipif(os.name != "posix", reason="what only POSIX systems have")


def saved(path: Path, picture: Image.Image | None = None, name: str = "", **options: Any) -> str:
    """Save a picture and return its path."""
    picture = picture or Image.effect_noise((40, 30), 60).convert("RGB")
    picture.save(path, BY_NAME[name].pillow if name else None, **options)
    return str(path)


def refused(path: object, limits: Limits = LIMITS) -> PictureError:
    """Open what must be refused, and return the error."""
    with pytest.raises(PictureError) as caught:
        open_header(str(path), limits)
    return caught.value


def chunk(kind: bytes, body: bytes) -> bytes:
    """Make one PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *more: bytes, bits: int = 8, colour: int = 2) -> bytes:
    """Make a PNG header of any size, with chunks behind it."""
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + ihdr + b"".join(more) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def gif(width: int, height: int, frames: int) -> bytes:
    """Make a GIF of frames of one pixel."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2D\1\0"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


# Opening.


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_opens(tmp_path, name):
    """A picture of each format opens by its contents, whatever its name says."""
    path = saved(tmp_path / "a.txt", name=name)

    with open_header(path, LIMITS) as header:
        info = header.info

    assert (40, 30, "RGB", 8, 1) == (info.width, info.height, info.mode, info.bits, info.frames)
    assert (name, name) == (info.format, header.format.name)
    assert Path(path).stat().st_size == info.file_bytes
    assert () == header.notes


@pytest.mark.parametrize("name", FORMATS)
def test_no_pixel_is_decoded_and_the_file_stays_whole(tmp_path, name):
    """The file can still be copied from its beginning, and the picture still be decoded."""
    path = saved(tmp_path / "a", name=name)

    with open_header(path, LIMITS) as header:
        assert header.image._im is None
        header.file.seek(0)
        assert Path(path).read_bytes() == header.file.read()
        header.image.load()
        assert (40, 30) == header.image.size
        header.file.seek(0)
        assert Path(path).read_bytes() == header.file.read()
    assert header.file.closed


def test_what_is_not_there(tmp_path):
    """A file that is not there, a dangling link and a path through a file are NOT_FOUND."""
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "file").write_bytes(b"x")

    for name in ("gone.jpg", "link.jpg", "file/a.jpg"):
        assert FailureCode.NOT_FOUND == refused(tmp_path / name).code


@posix
def test_what_is_no_file(tmp_path):
    """Folders, FIFOs, devices, sockets, links to them and loops of links are refused at once."""
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    (tmp_path / "to-fifo.jpg").symlink_to("fifo.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(tmp_path)  # a socket's path must be short
        try:
            server.bind("socket.jpg")
        finally:
            os.chdir(before)

        for name in ("folder", "fifo", "device", "to-fifo", "loop", "socket"):
            assert FailureCode.NOT_A_FILE == refused(tmp_path / f"{name}.jpg").code, name


@posix
def test_fifo_that_takes_a_files_place(tmp_path, monkeypatch):
    """A FIFO that appears between the look and the opening does not block either."""
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"x")
    status = os.stat(tmp_path / "b.jpg")
    monkeypatch.setattr(os, "stat", lambda _: status)

    assert FailureCode.NOT_A_FILE == refused(tmp_path / "a.jpg").code


@pytest.mark.parametrize("path", ["a\0b.jpg", "\ud800.jpg", "x" * 300])
def test_impossible_paths(path):
    """Paths that no file can have are refused, in words that can be printed."""
    error = refused(path)

    assert error.code in {FailureCode.READ_ERROR, FailureCode.NOT_FOUND}
    assert error.message.isprintable()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
def test_no_permission(tmp_path):
    """A file that may not be read is PERMISSION_DENIED."""
    code = (
        "import os, sys; from imgpipe.pictures.header import open_header; from imgpipe.pictures.options import Limits\n"
        "from imgpipe.errors import PictureError\n"
        "descriptor = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY); os.fchdir(descriptor); os.setuid(65534)\n"
        "try: open_header('a.png', Limits())\n"
        "except PictureError as error: print(error.code)"
    )
    saved(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    tmp_path.chmod(0o755)

    assert FailureCode.PERMISSION_DENIED == run_child(code, str(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html>",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        b"%PDF-1.7\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"8BPS\0\1" + bytes(40),
        b"",
        b"\0",
        b"BM",
        b"MZ" + bytes(100),
    ],
)
def test_what_is_no_picture(tmp_path, content):
    """Other kinds of files are UNREADABLE under a picture's name, and so is an empty one."""
    (tmp_path / "a.jpg").write_bytes(content)

    assert FailureCode.UNREADABLE == refused(tmp_path / "a.jpg").code


def test_allowed_formats(tmp_path):
    """A format that is not allowed is refused before its decoder sees it."""
    path = saved(tmp_path / "a.png", name="gif")

    assert FailureCode.FORMAT_NOT_ALLOWED == refused(path, Limits(formats=("png",))).code


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("length", [3, 12, 16, 25, 30, 40, 60])
def test_truncated_headers(tmp_path, name, length):
    """A header that is cut short is refused as unreadable or truncated."""
    path = Path(saved(tmp_path / "a", name=name))
    path.write_bytes(path.read_bytes()[:length])
    if length >= {"bmp": 54, "png": 41}.get(name, 100):
        pytest.skip("this header is whole")

    assert refused(path).code in {FailureCode.UNREADABLE, FailureCode.TRUNCATED}


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(FORMATS), seed=st.integers(0, 2**32))
def test_damaged_headers(tmp_path_factory, name, seed):
    """Flipped bytes lead to a header or to a `PictureError`, never to another error or a warning."""
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    if not path.exists():
        more: dict[str, Any] = {"exif": TIFF_OF_WARNINGS} if name in {"jpeg", "png", "webp"} else {}
        saved(path.with_suffix(".whole"), name=name, **more)
    data = bytearray(path.with_suffix(".whole").read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 12)):
        data[chance.randrange(min(len(data), 300))] = chance.choice((0, 255, chance.randrange(256)))
    path.write_bytes(data)

    try:
        open_header(str(path), LIMITS).file.close()
    except PictureError as error:
        message = error.message
        assert message.isprintable()


# Limits and bombs.


def test_giant_file(tmp_path):
    """A file of many gigabytes is refused by its size, and not read."""
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(5 << 30)

    assert FailureCode.TOO_LARGE == refused(tmp_path / "a.png").code


@pytest.mark.parametrize("name", FORMATS)
def test_pixel_limit(tmp_path, name):
    """The limit is kept to the pixel in every format."""
    path = saved(tmp_path / "a", name=name)

    with open_header(path, Limits(max_pixels=1200)) as header:
        assert 1200 == header.info.pixels
    assert FailureCode.TOO_LARGE == refused(path, Limits(max_pixels=1199)).code


@pytest.mark.parametrize("name", ["gif", "webp", "png", "tiff", "avif"])
def test_frames(tmp_path, name):
    """Frames and pages are counted, and limited, without a pixel being decoded."""
    frames = [Image.new("RGB", (40, 30), (0, number * 40, 0)) for number in range(5)]
    path = saved(tmp_path / "a", frames[0], name, save_all=True, append_images=frames[1:])

    with open_header(path, Limits(max_frames=5)) as header:
        assert (5, name == "tiff") == (header.info.frames, header.info.paged)
        assert header.image._im is None
    assert FailureCode.TOO_MANY_FRAMES == refused(path, Limits(max_frames=4)).code
    assert FailureCode.TOO_LARGE == refused(path, Limits(max_pixels=1499)).code


def test_png_that_claims_a_million_frames(tmp_path):
    """An animation is taken at its word."""
    (tmp_path / "a.png").write_bytes(png(1, 1, chunk(b"acTL", struct.pack(">II", 1_000_000, 0))))

    assert FailureCode.TOO_MANY_FRAMES == refused(tmp_path / "a.png").code


def text_bomb() -> bytes:
    """Make a PNG of seventy texts of a megabyte, each of which is a kilobyte in the file."""
    return png(1, 1, *(chunk(b"zTXt", b"a%d\0\0" % number + zlib.compress(bytes(1 << 20))) for number in range(70)))


def single_text_bomb() -> bytes:
    """Make a PNG with one text of 70 MB."""
    return png(1, 1, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(70 << 20))))


def webp_of(width: int, height: int) -> bytes:
    """Make a WebP header of any size."""
    vp8x = b"VP8X\x0a\0\0\0\x10\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(vp8x)) + b"WEBP" + vp8x


BOMBS = {
    "60000.png": lambda: png(60_000, 60_000),
    "line.png": lambda: png(1_000_000_000, 1),
    "65535.gif": lambda: gif(65_535, 65_535, 1000),
    "frames.gif": lambda: gif(100, 100, 50_000),
    "texts.png": text_bomb,
    "text.png": single_text_bomb,
    "16383.webp": lambda: webp_of(16_383, 16_383),
    "giant.bmp": lambda: b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 60_000, 60_000, 1, 24, 0) + bytes(20),
    "giant.jpg": lambda: b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\3\1\x11\0\2\x11\0\3\x11\0\xff\xda\0\x02",
    "zeros.jpg": lambda: b"\xff\xd8\xff\0" + bytes(8 << 20),
    "exif.jpg": lambda: b"\xff\xd8" + (b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)) * 1200,
}


@posix
def test_bombs_cost_nothing(tmp_path):
    """Bombs of all kinds are refused from the header, soon, and without memory for them."""
    for name, make in BOMBS.items():
        (tmp_path / name).write_bytes(make())
    code = """
import json, os, resource, sys, time
from imgpipe.errors import PictureError
from imgpipe.pictures.header import open_header
from imgpipe.pictures.options import Limits
found = {}
for name in sorted(os.listdir(sys.argv[1])):
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    try:
        open_header(os.path.join(sys.argv[1], name), Limits())
        code = "opened"
    except PictureError as error:
        code = error.code
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    found[name] = code, grown >> 10, round(time.perf_counter() - start, 1)
print(json.dumps(found))
"""

    found = json.loads(run_child(code, str(tmp_path)))

    assert set(BOMBS) == set(found)
    for name, (failure, megabytes, seconds) in found.items():
        assert failure in {FailureCode.TOO_LARGE, FailureCode.TOO_MANY_FRAMES, FailureCode.UNREADABLE}, name
        assert megabytes <= 80, name  # texts are allowed 64
        assert seconds < 5, name


def run_child(code: str, *arguments: str) -> str:
    """Run Python in a process of its own and return what it prints; it must say nothing on stderr."""
    environment = {**os.environ, "PYTHONPATH": str(Path(header_module.__file__).parents[2])}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert "" == done.stderr
    return done.stdout.strip()


# What is told.


@pytest.mark.parametrize(
    ("mode", "name", "expected"),
    [
        ("L", "png", ("L", 8)),
        ("LA", "png", ("LA", 8)),
        ("1", "png", ("L", 1)),
        ("P", "png", ("RGB", 8)),
        ("RGBA", "png", ("RGBA", 8)),
        ("I;16", "png", ("L", 16)),
        ("I;16", "tiff", ("L", 16)),
        ("F", "tiff", ("L", 32)),
        ("1", "tiff", ("L", 1)),
        ("CMYK", "jpeg", ("RGB", 8)),
        ("LAB", "tiff", ("RGB", 8)),
        ("CMYK", "tiff", ("RGB", 8)),
        ("RGBA", "webp", ("RGBA", 8)),
        ("RGBA", "avif", ("RGBA", 8)),
        ("P", "gif", ("RGB", 8)),
        ("L", "bmp", ("L", 8)),
    ],
)
def test_modes_and_bits(tmp_path, mode, name, expected):
    """The layout that filters will see, and the depth on disk, are told from the header."""
    path = saved(tmp_path / "a", Image.new(mode, (40, 30)), name)

    with open_header(path, LIMITS) as header:
        assert expected == (header.info.mode, header.info.bits)


@pytest.mark.parametrize("colour", [2, 6])
def test_sixteen_bits_of_a_colour_png(tmp_path, colour):
    """Pillow reads colour of 16 bits as of 8; the header tells the truth."""
    (tmp_path / "a.png").write_bytes(png(4, 4, bits=16, colour=colour))

    with open_header(str(tmp_path / "a.png"), LIMITS) as header:
        assert 16 == header.info.bits


def test_sixteen_bits_of_a_colour_tiff(tmp_path):
    """The same holds for a TIFF."""
    import cv2

    cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((4, 5, 3), np.uint16))

    with open_header(str(tmp_path / "a.tif"), LIMITS) as header:
        assert (16, "RGB") == (header.info.bits, header.info.mode)


def test_palette_with_transparency(tmp_path):
    """A palette with a transparent colour has alpha."""
    path = saved(tmp_path / "a.png", Image.new("P", (4, 4)), transparency=0)

    with open_header(path, LIMITS) as header:
        assert "RGBA" == header.info.mode


def test_progressive(tmp_path):
    """A progressive JPEG is known as such: it costs more to decode."""
    for progressive in (False, True):
        path = saved(tmp_path / "a.jpg", progressive=progressive)
        with open_header(path, LIMITS) as header:
            assert progressive == header.info.progressive


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_size_and_what_is_left_to_turn(tmp_path, name, orientation):
    """The size is that of the upright picture, and turning what Pillow decodes as told gives that size."""
    exif = Image.Exif()
    exif[274] = orientation
    path = saved(tmp_path / "a", Image.new("RGB", (40, 30)), name, exif=exif)

    with open_header(path, LIMITS) as header:
        info = header.info
        header.image.load()
        decoded = header.image.size

    assert ((30, 40) if orientation >= 5 else (40, 30)) == (info.width, info.height)
    assert (info.width, info.height) == (decoded[::-1] if info.orientation >= 5 else decoded)
    assert (1 if name == "tiff" else orientation) == info.orientation  # Pillow turns a TIFF itself


def test_tiff_turned_by_xmp(tmp_path):
    """Pillow turns a TIFF by XMP as well, but tells so only afterwards; the header knows before."""
    path = saved(tmp_path / "a.tif", Image.new("RGB", (40, 30)), tiffinfo={700: b'<a tiff:Orientation="6"/>'})

    with open_header(path, LIMITS) as header:
        assert (30, 40, 1) == (header.info.width, header.info.height, header.info.orientation)
        header.image.load()
        assert (30, 40) == header.image.size


def test_several_pictures_in_one_jpeg(tmp_path):
    """Of a JPEG with others behind it the first counts, and a note tells of the others."""
    first, second = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (9, 9))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])

    with open_header(str(tmp_path / "a.jpg"), LIMITS) as header:
        assert (1, (40, 30)) == (header.info.frames, header.image.size)
        assert ("auxiliary-images-dropped",) == header.notes
        header.image.load()
        assert header.image.getpixel((5, 5))[0] > 250  # type: ignore[index]


def test_profile_and_permissions(tmp_path):
    """The colour profile's bytes and the permissions are told."""
    path = saved(tmp_path / "a.png", icc_profile=b"a profile")
    Path(path).chmod(0o640)

    with open_header(path, LIMITS) as header:
        assert (b"a profile", True) == (header.icc, header.info.has_profile)
        assert 0o640 == header.permissions
        assert stat.S_ISREG(os.fstat(header.file.fileno()).st_mode)


def test_interlaced_png_stays_interlaced(tmp_path):
    """A text named `interlace` does not make Pillow read an interlaced PNG as a plain one."""
    rows = b"".join(b"\0" + bytes([value] * 3) for value in (10,))
    body = zlib.compress(rows)
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1))
    data = b"\x89PNG\r\n\x1a\n" + ihdr + chunk(b"tEXt", b"interlace\0no") + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)

    with open_header(str(tmp_path / "a.png"), LIMITS) as header:
        assert 1 == header.image.info["interlace"]
        header.image.load()
        assert (10, 10, 10) == header.image.getpixel((0, 0))


# Silence.

# EXIF whose one long field lies outside of it: Pillow warns of it.
TIFF_OF_WARNINGS = b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 270, 2, 5000, 9999) + bytes(4)


def noisy_files(folder: Path) -> list[str]:
    """Write files about which Pillow warns, or writes to its log."""
    jpeg = saved(folder / "a.jpg", exif=TIFF_OF_WARNINGS)
    animation = chunk(b"acTL", struct.pack(">II", 0, 0))
    (folder / "b.png").write_bytes(png(4, 4, animation))
    (folder / "c.png").write_bytes(png(13_000, 13_000))  # 169 MP: the warning, not the error
    rows = [(256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 1, 8), (262, 3, 1, 1), (270, 2, 5000, 9999), (273, 4, 1, 8),
            (277, 3, 1, 1), (279, 4, 1, 16)]  # fmt: skip
    for name, samples in (("d.tif", 1), ("e.tif", 60_000)):
        table = b"".join(struct.pack("<HHII", *(row[:3]), samples if row[0] == 277 else row[3]) for row in rows)
        (folder / name).write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(rows)) + table + bytes(40))
    return [jpeg, *(str(folder / name) for name in ("b.png", "c.png", "d.tif", "e.tif"))]


def test_files_are_noisy_without_us(tmp_path):
    """Pillow alone does warn of these files, or the next test would be worth nothing."""
    warned = 0
    for path in noisy_files(tmp_path):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with contextlib.suppress(OSError):
                Image.open(path).close()
        warned += bool(caught)

    assert warned >= 4


def test_silence(tmp_path, capfd):
    """Whatever Pillow has to say about a file, nothing is heard."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for path in noisy_files(tmp_path):
            try:
                open_header(path, LIMITS).file.close()
            except PictureError:
                assert path.endswith("e.tif")

    assert [] == caught
    assert ("", "") == capfd.readouterr()


def test_silence_of_a_process(tmp_path):
    """The same holds in a process that has configured nothing, where Python prints errors of any log."""
    code = """
import sys
from imgpipe.errors import PictureError
from imgpipe.pictures.header import open_header
from imgpipe.pictures.options import Limits
for path in sys.argv[1:]:
    try: open_header(path, Limits())
    except PictureError: pass
"""
    assert "" == run_child(code, *noisy_files(tmp_path))


def test_others_still_hear_warnings(tmp_path):
    """Outside of our own reading, Pillow warns as ever, and names its own line."""
    path = noisy_files(tmp_path)[0]

    with pytest.warns(UserWarning, match="Truncated|larger|corrupt") as caught:
        Image.open(path).close()

    assert "TiffImagePlugin" in caught[0].filename


def test_muting_is_for_one_thread():
    """While one thread reads in silence, another one is warned."""
    with muted(), ThreadPoolExecutor(1) as pool:
        ours = header_module._muted.get()
        theirs = pool.submit(header_module._muted.get).result()

    assert (True, False) == (ours, theirs)


def test_global_state_is_untouched(tmp_path):
    """Pillow's guards and Python's filters are after a file, good or bad, what they were before."""
    state = (
        Image.MAX_IMAGE_PIXELS,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        TiffImagePlugin.READ_LIBTIFF,
        list(warnings.filters),
    )

    for path in noisy_files(tmp_path):
        try:
            open_header(path, LIMITS).file.close()
        except PictureError:
            assert path.endswith("e.tif")

    after = (
        Image.MAX_IMAGE_PIXELS,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        TiffImagePlugin.READ_LIBTIFF,
        list(warnings.filters),
    )
    assert state == after


def test_no_descriptor_is_left(tmp_path):
    """A file that is refused is closed."""
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("this system does not list its descriptors")
    before = len(list(folder.iterdir()))

    for _ in range(20):
        refused(tmp_path / "a.png")

    assert before == len(list(folder.iterdir()))


def test_first_use_from_many_threads(tmp_path):
    """Eight threads that are the first to open pictures, of all formats, all succeed."""
    paths = [saved(tmp_path / name, name=name) for name in FORMATS]
    code = """
import sys, threading
gate, errors = threading.Barrier(8), []
def run(number):
    gate.wait()
    try:
        from imgpipe.pictures.header import open_header
        from imgpipe.pictures.options import Limits
        for path in sys.argv[1 + number % 7:] + sys.argv[1:]:
            with open_header(path, Limits()) as header:
                assert header.info.width == 40
    except BaseException as error:
        errors.append(repr(error))
threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(errors)
"""
    for _ in range(2):
        assert "[]" == run_child(code, *paths)


def test_texts_of_a_png_are_no_facts(tmp_path):
    """A text named like a fact of Pillow's does not reach those who read facts."""
    texts = PngImagePlugin.PngInfo()
    for key in ("icc_profile", "transparency", "duration", "loop"):
        texts.add_text(key, "nonsense")
    path = saved(tmp_path / "a.png", pnginfo=texts)

    with open_header(path, LIMITS) as header:
        assert (None, False, "RGB") == (header.icc, header.info.has_profile, header.info.mode)
        assert {} == {key: value for key, value in header.image.info.items() if isinstance(value, str)}


def test_metadata_that_cannot_be_read_is_noted(tmp_path, monkeypatch):
    """Damaged metadata do not keep a picture from being used; a note says that they are lost."""

    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(header_module, "read_metadata", fail)

    with open_header(saved(tmp_path / "a.jpg"), LIMITS) as header:
        assert ("metadata-unreadable",) == header.notes


# Real files.


@pytest.mark.corpus
@pytest.mark.parametrize("folder", ["pillow", "image-rs", "thumbor", "orientation"])
def test_corpus(corpus, folder, capfd):
    """Every file of the corpus opens or is refused, soon, in silence, and with words that can be printed."""
    opened, slow = 0, []
    for path in sorted((corpus / folder).rglob("*")):
        if not path.is_file():
            continue
        start = time.perf_counter()
        try:
            with open_header(str(path), LIMITS) as header:
                opened += 1
                assert header.info.width > 0
        except PictureError as error:
            assert error.message.isprintable()  # noqa: PT017 -- being opened is right as well
        if time.perf_counter() - start > 1:
            slow.append(path.name)

    assert opened > 10
    assert [] == slow
    assert ("", "") == capfd.readouterr()


@pytest.mark.corpus
def test_corpus_orientations(corpus):
    """Each of the example pictures says the orientation that its name says, and one upright size."""
    for path in sorted((corpus / "orientation").glob("*_[1-8].jpg")):
        with open_header(str(path), LIMITS) as header:
            assert int(path.stem[-1]) == header.info.orientation
            assert path.name.startswith("Landscape") == (header.info.width > header.info.height)
