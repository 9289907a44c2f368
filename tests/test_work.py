"""Tests of run_task: what it refuses, copies, notes and reports, and that it leaves the process and the disk alone."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import struct
import subprocess
import sys
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from imgpipe.errors import PictureError
from imgpipe.info import ImageInfo
from imgpipe.pictures.options import FORMATS, Limits, WriteOptions
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.task import Outcome, Task
from imgpipe.work import check, copies_bytes, run_task
from running_tasks import code_of, done, left_behind, picture, pixels_of, raw_exif, recipe, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAMES = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "tiff": "TIFF", "gif": "GIF", "bmp": "BMP", "avif": "AVIF"}
IDENTITIES = [
    "", "blur:0", "brightness:1", "contrast:1", "gamma:1", "sharpen:0", "rotate:0", "resize:500x500", "pad:4x4",
    "crop:500x500", "resize:48x32 | blur:0 | brightness:1",
]  # fmt: skip


def saved(path: Path, format_name: str = "png", image: Image.Image | None = None, **saving: Any) -> Path:
    """Write a source."""
    (image or picture()).save(path, _NAMES[format_name], **saving)
    return path


# What a result says.


def test_result_tells_what_was_done(tmp_path):
    """A result has the sizes, the bytes, the stages in their order, and who did it."""
    source = saved(tmp_path / "a.png")
    ticks = iter(range(1000))

    task = Task("7", str(source), str(tmp_path / "b.jpg"), recipe("resize:24x | sharpen", format="jpeg"))
    result = run_task(task, worker="me", clock=lambda: float(next(ticks)))

    assert ("7", Outcome.DONE, "me") == (result.task_id, result.outcome, result.worker)
    assert (24, 16, "jpeg", 48 * 32 / 1e6) == (result.width, result.height, result.format, result.megapixels)
    assert (source.stat().st_size, os.stat(task.target).st_size) == (result.bytes_in, result.bytes_out)
    assert ["header", "wait", "decode", "filter", "encode", "publish"] == list(result.seconds)
    assert 1 == result.conversions


def test_megapixels_are_those_that_were_decoded(tmp_path):
    """Frames that nobody asked for do not count."""
    frames = [picture(seed=seed) for seed in range(3)]
    source = saved(tmp_path / "a", "gif", frames[0], save_all=True, append_images=frames[1:])

    assert 3 * 48 * 32 / 1e6 == done(source, tmp_path / "b", "flip").megapixels
    assert 3 * 48 * 32 / 1e6 == done(source, tmp_path / "b").megapixels
    assert 48 * 32 / 1e6 == done(source, tmp_path / "b", "flip", frames="first").megapixels


def test_memory_is_reserved_before_the_first_pixel(tmp_path):
    """The executor is asked for room, and told about the picture, before anything is decoded; then it gets it back."""
    source = saved(tmp_path / "a")
    story: list[str] = []

    @contextlib.contextmanager
    def reserve(needed: int, info: ImageInfo) -> Iterator[None]:
        assert needed > info.pixels * 4
        story.append("in")
        yield
        story.append("out" if (tmp_path / "b").exists() else "early")

    run_task(Task("1", str(source), str(tmp_path / "b"), recipe("flip")), reserve=reserve)

    assert ["in", "out"] == story
    with pytest.raises(KeyboardInterrupt):
        run_task(Task("1", str(source), str(tmp_path / "b"), recipe("flip")), reserve=_interrupted)


@contextlib.contextmanager
def _interrupted(_needed: int, _info: object) -> Iterator[None]:
    raise KeyboardInterrupt
    yield


# Sources.


def test_picture_that_has_vanished(tmp_path):
    """A file that is gone is NOT_FOUND, and no folder is made for its result."""
    result = run(tmp_path / "gone.png", tmp_path / "out" / "gone.png", "flip")

    assert "NOT_FOUND" == code_of(result)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pipeline", ["flip", ""])
def test_picture_that_changes_meanwhile(tmp_path, pipeline):
    """A file that is written to after its header was read is CHANGED, even if what is there now is damaged."""
    for change in (b"more", b""):
        source = saved(tmp_path / "a.png")

        @contextlib.contextmanager
        def reserve(_needed: int, _info: object, source: Path = source, change: bytes = change) -> Iterator[None]:
            source.write_bytes(source.read_bytes() + change if change else b"x" * 40)
            yield

        task = Task("1", str(source), str(tmp_path / "out" / "a.png"), recipe(pipeline))
        assert "CHANGED" == code_of(run_task(task, reserve=reserve))
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format_name", FORMATS)
def test_content_decides(tmp_path, format_name):
    """What a file is called does not matter; a result that is called something else gets a note."""
    source = saved(tmp_path / "a.txt", format_name)
    own = {"jpeg": "jpg", "tiff": "tif"}.get(format_name, format_name)
    other = "png" if format_name != "png" else "jpg"

    assert () == done(source, tmp_path / f"b.{own}", "flip").notes
    result = done(source, tmp_path / f"b.{other}", "flip")
    assert (format_name, ("extension-mismatch",)) == (result.format, result.notes)
    assert ("copied", "extension-mismatch") == done(source, tmp_path / f"b.{other}").notes
    assert () == done(source, tmp_path / "b.unknown", "flip").notes


def test_formats_that_are_not_allowed(tmp_path):
    """The list of allowed formats goes by content too."""
    source = saved(tmp_path / "a.png", "gif")

    assert "FORMAT_NOT_ALLOWED" == code_of(run(source, tmp_path / "b", limits=Limits(formats=("png",))))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "UNREADABLE"), (b"<html>", "UNREADABLE"), (b"%PDF-1.4", "UNREADABLE"), (b"\x89PNG\r\n\x1a\n", None),
        (b"\xff\xd8\xff", None), (b"RIFF\0\0\0\0WEBP", None), (b"II*\0\0\0\0\0", None), (b"GIF89a", None),
        (b"BM", None),
    ],
)  # fmt: skip
def test_files_that_are_no_pictures(tmp_path, data, code):
    """What is no picture, or only the beginning of one, is said to be that."""
    (tmp_path / "a").write_bytes(data)

    assert code_of(run(tmp_path / "a", tmp_path / "b", "flip")) in ({code} if code else {"UNREADABLE", "TRUNCATED"})


# Bombs.


def _png_head(width: int, height: int, after: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + after + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def _text_bomb() -> bytes:
    data = b"a\0\0" + zlib.compress(bytes(70_000_000))
    return struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))


def _gif_bomb() -> bytes:
    frame = b"!\xf9\x04\0\1\0\0\0" + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\2\2L\1\0"
    return b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + frame * 1000 + b";"


def _bmp_head() -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54) + head + bytes(900)


_BOMBS = {
    "png": lambda: _png_head(60_000, 60_000),
    "line": lambda: _png_head(1, 1_000_000_000),
    "text": lambda: _png_head(10, 10, _text_bomb()),
    "gif": _gif_bomb,
    "bmp": _bmp_head,
}


@pytest.mark.parametrize("name", list(_BOMBS))
def test_bombs_are_refused_by_their_headers(tmp_path, name):
    """A small file that would become a giant is refused, and the process does not grow by it."""
    (tmp_path / "a").write_bytes(_BOMBS[name]())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    result = run(tmp_path / "a", tmp_path / "b", "flip")

    assert code_of(result) in ("TOO_LARGE", "UNREADABLE")
    assert "decode" not in result.seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


@pytest.mark.parametrize("text", ["resize:60000x60000,enlarge=true,fit=fill", "pad:60000x60000"])
def test_filters_that_would_make_bombs(tmp_path, text):
    """A pipeline that would make a giant is refused before a pixel is decoded."""
    result = run(saved(tmp_path / "a"), tmp_path / "b", text)

    assert ("TOO_LARGE", False) == (code_of(result), "decode" in result.seconds)


# Copies.


@pytest.mark.parametrize("format_name", FORMATS)
def test_what_stays_as_it_is_is_copied(tmp_path, format_name):
    """Where nothing would change, the result has the bytes of its source."""
    source = saved(tmp_path / "a", format_name)
    for text in IDENTITIES:
        result = done(source, tmp_path / "b", text)
        assert source.read_bytes() == (tmp_path / "b").read_bytes(), text
        assert ("copied",) == result.notes, text
        assert (48, 32, 0) == (result.width, result.height, result.conversions), text


def test_copy_keeps_what_no_frame_could(tmp_path):
    """16 bits, 32 bits, turns, second views and thumbnails survive where nothing is asked for."""
    deep = Image.fromarray(np.full((4, 4), 65535, np.uint16))
    turned = raw_exif(6)
    sources = [
        saved(tmp_path / "deep", "png", deep),
        saved(tmp_path / "numbers", "tiff", Image.new("F", (4, 4), 0.5)),
        saved(tmp_path / "turned", "jpeg", exif=b"Exif\0\0" + turned),
    ]
    picture().save(tmp_path / "views", "MPO", save_all=True, append_images=[picture(seed=1)])
    for source in [*sources, tmp_path / "views"]:
        assert ("copied",) == done(source, tmp_path / "b").notes
        assert source.read_bytes() == (tmp_path / "b").read_bytes()
    turned_result = done(tmp_path / "turned", tmp_path / "b")
    assert (32, 48) == (turned_result.width, turned_result.height)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 85}, {"metadata": "none"}, {"strip_gps": True}, {"progressive": True}, {"subsampling": "4:4:4"},
        {"format": "png"}, {"effort": 3}, {"optimize": not WriteOptions().optimize},
    ],
)  # fmt: skip
def test_options_forbid_a_copy(tmp_path, options):
    """Who asks for anything about the bytes gets new ones."""
    source = saved(tmp_path / "a", "jpeg", exif=b"Exif\0\0" + raw_exif())

    assert "copied" not in done(source, tmp_path / "b", **options).notes
    assert source.read_bytes() != (tmp_path / "b").read_bytes()


def test_options_that_ask_for_what_is_do_not(tmp_path):
    """The same format, a background that nothing needs, and the first of one frame change nothing."""
    source = saved(tmp_path / "a", "jpeg")

    assert ("copied",) == done(source, tmp_path / "b", format="jpeg", background="#000000", frames="first").notes


def test_check_and_copy_agree(tmp_path):
    """What is copied is never refused for what it holds, and what is refused is never copied."""
    deep = ImageInfo(width=4, height=4, mode="L", format="png", stored_mode="I;16", bits=16)

    assert copies_bytes(deep, Recipe())
    check(deep, Recipe())
    assert not copies_bytes(deep, recipe("flip"))
    with pytest.raises(PictureError):
        check(deep, recipe("flip"))


# Orientation, from end to end.


def _turned(pixels: Any, orientation: int) -> Any:
    """Return how a file stores an upright picture so that `orientation` makes it upright again."""
    steps = {1: "", 2: "f", 3: "rr", 4: "rrf", 5: "rrrf", 6: "r", 7: "rf", 8: "rrr"}[orientation]
    for step in steps:
        pixels = np.fliplr(pixels) if step == "f" else np.rot90(pixels)
    return pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "xmp in png", "xmp in jpeg", "avif"])
def test_pictures_stand_upright(tmp_path, kind, orientation):
    """However a file says how it has to be turned, the result is upright and says so."""
    upright = np.asarray(picture("RGB", (48, 32)).resize((96, 64), Image.Resampling.BICUBIC))
    image = Image.fromarray(np.ascontiguousarray(_turned(upright, orientation)))
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % orientation
    saving: dict[str, Any] = {"lossless": True} if kind == "webp" else {"quality": 100, "subsampling": "4:4:4"}
    exif = Image.Exif()
    exif[274] = orientation
    saving |= {"xmp": xmp} if "xmp" in kind else {"exif": exif}
    format_name = kind.split()[-1]
    if kind == "xmp in png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        saving = {"pnginfo": texts}
    if format_name in ("png", "tiff"):
        saving.pop("quality", None)
    source = saved(tmp_path / "a", format_name, image, **saving)

    for target in ("png", "jpeg", "tiff", "webp"):
        done(source, tmp_path / "b", "blur:0.1", format=target, quality=100, lossless=True)

        found = pixels_of(tmp_path / "b", "RGB")
        assert upright.shape == found.shape
        assert np.abs(upright.astype(int) - found).mean() < 3, target
        with Image.open(tmp_path / "b") as result:
            assert result.getexif().get(274, 1) == 1
        assert b'Orientation="%d"' % orientation not in (tmp_path / "b").read_bytes() or orientation == 1


@pytest.mark.corpus
def test_orientation_corpus(tmp_path, corpus):
    """The eight pictures of each set are the same once they are upright."""
    folder = corpus / "orientation"
    sources = sorted(path for path in folder.rglob("*.jpg") if path.stem[-2:-1] == "_" and path.stem[-1].isdigit())
    sets: dict[str, list[Path]] = {}
    for source in sources:
        sets.setdefault(source.stem[:-2], []).append(source)

    assert sets
    for paths in sets.values():
        results = []
        for path in paths:
            done(path, tmp_path / "b", "brightness:1.001", format="png")
            results.append(pixels_of(tmp_path / "b", "RGB"))
        for other in results[1:]:
            assert results[0].shape == other.shape
            assert np.abs(results[0] - other).mean() < 6


# Writing.


def test_target_that_has_appeared_is_kept(tmp_path):
    """Without leave to replace, a target that is there is kept and the picture fails."""
    (tmp_path / "b").write_bytes(b"precious")

    result = run_task(Task("1", str(saved(tmp_path / "a")), str(tmp_path / "b"), recipe("flip"), replace=False))

    assert ("TARGET_EXISTS", b"precious") == (code_of(result), (tmp_path / "b").read_bytes())
    assert [] == left_behind(tmp_path)


@pytest.mark.parametrize("text", ["flip", ""])
def test_source_can_be_replaced_by_its_result(tmp_path, text):
    """In place, the source becomes the result in one step and keeps its permissions; a failure leaves it alone."""
    source = saved(tmp_path / "a.png")
    os.chmod(source, 0o640)
    original = source.read_bytes()

    failed = run(source, source, "resize:60000x60000,enlarge=true,fit=fill")
    assert ("TOO_LARGE", original) == (code_of(failed), source.read_bytes())
    done(source, source, text)

    assert 0o640 == source.stat().st_mode & 0o777
    assert (original == source.read_bytes()) == (not text)


_FULL_DISK = """
import json, resource, sys
from pathlib import Path
from running_tasks import code_of, left_behind, run
folder, names = Path(sys.argv[1]), sys.argv[2:]
resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))
answers = {}
for name in names:
    keep, format_ = name.split("-")
    result = run(folder / keep, folder / "out" / "a", "" if format_ == "copy" else "flip",
                 format="keep" if format_ == "copy" else format_.split("+")[0],
                 **({"tiff_compression": format_.split("+")[1]} if "+" in format_ else {}))
    answers[name] = [code_of(result), left_behind(folder), (folder / "out" / "a").exists()]
