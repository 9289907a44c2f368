"""Tests of encode, through whole tasks: formats, options, profiles, metadata, alpha and animations arrive well."""

from __future__ import annotations

import io
import itertools
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from imgpipe.colour import fits, srgb_profile
from imgpipe.pictures.formats import BY_NAME, sniff
from imgpipe.pictures.header import open_header
from imgpipe.pictures.options import FORMATS, Limits
from imgpipe.pictures.tiff import Tiff
from running_tasks import MAKER_NOTE, PLACE, THUMBNAIL, code_of, done, picture, pixels_of, raw_exif, run, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgpipe.pictures.header import Header

KEEPERS = ("jpeg", "png", "webp", "tiff", "avif")  # formats that hold metadata and a profile
ANIMATED = ("gif", "png", "webp", "avif")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="1" exif:GPSLatitude="48,51.5N">'
    b"<dc:rights>(c) A</dc:rights></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def adobe_like_profile() -> bytes:
    """Return an RGB profile that is not sRGB: its red and green are exchanged."""
    profile = bytearray(srgb_profile())
    tags = {
        bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12)
    }
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    where = bytes(profile[red + 4 : red + 12])
    profile[red + 4 : red + 12] = profile[green + 4 : green + 12]
    profile[green + 4 : green + 12] = where
    return bytes(profile)


def grey_profile() -> bytes:
    """Return a profile for grey: that of sRGB's curve, called GRAY."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 0x0233) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    table = struct.pack(">I", 2) + b"wtpt" + struct.pack(">II", 156, 20) + b"kTRC" + struct.pack(">II", 176, 16)
    head = bytearray(srgb_profile()[:128])
    head[0:4], head[16:20] = struct.pack(">I", 192), b"GRAY"
    return bytes(head) + table + white + curve


def saved(path: Path, image: Image.Image, format_name: str, **saving: Any) -> Path:
    """Write a source in a format; metadata of a TIFF and a PNG take ways of their own."""
    if format_name == "png" and "xmp" in saving:
        saving["pnginfo"] = PngImagePlugin.PngInfo()
        saving["pnginfo"].add_itxt("XML:com.adobe.xmp", saving.pop("xmp").decode())
    if format_name == "tiff":
        exif = Image.Exif()
        exif.load(saving.pop("exif", b""))
        if "xmp" in saving:
            exif[700] = saving.pop("xmp")
        saving["exif"] = exif
    image.save(path, BY_NAME[format_name].pillow, **saving)
    return path


def header_of(path: Path) -> Header:
    """Return what is in front of the pixels, its file closed again."""
    with open_header(str(path), Limits()) as header:
        return header


def exif_of(path: Path) -> dict[int, bytes]:
    """Return the raw fields of all directories of a picture's EXIF."""
    tiff = Tiff.of(header_of(path).metadata.exif)
    found: dict[int, bytes] = {}
    pending = [tiff.first] if tiff else []
    while tiff and pending:
        for field in tiff.fields(at := pending.pop()):
            if field.tag in (34665, 34853):
                pending.append(tiff.integer(field) or 0)
            found[field.tag] = tiff.value(field)
        if following := tiff.next_of(at):
            pending.append(following)
    return found


# Formats and their options.


@pytest.mark.parametrize("source_format", FORMATS)
def test_every_format_becomes_every_other(tmp_path, source_format):
    """Pictures keep their size and their look, and the bytes are of the format that was asked for."""
    source = saved(tmp_path / "a", picture(), source_format)
    before = pixels_of(source, "RGB")
    for format_name in FORMATS:
        result = done(source, tmp_path / "out", "blur:0.1", format=format_name)

        after = pixels_of(tmp_path / "out", "RGB")
        assert format_name == result.format == sniff((tmp_path / "out").read_bytes())
        assert (48, 32) == (result.width, result.height)
        assert np.abs(before - after).mean() < (1 if format_name in ("png", "tiff", "bmp") else 14)


def markers(path: Path) -> dict[int, bytes]:
    """Return the segments of a JPEG by their markers, as far as the first scan."""
    data, at, found = path.read_bytes(), 2, {}
    while data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        found[data[at + 1]] = data[at + 4 : at + 2 + length]
        at += 2 + length
    return found