print(json.dumps(answers))
"""


def test_full_disk(tmp_path):
    """Whichever encoder meets the end of the disk, the code says so, and neither a part nor a temporary file stays."""
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    frames = [Image.fromarray(np.roll(noise, 7 * number, 0)) for number in range(3)]
    saved(tmp_path / "still", "png", frames[0])
    saved(tmp_path / "moving", "gif", frames[0], save_all=True, append_images=frames[1:])
    saved(tmp_path / "pages", "tiff", frames[0], save_all=True, append_images=frames[1:])
    names = [f"still-{name}" for name in (*FORMATS, "copy", "tiff+lzw", "tiff+deflate")]
    names += [f"moving-{name}" for name in ("gif", "png", "webp", "avif")] + ["pages-tiff", "pages-tiff+lzw"]

    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", _FULL_DISK, str(tmp_path), *names],
        env=os.environ | {"PYTHONPATH": os.path.dirname(__file__)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "" == child.stderr
    assert {name: ["DISK_FULL", [], False] for name in names} == json.loads(child.stdout)


def test_jpeg_is_encoded_into_a_real_file(tmp_path, monkeypatch):
    """Pillow lets other threads run only while it encodes into a file that the system knows."""
    seen: list[int | None] = []
    encode_tile = ImageFile._encode_tile

    def watching(image: Any, fp: Any, tile: Any, bufsize: int, fh: int | None, exc: Any = None) -> None:
        seen.append(fh)
        encode_tile(image, fp, tile, bufsize, fh, exc)

    source = saved(tmp_path / "a")
    monkeypatch.setattr(ImageFile, "_encode_tile", watching)

    done(source, tmp_path / "b", format="jpeg")

    assert [True] == [isinstance(fh, int) for fh in seen]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "OUT_OF_MEMORY"), (ValueError("no"), "CANNOT_ENCODE"),
        (OSError("encoder error -2"), "CANNOT_ENCODE"),
        (OSError(28, "No space left"), "DISK_FULL"), (PermissionError(13, "No"), "CANNOT_WRITE"),
    ],
)  # fmt: skip
def test_what_encoders_raise(tmp_path, monkeypatch, error, code):
    """Whatever an encoder raises becomes a code, and the temporary file goes."""

    def save(*_: object, **__: object) -> None:
        raise error

    source = saved(tmp_path / "a")
    monkeypatch.setattr(Image.Image, "save", save)

    result = run(source, tmp_path / "out" / "b", "flip", format="jpeg")

    assert code == code_of(result)
    assert [] == left_behind(tmp_path)


def test_what_nobody_foresaw_is_internal(tmp_path, monkeypatch):
    """An error of imgpipe itself is told as one and does not end the run."""
    monkeypatch.setattr("imgpipe.work.target_format", lambda *_: 1 / 0)

    result = run(saved(tmp_path / "a"), tmp_path / "b", "flip")

    assert "INTERNAL" == code_of(result)
    assert "ZeroDivisionError" in (result.failure.message if result.failure else "")


# The process around it.


def test_nothing_of_the_process_changes(tmp_path, capfd):
    """Pillow's switches, the filters of warnings, folder, umask and signals are as before; nobody prints anything."""

    def state() -> tuple[object, ...]:
        umask = os.umask(0o22)
        os.umask(umask)
        return (
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, ImageFile.MAXBLOCK, list(warnings.filters),
            os.getcwd(), umask, sys.stdout, sys.stderr, dict(os.environ),
        )  # fmt: skip

    saved(tmp_path / "warm", "png")
    done(tmp_path / "warm", tmp_path / "b", "sharpen")
    before = state()
    for format_name in FORMATS:
        source = saved(tmp_path / "a", format_name)
        for target in FORMATS:
            done(source, tmp_path / "b", "resize:20x20 | sharpen", format=target)
        source.write_bytes(source.read_bytes()[:150])
        run(source, tmp_path / "b", "flip")

    assert before == state()
    assert ("", "") == tuple(capfd.readouterr())


def test_sources_are_never_written_to(tmp_path):
    """A source has the same bytes and the same times after all that can be done with it."""
    source = saved(tmp_path / "a", "jpeg", exif=b"Exif\0\0" + raw_exif(3))
    before = (source.read_bytes(), source.stat().st_mtime_ns)
    for text in ("", "flip", "resize:60000x60000,enlarge=true,fit=fill"):
        run(source, tmp_path / "b", text)

    assert before == (source.read_bytes(), source.stat().st_mtime_ns)


def test_files_are_closed(tmp_path):
    """After good and bad pictures no file is left open."""
    descriptors = "/proc/self/fd"
    if not os.path.isdir(descriptors):
        pytest.skip("the kernel does not tell which files are open")
    good, bad = saved(tmp_path / "a", "gif"), saved(tmp_path / "c", "jpeg")
    bad.write_bytes(bad.read_bytes()[:300])
    run(good, tmp_path / "b", "flip")
    before = len(os.listdir(descriptors))

    for _ in range(3):
        for source in (good, bad, tmp_path / "gone"):
            run(source, tmp_path / "b", "flip")
            run(source, tmp_path / "b")

    assert before == len(os.listdir(descriptors))


def test_one_recipe_gives_the_same_bytes_each_time(tmp_path):
    """Two runs of one task cannot be told apart by their results."""
    source = saved(tmp_path / "a", "png", picture("RGBA"))
    for format_name in FORMATS:
        work = Recipe(Pipeline.parse("resize:30x | sharpen"), write=recipe(format=format_name).write)
        for name in ("b", "c"):
            assert run_task(Task("1", str(source), str(tmp_path / name), work)).ok

        assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes(), format_name