@pytest.mark.parametrize(
    ("options", "sampling"),
    [
        ({}, 0x22), ({"quality": 89}, 0x22), ({"quality": 90}, 0x11), ({"subsampling": "4:2:2"}, 0x21),
        ({"quality": 95, "subsampling": "4:2:0"}, 0x22), ({"quality": 10, "subsampling": "4:4:4"}, 0x11),
    ],
)  # fmt: skip
def test_subsampling_of_jpeg(tmp_path, options, sampling):
    """Colour is halved below quality 90 and whole from there on, unless it is said how it has to be."""
    done(saved(tmp_path / "a", picture(), "png"), tmp_path / "out", format="jpeg", **options)

    assert sampling == markers(tmp_path / "out")[0xC0][7]


def test_progressive_jpeg_is_asked_for(tmp_path):
    """JPEGs are baseline unless progressive ones are asked for."""
    source = saved(tmp_path / "a", picture(), "jpeg", progressive=True)
    done(source, tmp_path / "plain", "blur:1")
    done(source, tmp_path / "progressive", "blur:1", progressive=True)

    assert (True, False) == (0xC0 in markers(tmp_path / "plain"), 0xC2 in markers(tmp_path / "plain"))
    assert (False, True) == (0xC0 in markers(tmp_path / "progressive"), 0xC2 in markers(tmp_path / "progressive"))


@pytest.mark.parametrize(
    "options",
    [{"quality": 94}, {"quality": 100}, {"progressive": True, "quality": 100}, {"optimize": False, "quality": 100}],
)
def test_fine_grain_at_high_quality(tmp_path, options, capfd):
    """A JPEG that has more bytes than pixels is written all the same, and its encoder stays quiet."""
    noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8)
    source = saved(tmp_path / "a", Image.fromarray(noise), "png", icc_profile=srgb_profile(), xmp=XMP)

    done(source, tmp_path / "out", format="jpeg", **({"optimize": True} | options))

    assert (tmp_path / "out").stat().st_size > 300 * 300
    assert (srgb_profile(), XMP) == (header_of(tmp_path / "out").icc, header_of(tmp_path / "out").metadata.xmp)
    assert ("", "") == tuple(capfd.readouterr())


@pytest.mark.parametrize("format_name", ["jpeg", "webp", "avif"])
def test_quality_makes_a_difference(tmp_path, format_name):
    """More quality means more bytes; the default lies between."""
    source = saved(tmp_path / "a", picture("RGB", (96, 64)), "png")
    sizes = [done(source, tmp_path / "out", format=format_name, quality=value).bytes_out for value in (10, None, 98)]

    assert sorted(sizes) == sizes


def test_lossless_webp(tmp_path):
    """A lossless WebP has the pixels of its source, bit for bit."""
    source = saved(tmp_path / "a", picture("RGB"), "png")
    done(source, tmp_path / "out", format="webp", lossless=True)

    assert np.array_equal(pixels_of(source), pixels_of(tmp_path / "out"))


@pytest.mark.parametrize("format_name", ["png", "webp", "avif"])
def test_effort_is_obeyed(tmp_path, format_name):
    """All efforts work, and two ends of the scale give different bytes."""
    source = saved(tmp_path / "a", picture(), "png")
    files = set()
    for effort in range(10):
        done(source, tmp_path / "out", format=format_name, effort=effort)
        files.add((tmp_path / "out").read_bytes())

    assert len(files) > 1


@pytest.mark.parametrize(
    ("stored", "asked", "expected"),
    [
        (None, "keep", "raw"), ("tiff_lzw", "keep", "tiff_lzw"), ("packbits", "keep", "packbits"),
        ("tiff_adobe_deflate", "keep", "tiff_adobe_deflate"), ("jpeg", "keep", "raw"), ("tiff_lzw", "none", "raw"),
        (None, "lzw", "tiff_lzw"), ("tiff_lzw", "deflate", "tiff_adobe_deflate"),
    ],
)  # fmt: skip
def test_compression_of_tiff(tmp_path, stored, asked, expected):
    """A TIFF stays compressed as it was where that loses nothing, or is compressed as asked."""
    source = saved(tmp_path / "a", picture(), "tiff", compression=stored)
    done(source, tmp_path / "out", "blur:1", tiff_compression=asked)

    assert expected == header_of(tmp_path / "out").image.info["compression"]


@pytest.mark.parametrize("format_name", ["jpeg", "webp"])
def test_sides_that_a_format_cannot_store(tmp_path, format_name):
    """A picture that is too long for a format is refused with a way out, and nothing is left behind."""
    source = saved(tmp_path / "a", Image.new("L", (70_000, 2)), "png")

    result = run(source, tmp_path / "out" / "a", format=format_name)

    assert "CANNOT_ENCODE" == code_of(result)
    assert result.failure is not None
    assert "70000" in result.failure.message
    assert "--format" in result.failure.remedy
    assert not (tmp_path / "out" / "a").exists()


# Profiles.


@pytest.mark.parametrize("format_name", KEEPERS)
def test_profile_is_kept_to_the_byte(tmp_path, format_name):
    """A profile that fits is in the result as it was in the source, and the pixels are not converted."""
    profile = adobe_like_profile()
    source = saved(tmp_path / "a", picture(), "png", icc_profile=profile)
    done(source, tmp_path / "out", format=format_name, quality=95)

    assert profile == header_of(tmp_path / "out").icc
    assert np.abs(pixels_of(source) - pixels_of(tmp_path / "out", "RGB")).mean() < 10


@pytest.mark.parametrize("format_name", ["gif", "bmp"])
def test_formats_without_profiles_get_srgb(tmp_path, format_name):
    """Where a profile cannot be kept the colours are converted to sRGB."""
    source = saved(tmp_path / "a", Image.new("RGB", (8, 8), (250, 10, 10)), "png", icc_profile=adobe_like_profile())
    done(source, tmp_path / "out", format=format_name)

    assert np.abs(pixels_of(tmp_path / "out", "RGB")[0, 0] - (10, 250, 10)).max() < 8  # red was green in it


def test_profile_of_colour_does_not_stay_with_grey(tmp_path):
    """Grey made from colour is that of sRGB, and has no profile for colour."""
    source = saved(tmp_path / "a", Image.new("RGB", (8, 8), (250, 10, 10)), "png", icc_profile=adobe_like_profile())
    done(source, tmp_path / "out", "grayscale")

    assert header_of(tmp_path / "out").icc is None
    assert abs(int(pixels_of(tmp_path / "out")[0, 0]) - 0.587 * 250) < 8


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "P"])
def test_no_profile_is_for_other_pixels(tmp_path, mode):
    """Whatever goes in, a profile that comes out is for the layout that the file has."""
    profile = grey_profile() if mode in ("L", "LA") else srgb_profile()
    source = saved(tmp_path / "a", picture(mode), "tiff", icc_profile=profile)
    for format_name, pipeline in itertools.product(
        FORMATS, ("brightness:1.1", "grayscale", "pad:60x60,background=#ff0000")
    ):
        done(source, tmp_path / "out", pipeline, format=format_name)

        header = header_of(tmp_path / "out")
        assert header.icc is None or fits(header.icc, header.info.stored_mode), (format_name, pipeline)
        if mode in ("L", "LA") and pipeline == "brightness:1.1" and format_name in KEEPERS:
            assert header.icc is not None, format_name


def test_pages_with_different_profiles_get_one(tmp_path):
    """Pages of one TIFF share a profile in the result: where theirs differ they become sRGB, each from its own."""
    red = Image.new("RGB", (8, 8), (250, 10, 10))
    other = red.copy()
    other.encoderinfo = {"icc_profile": adobe_like_profile()}
    pages = [Image.new("L", (8, 8), 77), red, other]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])

    done(tmp_path / "a.tif", tmp_path / "out.tif", "flip")

    found = shown(tmp_path / "out.tif")
    assert 3 == len(found)
    assert srgb_profile() == header_of(tmp_path / "out.tif").icc
    for (pixels, _), expected in zip(found, ((77, 77, 77), (250, 10, 10), (10, 250, 10)), strict=True):
        assert np.abs(pixels[0, 0, :3] - expected).max() < 8


def test_profile_of_lab_is_obeyed(tmp_path):
    """What is not RGB becomes sRGB by its own profile, and has that of sRGB then."""
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    image = ImageCms.profileToProfile(picture(), srgb, lab, outputMode="LAB")
    assert image is not None
    image.save(tmp_path / "a.tif", "TIFF", icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())

    result = done(tmp_path / "a.tif", tmp_path / "out", "flip", format="png")

    assert srgb_profile() == header_of(tmp_path / "out").icc
    assert () == result.notes


# Metadata.


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("source_format", ["jpeg", "png", "webp", "tiff"])
def test_metadata_arrives(tmp_path, source_format, order):
    """Names, place and MakerNote survive every conversion byte for byte; the thumbnail does not."""
    exif = raw_exif(order=order)
    swapped = b"".join(PLACE[at : at + 4][::-1] for at in range(0, 24, 4))
    source = saved(tmp_path / "a", picture(), source_format, exif=b"Exif\0\0" + exif, xmp=XMP, dpi=(300, 150))
    for format_name in KEEPERS:
        done(source, tmp_path / "out", "flip", format=format_name)

        fields, data = exif_of(tmp_path / "out"), (tmp_path / "out").read_bytes()
        assert MAKER_NOTE == fields[37500]
        assert (b"Artist\0", b"(c) Owner\0") == (fields[315], fields[33432])
        assert fields[2] in (PLACE, swapped)  # a TIFF has one byte order for all
        assert THUMBNAIL not in data
        assert XMP == header_of(tmp_path / "out").metadata.xmp
        if format_name in ("jpeg", "png", "tiff") and source_format != "webp":
            across, down = header_of(tmp_path / "out").metadata.dpi or (0, 0)
            assert (300, 150) == (round(across), round(down))


@pytest.mark.parametrize("format_name", KEEPERS)
def test_metadata_that_must_go_is_gone(tmp_path, format_name):
    """Without metadata nothing of it is in the bytes; the copyright alone can stay; the place goes if asked."""
    source = saved(tmp_path / "a", picture(), "jpeg", exif=b"Exif\0\0" + raw_exif(), xmp=XMP, comment=b"a remark")
    secrets = (MAKER_NOTE, b"Artist", b"(c) Owner", b"(c) A", b"GPSLatitude", PLACE, THUMBNAIL, b"a remark")
    kept = {}
    for name, options in (
        ("all", {}),
        ("none", {"metadata": "none"}),
        ("copyright", {"metadata": "copyright"}),
        ("placeless", {"strip_gps": True}),
    ):
        done(source, tmp_path / "out", "flip", format=format_name, **options)
        data = (tmp_path / "out").read_bytes()
        kept[name] = [secret for secret in secrets if secret in data]

    remark = [b"a remark"] if format_name == "jpeg" else []
    assert [*secrets[:6], *remark] == kept["all"]
    assert [] == kept["none"]
    assert [b"Artist", b"(c) Owner"] == kept["copyright"]
    assert [MAKER_NOTE, b"Artist", b"(c) Owner", b"(c) A", *remark] == kept["placeless"]


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate"])
@pytest.mark.parametrize("pages", [1, 3])
def test_exif_of_tiff_does_not_harm_it(tmp_path, compression, pages, capfd):
    """A TIFF with EXIF, compressed or not, with one page or more, is read by Pillow as it was written."""
    images = [picture(seed=seed) for seed in range(pages)]
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + raw_exif())
    images[0].save(tmp_path / "a", "TIFF", exif=exif, save_all=pages > 1, append_images=images[1:])

    done(tmp_path / "a", tmp_path / "out", "flip", tiff_compression=compression)

    with Image.open(tmp_path / "out") as image:
        assert pages == getattr(image, "n_frames", 1)
        assert MAKER_NOTE == image.getexif().get_ifd(34665)[37500]
        for number in range(pages):
            image.seek(number)
            assert np.array_equal(
                np.asarray(images[number].transpose(Image.Transpose.FLIP_LEFT_RIGHT)), np.asarray(image)
            )
    assert ("", "") == tuple(capfd.readouterr())


@pytest.mark.parametrize("format_name", ["gif", "bmp"])
def test_lost_metadata_is_noted(tmp_path, format_name):
    """Formats that hold no metadata say what they dropped."""
    source = saved(tmp_path / "a", picture(), "jpeg", exif=b"Exif\0\0" + raw_exif(), xmp=XMP)

    assert {"exif-dropped", "xmp-dropped"} == set(done(source, tmp_path / "out", format=format_name).notes)


def test_xmp_that_is_no_text_is_dropped_with_a_note(tmp_path):
    """A PNG holds XMP as text; what is none is not written as something else."""
    source = saved(tmp_path / "a", picture(), "jpeg", xmp=XMP + b"\xff\xfe\xff")

    assert ("xmp-dropped",) == done(source, tmp_path / "out", format="png").notes
    assert header_of(tmp_path / "out").metadata.xmp is None


# Alpha.


def alpha_picture(levels: tuple[int, ...]) -> Image.Image:
    """Return stripes of red, one for each alpha."""
    pixels = np.zeros((8, 8 * len(levels), 4), np.uint8)
    for number, level in enumerate(levels):
        pixels[:, 8 * number : 8 * number + 8] = (255, 0, 0, level)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("format_name", ["jpeg", "bmp"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opaque_alpha_goes_silently(tmp_path, format_name, mode):
    """Alpha that hides nothing is no loss."""
    source = saved(tmp_path / "a", alpha_picture((255, 255)).convert(mode), "png")

    assert () == done(source, tmp_path / "out", format=format_name, background="#00ff00").notes


@pytest.mark.parametrize("format_name", ["jpeg", "bmp"])
@pytest.mark.parametrize(
    ("mode", "background", "expected"),
    [
        ("RGBA", "#0000ff", [[0, 0, 255], [127, 0, 128], [255, 0, 0]]),
        ("LA", "#0000ff", [[0, 0, 255], [38, 38, 166], [76, 76, 76]]),
        ("LA", "#ffffff", [[255, 255, 255], [166, 166, 166], [76, 76, 76]]),
    ],
)
def test_alpha_is_laid_over_the_background(tmp_path, format_name, mode, background, expected):
    """Where the format has no alpha the background shows through, in colour if it is one, with a note."""
    source = saved(tmp_path / "a", alpha_picture((0, 127, 255)).convert(mode), "png")
    result = done(source, tmp_path / "out", format=format_name, background=background, quality=100)

    assert ("flattened",) == result.notes
    assert np.abs(pixels_of(tmp_path / "out", "RGB")[4, 4::8] - expected).max() <= 3


def test_gif_knows_only_there_and_not_there(tmp_path):
    """Half alpha becomes one or the other, with a note; whole alpha is kept without one."""
    half = saved(tmp_path / "a", alpha_picture((0, 127, 128, 255)), "png")
    whole = saved(tmp_path / "b", alpha_picture((0, 255)), "png")

    assert ("alpha-thresholded",) == done(half, tmp_path / "out", format="gif").notes
    assert [0, 0, 255, 255] == pixels_of(tmp_path / "out", "RGBA")[4, 4::8, 3].tolist()
    assert () == done(whole, tmp_path / "out", format="gif").notes
    assert [0, 255] == pixels_of(tmp_path / "out", "RGBA")[4, 4::8, 3].tolist()


@pytest.mark.parametrize("pipeline", ["resize:11x7", "blur:2", "sharpen", "edges", "resize:9x9 | blur:1 | sharpen"])
@pytest.mark.parametrize("format_name", ["png", "jpeg", "gif"])
def test_hidden_colours_never_show(tmp_path, pipeline, format_name):
    """What lies under alpha 0 makes no difference to anything that can be seen."""
    visible = np.asarray(picture("RGBA")).copy()
    visible[4:20, 4:30, 3] = 0
    hidden = visible.copy()
    random = np.random.default_rng(3).integers(0, 256, visible.shape, np.uint8)[..., :3]
    hidden[..., :3] = np.where(visible[..., 3:] == 0, random, visible[..., :3])
    results = []
    for name, pixels in (("a", visible), ("b", hidden)):
        source = saved(tmp_path / name, Image.fromarray(pixels), "png")
        done(source, tmp_path / "out", pipeline, format=format_name)
        results.append(shown(tmp_path / "out")[0][0])

    assert np.array_equal(results[0], results[1])


# Palettes.


@pytest.mark.parametrize("mode", ["P", "1"])
def test_palettes_do_not_limit_the_result(tmp_path, mode):
    """A resized picture has more colours than the palette it came from."""
    image = picture("L", (64, 64)).convert("RGB").quantize(4) if mode == "P" else picture("L", (64, 64)).convert("1")
    source = saved(tmp_path / "a", image, "png")
    done(source, tmp_path / "out", "resize:20x20")

    assert len({tuple(np.atleast_1d(pixel)) for row in pixels_of(tmp_path / "out") for pixel in row}) > 4


# Animations.


def animation(path: Path, format_name: str, frames: list[Image.Image], times: Sequence[float], **saving: Any) -> Path:
    """Write an animation as another program would."""
    if format_name == "gif" and frames[0].mode == "RGBA":
        saving["disposal"] = 2
    if format_name == "webp":
        saving |= {"lossless": True, "kmax": 1}
    name = BY_NAME[format_name].pillow
    frames[0].save(path, name, save_all=True, append_images=frames[1:], duration=list(times), **saving)
    return path


def moving(mode: str, count: int = 4) -> list[Image.Image]:
    """Return frames of a coloured square that moves; the second frame is there twice."""
    frames = []
    for number in range(count):
        pixels = np.zeros((24, 32, 4), np.uint8)
        if mode == "RGB":
            pixels[:] = (40, 90, 160, 255)
        pixels[4:16, 2 + 6 * number : 12 + 6 * number] = (200, 60 * number, 30, 255)
        frames.append(Image.fromarray(pixels).convert(mode))
    return [*frames[:2], frames[1], *frames[2:]]


def at(frames: list[tuple[Any, float]], milliseconds: float) -> Any:
    """Return what is shown at a time."""
    for pixels, lasts in frames:
        milliseconds -= lasts
        if milliseconds < 0:
            return pixels
    raise AssertionError("nothing is shown any more")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("source_format", ANIMATED)
def test_animations_move_on(tmp_path, source_format, mode):
    """Every format's animation shows the same at the same time in every other format, and plays as often."""
    times = [40, 50, 60, 70, 80]
    source = animation(tmp_path / "a", source_format, moving(mode), times, loop=0)
    before = shown(source)
    for format_name in ANIMATED:
        result = done(source, tmp_path / "out", "flip:vertical", format=format_name, lossless=True, quality=95)

        after = shown(tmp_path / "out")
        assert 300 == sum(lasts for _, lasts in after)
        assert 0 == header_of(tmp_path / "out").image.info.get("loop", 0)
        for now in (5, 45, 95, 155, 225, 295):
            wanted, found = np.flipud(at(before, now)), at(after, now)
            if format_name == "avif" or (source_format == "avif" and format_name == "gif"):
                assert np.abs(wanted - found).mean() < 8, (format_name, now)
            else:
                assert np.array_equal(wanted, found), (format_name, now)
        assert () == result.notes


@pytest.mark.parametrize(
    ("source_format", "saving", "format_name", "stored"),
    [
        ("gif", {}, "png", 1), ("gif", {}, "webp", 1), ("gif", {}, "gif", None), ("gif", {"loop": 4}, "gif", 4),
        ("gif", {"loop": 4}, "png", 5), ("png", {"loop": 1}, "gif", None), ("png", {"loop": 5}, "gif", 4),
        ("webp", {"loop": 3}, "png", 3), ("png", {"loop": 3}, "webp", 3), ("avif", {}, "gif", 0),
    ],
)  # fmt: skip
def test_how_often_an_animation_plays(tmp_path, source_format, saving, format_name, stored):
    """A GIF counts how often it repeats and the others how often they play; it is the same either way."""
    source = animation(tmp_path / "a", source_format, moving("RGB"), [50] * 5, **saving)
    done(source, tmp_path / "out", "flip", format=format_name)

    assert stored == header_of(tmp_path / "out").image.info.get("loop")


def test_avif_plays_for_ever_and_says_so(tmp_path):
    """An animation that ends becomes an AVIF that does not; a note tells."""
    source = animation(tmp_path / "a", "png", moving("RGB"), [50] * 5, loop=2)

    assert ("loop-dropped",) == done(source, tmp_path / "out", "flip", format="avif").notes


def test_times_do_not_drift_in_a_gif(tmp_path):
    """A GIF has hundredths of a second; rounding does not add up over the frames."""
    frames = [picture(seed=seed) for seed in range(30)]
    source = animation(tmp_path / "a", "webp", frames, [33] * 30)
    done(source, tmp_path / "out", "flip", format="gif")

    times = [lasts for _, lasts in shown(tmp_path / "out")]
    assert 990 == sum(times)
    assert {30, 40} == set(times)


def test_thirtieths_of_a_second_stay_in_a_png(tmp_path):
    """A PNG's times are fractions and stay what they are."""
    source = animation(tmp_path / "a", "png", moving("RGB"), [1000 / 30] * 5)
    done(source, tmp_path / "out", "flip")

    assert [lasts for _, lasts in shown(source)] == [lasts for _, lasts in shown(tmp_path / "out")]


def test_picture_for_those_who_cannot_play(tmp_path):
    """The still picture of an APNG stays outside of the animation, or is left out with a note."""
    still, *frames = [picture(seed=seed) for seed in range(4)]
    still.save(tmp_path / "a", "PNG", save_all=True, append_images=frames, duration=50, default_image=True)

    assert () == done(tmp_path / "a", tmp_path / "out.png", "flip").notes
    assert 4 == len(shown(tmp_path / "out.png"))
    assert header_of(tmp_path / "out.png").image.info["default_image"]
    assert ("poster-dropped",) == done(tmp_path / "a", tmp_path / "out.gif", "flip", format="gif").notes
    assert [50, 50, 50] == [lasts for _, lasts in shown(tmp_path / "out.gif")]


@pytest.mark.parametrize("format_name", ["jpeg", "bmp", "tiff"])
def test_animations_do_not_lose_frames(tmp_path, format_name):
    """A format that cannot move refuses an animation, unless the first frame is enough; that is noted."""
    source = animation(tmp_path / "a", "gif", moving("RGB"), [50] * 5)

    refused = run(source, tmp_path / "out", "flip", format=format_name)
    first = done(source, tmp_path / "out", "flip", format=format_name, frames="first")

    assert "ANIMATED" == code_of(refused)
    assert ("frames-dropped",) == first.notes
    assert np.abs(np.fliplr(shown(source)[0][0]) - shown(tmp_path / "out")[0][0]).mean() < 8


def test_pages_stay_pages(tmp_path):
    """A TIFF keeps its pages with their own sizes and layouts, equal ones too; no animation can hold them."""
    pages = [picture(), picture(), picture("L", (20, 30)), picture("RGBA", (9, 9))]
    pages[0].save(tmp_path / "a", "TIFF", save_all=True, append_images=pages[1:])

    done(tmp_path / "a", tmp_path / "out", "flip")

    assert [(32, 48), (32, 48), (30, 20), (9, 9)] == [pixels.shape[:2] for pixels, _ in shown(tmp_path / "out")]
    for page, (pixels, _) in zip(pages, shown(tmp_path / "out"), strict=True):
        wanted = np.asarray(page.convert("RGBA")).copy()
        wanted[wanted[..., 3] == 0] = 0
        assert np.array_equal(np.fliplr(wanted), pixels)
    assert "ANIMATED" == code_of(run(tmp_path / "a", tmp_path / "gif", format="gif"))


def test_views_of_one_jpeg(tmp_path):
    """Of several pictures in one JPEG (MPO) the first counts, and a note tells of the others."""
    picture().save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[picture(seed=1)])

    result = done(tmp_path / "a.jpg", tmp_path / "out.jpg", "flip")

    assert ("auxiliary-images-dropped",) == result.notes
    assert np.abs(np.asarray(picture()).astype(int) - np.fliplr(pixels_of(tmp_path / "out.jpg"))).mean() < 14


def test_encoders_are_told_nothing_by_the_source(tmp_path):
    """What Pillow remembers of a source (a comment, a compression, a palette) does not slip into the result."""
    buffer = io.BytesIO()
    picture("P").save(buffer, "GIF", comment=b"a remark", duration=70)
    (tmp_path / "a").write_bytes(buffer.getvalue())

    for format_name in ("jpeg", "png", "webp", "tiff"):
        done(tmp_path / "a", tmp_path / "out", format=format_name, metadata="none")
        assert b"a remark" not in (tmp_path / "out").read_bytes()
