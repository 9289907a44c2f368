"""Tests of metadata: what is read, what is patched, and that hostile bytes do no harm."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from imgpipe.pictures.header import open_header
from imgpipe.pictures.metadata import Metadata, cleaned, fitted, orientation_of, read_metadata
from imgpipe.pictures.options import Limits
from running_tasks import Row, directory

if TYPE_CHECKING:
    from pathlib import Path

MAKER_NOTE = b"Maker\0" + bytes(range(200))
THUMBNAIL = b"\xff\xd8" + b"thumbnail of what was cut away" * 5 + b"\xff\xd9"
PLACE = struct.pack("<6I", 48, 1, 51, 1, 30, 1)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6" exif:GPSLatitude="48,51.5N"'
    b" dc:format='image/jpeg'><dc:rights>(c) A</dc:rights><exif:GPSLongitude>2,21E</exif:GPSLongitude>"
    b"<xmp:Thumbnails><rdf:Alt>secret</rdf:Alt></xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def exif(order: str = "<", orientation: int = 6, *, thumbnail: bool = True) -> bytes:
    """Make EXIF with orientation, names, MakerNote, GPS and a thumbnail at the end."""

    def main(details_at: int, gps_at: int, second_at: int) -> bytes:
        rows: list[Row] = [
            (271, 2, 6, b"Maker\0"),
            (274, 3, 1, struct.pack(order + "H", orientation)),
            (282, 5, 1, struct.pack(order + "II", 300, 1)),
            (283, 5, 1, struct.pack(order + "II", 300, 1)),
            (315, 2, 7, b"Artist\0"),
            (33432, 2, 10, b"(c) Owner\0"),
            (34665, 4, 1, struct.pack(order + "I", details_at)),
            (34853, 4, 1, struct.pack(order + "I", gps_at)),
        ]
        return directory(order, rows, 8, second_at)

    details_at = 8 + len(main(0, 0, 0))
    details = directory(order, [(37500, 7, len(MAKER_NOTE), MAKER_NOTE)], details_at)
    gps_at = details_at + len(details)
    gps = directory(order, [(1, 2, 2, b"N\0"), (2, 5, 3, PLACE)], gps_at)
    second_at = gps_at + len(gps)
    second = b""
    if thumbnail:
        rows: list[Row] = [(513, 4, 1, bytes(4)), (514, 4, 1, struct.pack(order + "I", len(THUMBNAIL)))]
        thumbnail_at = second_at + len(directory(order, rows, second_at))
        rows[0] = (513, 4, 1, struct.pack(order + "I", thumbnail_at))
        second = directory(order, rows, second_at) + THUMBNAIL
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + main(details_at, gps_at, second_at if thumbnail else 0) + details + gps + second


def loaded(data: bytes | None) -> Image.Exif:
    """Read EXIF with Pillow, as a second opinion."""
    found = Image.Exif()
    found.load(data or b"")
    return found


def metadata_of(path: Path, picture: Image.Image | None = None, **saving: Any) -> Metadata:
    """Save a picture and read its metadata back."""
    (picture or Image.new("RGB", (8, 6), "red")).save(path, **saving)
    with open_header(str(path), Limits()) as header:
        return header.metadata


# Reading.


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
def test_raw_bytes_come_back(tmp_path, extension):
    """EXIF and XMP are read from each format as the very bytes that were written, without a prefix."""
    data = exif()

    found = metadata_of(tmp_path / f"a.{extension}", exif=b"Exif\0\0" + data, xmp=XMP)

    assert data == found.exif
    assert (XMP if extension != "png" else None) == found.xmp  # Pillow writes no XMP into a PNG


def test_png_keeps_xmp_in_a_text(tmp_path):
    """XMP of a PNG is found in its international text."""
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())

    found = metadata_of(tmp_path / "a.png", pnginfo=texts)

    assert XMP == found.xmp


def test_png_metadata_behind_the_pixels_is_found(tmp_path):
    """EXIF and XMP chunks that follow the pixels count too, and nothing is decoded to find them."""
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 6)).save(path)
    data = path.read_bytes()
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
    late = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"eXIf", exif()), (b"iTXt", xmp))
    )
    path.write_bytes(data[:-12] + late + data[-12:])

    with open_header(str(path), Limits()) as header:
        tiles = header.image.tile
        found = header.metadata

    assert (exif(), XMP) == (found.exif, found.xmp)
    assert 6 == orientation_of(found)
    assert tiles


def test_late_png_chunk_with_a_wrong_checksum_is_ignored(tmp_path):
    """What merely looks like a chunk in compressed pixels is none."""
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 6)).save(path)
    body = exif()
    with path.open("ab") as file:
        file.write(struct.pack(">I", len(body)) + b"eXIf" + body + b"\0\0\0\0")

    with open_header(str(path), Limits()) as header:
        assert header.metadata.exif is None


@pytest.mark.parametrize("name", ["exif", "APP1"])
def test_old_png_profile_texts_are_read(tmp_path, name):
    """ImageMagick's hexadecimal texts, from before PNG had a place for EXIF, are understood."""
    texts = PngImagePlugin.PngInfo()
    raw = (b"Exif\0\0" + exif()).hex()
    texts.add_text(f"Raw profile type {name}", f"\n{name}\n    {len(raw) // 2}\n{raw[:72]}\n{raw[72:]}\n", zip=True)

    found = metadata_of(tmp_path / "a.png", pnginfo=texts)

    assert exif() == found.exif


def test_damaged_old_png_profile_text_is_ignored(tmp_path):
    """A profile text that is no hexadecimal is no metadata and no error."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Raw profile type exif", "\nexif\n  4\nnothex!!\n")

    assert metadata_of(tmp_path / "a.png", pnginfo=texts).exif is None


def test_png_texts_do_not_pass_for_metadata(tmp_path):
    """Texts named like Pillow's own facts are neither profile, resolution nor interlacing."""
    texts = PngImagePlugin.PngInfo()
    for key in ("exif", "xmp", "dpi", "icc_profile", "transparency", "interlace", "comment"):
        texts.add_text(key, "1")
    path = tmp_path / "a.png"
    picture = Image.linear_gradient("L")
    picture.save(path, pnginfo=texts)

    with open_header(str(path), Limits()) as header:
        found, icc, mode = header.metadata, header.icc, header.info.mode
        header.image.load()
        pixels = header.image.tobytes()

    assert (None, None, None, "L") == (found.xmp, found.dpi, icc, mode)
    assert picture.tobytes() == pixels


def test_tiff_exif_is_put_together_from_its_fields(tmp_path):
    """A TIFF's descriptive fields become EXIF, its details and place with them; those of its layout do not."""
    found = metadata_of(tmp_path / "a.tif", exif=b"Exif\0\0" + exif())

    read = loaded(found.exif)
    assert {271, 274, 315, 33432, 34665, 34853} == set(read)
    assert ("Maker", 6, "Artist", "(c) Owner") == (read[271], read[274], read[315], read[33432])
    assert MAKER_NOTE == read.get_ifd(34665)[37500]
    assert (48.0, 51.0, 30.0) == read.get_ifd(34853)[2]


def test_xmp_of_a_tiff(tmp_path):
    """XMP stands in a field of its own in a TIFF."""
    assert XMP == metadata_of(tmp_path / "a.tif", tiffinfo={700: XMP}).xmp


def test_big_tiff_is_read(tmp_path):
    """EXIF is put together from a BigTIFF as well, in classic form."""
    found = metadata_of(tmp_path / "a.tif", tiffinfo={315: "Artist"}, big_tiff=True)

    assert "Artist" == loaded(found.exif)[315]


def test_plain_tiff_has_no_exif_and_no_resolution(tmp_path):
    """Where a TIFF says nothing about itself, nothing is made up."""
    assert Metadata() == metadata_of(tmp_path / "a.tif")


@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "bmp"])
def test_resolution(tmp_path, extension):
    """Pixels per inch are read from each format that states them."""
    found = metadata_of(tmp_path / f"a.{extension}", dpi=(300, 150))

    assert (300, 150) == pytest.approx(found.dpi, abs=0.02)


def test_resolution_of_exif(tmp_path):
    """A JPEG without its own resolution has that of EXIF; one with neither has none, where Pillow says 72."""
    with_exif = metadata_of(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif())
    without = metadata_of(tmp_path / "b.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")

    assert (300.0, 300.0) == with_exif.dpi
    assert without.dpi is None


@pytest.mark.parametrize("extension", ["jpg", "gif"])
def test_comment(tmp_path, extension):
    """The comment of a JPEG and of a GIF is read."""
    assert b"hello" == metadata_of(tmp_path / f"a.{extension}", comment=b"hello").comment


def test_avif_ignores_the_orientation_of_xmp(tmp_path):
    """An AVIF is turned by its container; what XMP says was true for the file it came from."""
    found = metadata_of(tmp_path / "a.avif", xmp=XMP)

    assert 1 == orientation_of(found)


def test_avif_orientation_of_the_container(tmp_path):
    """The rotation that an AVIF's container asks for is the orientation."""
    found = metadata_of(tmp_path / "a.avif", exif=b"Exif\0\0" + exif(orientation=8))

    assert 8 == orientation_of(found)


def test_extended_xmp_is_noted(tmp_path):
    """The part of XMP that a JPEG keeps in more segments is not read, and a note says so."""
    xmp = b'<x xmpNote:HasExtendedXMP="0123456789ABCDEF0123456789ABCDEF"/>'

    assert ("extended-xmp-dropped",) == metadata_of(tmp_path / "a.jpg", xmp=xmp).notes


def test_reading_decodes_nothing():
    """No pixel is decoded, even where pixels are damaged."""
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(buffer, "PNG", exif=b"Exif\0\0" + exif())
    picture = Image.open(io.BytesIO(buffer.getvalue()[:-2000]))
    assert isinstance(picture, ImageFile.ImageFile)

    assert exif() == read_metadata(picture, "png").exif
    assert picture._im is None


# Orientation.


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_orientation(order, value):
    """All eight orientations are read in both byte orders."""
    assert value == orientation_of(Metadata(exif=exif(order, value)))


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_senseless_orientation(value):
    """An orientation that does not exist means upright."""
    assert 1 == orientation_of(Metadata(exif=exif(orientation=value)))


@pytest.mark.parametrize(
    "xmp",
    [b'<a tiff:Orientation="6"/>', b"<a tiff:Orientation = '6'/>", b"<tiff:Orientation>6</tiff:Orientation>"],
)
def test_orientation_of_xmp(xmp):
    """XMP is asked where EXIF says nothing, whether it uses an attribute or an element."""
    assert 6 == orientation_of(Metadata(xmp=xmp))


def test_exif_orientation_goes_before_xmp():
    """EXIF wins over XMP, even where it says upright."""
    assert 1 == orientation_of(Metadata(exif=exif(orientation=1), xmp=XMP))


def test_xmp_orientation_out_of_range():
    """A senseless orientation of XMP means upright."""
    assert 1 == orientation_of(Metadata(xmp=b'<a tiff:Orientation="9"/>'))
    assert 1 == orientation_of(Metadata(xmp=b'<a tiff:Orientation="%s"/>' % (b"9" * 10_000)))


# Cleaning.


@pytest.mark.parametrize("order", ["<", ">"])
def test_keep_patches_in_place(order):
    """Orientation becomes 1 and the thumbnail goes; every other byte stays where it was."""
    before = exif(order)

    found = cleaned(Metadata(exif=before, xmp=XMP, comment=b"c", dpi=(1, 1)), "keep", strip_gps=False)

    assert found.exif is not None
    changed = [at for at in range(len(found.exif)) if before[at] != found.exif[at]]
    at = before.index(struct.pack(order + "HHI", 274, 3, 1))
    second = before.index(struct.pack(order + "HHI", 513, 4, 1)) - 2
    pointer = before.index(struct.pack(order + "I", second), 10)
    assert {at + 8, at + 9} & set(changed)
    assert set(changed) <= {*range(at, at + 12), *range(pointer, pointer + 4)}
    assert before.index(MAKER_NOTE) == found.exif.index(MAKER_NOTE)
    assert len(found.exif) == second
    assert 1 == loaded(found.exif)[274]
    assert bytes(4) == found.exif[pointer : pointer + 4]
    assert {} == loaded(found.exif).get_ifd(0x0001)
    assert (b"c", (1, 1), ()) == (found.comment, found.dpi, found.notes)


def test_thumbnail_in_the_middle_is_zeroed():
    """A thumbnail that does not lie at the end is overwritten, and what follows keeps its place."""
    before = exif() + b"data of a MakerNote that nobody else understands"

    found = cleaned(Metadata(exif=before), "keep", strip_gps=False).exif

    assert found is not None
    assert len(before) == len(found)
    assert b"thumbnail" not in found
    assert found.endswith(b"data of a MakerNote that nobody else understands")


def test_thumbnail_that_claims_kept_bytes_takes_nothing():
    """A second directory whose picture is said to be all of the EXIF erases none of what is kept."""
    before = bytearray(exif())
    at = before.index(struct.pack("<HHI", 513, 4, 1)) + 8
    before[at : at + 4] = bytes(4)
    before[at + 12 : at + 16] = struct.pack("<I", len(before))

    found = loaded(cleaned(Metadata(exif=bytes(before)), "keep", strip_gps=False).exif)

    assert ("Maker", "Artist", "(c) Owner", 1) == (found[271], found[315], found[33432], found[274])
    assert MAKER_NOTE == found.get_ifd(34665)[37500]
    assert (48.0, 51.0, 30.0) == found.get_ifd(34853)[2]


def test_keep_cleans_xmp():
    """XMP says upright and has lost its thumbnails; the rest stays as it was."""
    found = cleaned(Metadata(xmp=XMP), "keep", strip_gps=False).xmp

    expected = XMP.replace(b'Orientation="6"', b'Orientation="1"')
    expected = expected.replace(b"<xmp:Thumbnails><rdf:Alt>secret</rdf:Alt></xmp:Thumbnails>", b"")
    assert expected == found


def test_copyright_keeps_two_fields():
    """Artist and copyright stay, and the resolution; nothing else does."""
    before = Metadata(exif=exif(), xmp=XMP, comment=b"c", dpi=(72, 72))

    found = cleaned(before, "copyright", strip_gps=False)

    assert {315: "Artist", 33432: "(c) Owner"} == dict(loaded(found.exif))
    assert (None, None, (72, 72), ()) == (found.xmp, found.comment, found.dpi, found.notes)


def test_copyright_of_a_picture_without():
    """Where there is neither artist nor copyright, no EXIF remains and nothing counts as lost."""
    empty = b"II*\0\x08\0\0\0\0\0\0\0\0\0"

    assert Metadata() == cleaned(Metadata(exif=empty), "copyright", strip_gps=True)


def test_none_keeps_the_resolution_alone():
    """Without metadata, the resolution remains."""
    found = cleaned(Metadata(exif(), XMP, (72, 72), b"c"), "none", strip_gps=False)

    assert Metadata(dpi=(72, 72)) == found


@pytest.mark.parametrize("order", ["<", ">"])
def test_strip_gps(order):
    """The place vanishes from EXIF and XMP, bytes and all; the rest of both is still readable."""
    found = cleaned(Metadata(exif=exif(order), xmp=XMP), "keep", strip_gps=True)

    read = loaded(found.exif)
    assert 34853 not in read
    assert PLACE not in (found.exif or b"")
    assert MAKER_NOTE == read.get_ifd(34665)[37500]
    assert ("Artist", "(c) Owner", 1) == (read[315], read[33432], read[274])
    assert exif(order).index(MAKER_NOTE) == (found.exif or b"").index(MAKER_NOTE)
    assert found.xmp is not None
    assert b"GPS" not in found.xmp
    assert b"(c) A" in found.xmp
    assert b"dc:format='image/jpeg'" in found.xmp


@pytest.mark.parametrize(
    "xmp",
    [
        b"<exif:GPSLatitude>48<exif:GPSLatitude>1</exif:GPSLatitude></exif:GPSLatitude>",
        b"<exif:GPSLatitude>48",
        b"<a exif:GPSLatitude=48 />",
        "<a exif:GPSLatitude='48'/>".encode("utf-16"),
        b"<GPSLatitude>48</GPSLatitude>",
    ],
)
def test_strip_gps_drops_xmp_that_it_cannot_edit(xmp):
    """XMP in which a place may be left over is dropped, with a note."""
    found = cleaned(Metadata(xmp=xmp), "keep", strip_gps=True)

    assert Metadata(notes=("xmp-dropped",)) == found


@pytest.mark.parametrize("xmp", [b"<a drone-dji:GpsLatitude='48'/>", b"<a><exif:GPSAltitude rdf:r='x'/></a>"])
def test_strip_gps_finds_other_spellings(xmp):
    """GPS fields of other prefixes, spellings and empty elements are found."""
    found = cleaned(Metadata(xmp=xmp), "keep", strip_gps=True)

    assert found.xmp in {b"<a/>", b"<a></a>"}
    assert () == found.notes


@pytest.mark.parametrize("data", [b"x", b"II*\0", b"II*\0\xff\xff\0\0" + bytes(20), b"MM\0+" + bytes(100)])
@pytest.mark.parametrize("policy", ["keep", "copyright"])
def test_damaged_exif_is_dropped(data, policy):
    """EXIF that cannot be patched is dropped, with a note."""
    found = cleaned(Metadata(exif=data, notes=("before",)), policy, strip_gps=False)

    assert Metadata(notes=("before", "exif-dropped")) == found


def test_giant_exif_is_dropped():
    """EXIF of many megabytes is no EXIF."""
    found = cleaned(Metadata(exif=exif() + bytes(9 << 20)), "keep", strip_gps=False)

    assert Metadata(notes=("exif-dropped",)) == found


def test_every_orientation_field_is_patched():
    """A second orientation field, or one of another kind, does not survive."""
    rows: list[Row] = [(274, 4, 1, struct.pack("<I", 6)), (274, 3, 3, struct.pack("<3H", 8, 8, 8))]
    data = b"II*\0\x08\0\0\0" + directory("<", rows, 8)

    found = cleaned(Metadata(exif=data), "keep", strip_gps=False).exif

    assert found is not None
    assert [1, 1] == [struct.unpack_from("<H", found, at)[0] for at in (10 + 8, 22 + 8)]
    assert 6 == orientation_of(Metadata(exif=data))


def test_cleaned_twice_is_cleaned_once():
    """Cleaning what is clean changes nothing."""
    once = cleaned(Metadata(exif(), XMP, (72, 72), b"c"), "keep", strip_gps=True)

    assert once == cleaned(once, "keep", strip_gps=True)


# Hostile bytes.


def cyclic() -> bytes:
    """Make EXIF all of whose pointers lead back to its first directory."""
    rows: list[Row] = [(tag, 4, 1, struct.pack("<I", 8)) for tag in (34665, 34853, 40965, 513, 514)]
    return b"II*\0\x08\0\0\0" + directory("<", rows, 8, 8)


def overlapping() -> bytes:
    """Make EXIF of a megabyte with 65535 fields, each of which claims all of it."""
    size = 1 << 20
    rows = struct.pack("<HHII", 34665, 7, size - 100, 8) * 65_535
    return (b"II*\0\x08\0\0\0" + struct.pack("<H", 65_535) + rows).ljust(size, b"\0")


@pytest.mark.parametrize("data", [cyclic(), overlapping()], ids=["cyclic", "overlapping"])
def test_hostile_pointers_end(data):
    """Loops and overlaps of directories cost neither for ever nor much."""
    found = cleaned(Metadata(exif=data), "keep", strip_gps=True)

    assert found.exif is None or len(found.exif) <= len(data)


def test_many_detail_directories_end():
    """A field of details that is there thousands of times is looked at only a few times."""
    rows = struct.pack("<HHII", 34665, 4, 1, 8) * 20_000
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", 20_000) + rows + bytes(4)

    found = cleaned(Metadata(exif=data), "keep", strip_gps=True)

    assert found.exif is None or len(data) == len(found.exif)


@pytest.mark.parametrize(
    "opening", [b"<exif:GPSa>", b"tiff:Orientation" + b" " * 50, b" exif:GPSa='", b"<xmp:Thumbnails>"]
)
def test_hostile_xmp_ends(opening):
    """XMP made of beginnings without an end is searched in time that grows with its length alone."""
    found = cleaned(Metadata(xmp=opening * 20_000), "keep", strip_gps=True)

    assert found.xmp is None or b"GPS" not in found.xmp


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), hits=st.integers(1, 12), cut=st.integers(0, 400), gps=st.booleans())
def test_damaged_exif_never_raises(seed, hits, cut, gps):
    """Flipped and missing bytes lead to a clean EXIF or to none, never to an error or to a turned picture."""
    chance = random.Random(seed)
    data = bytearray(exif(chance.choice("<>")))
    for _ in range(hits):
        data[chance.randrange(8, len(data))] = chance.choice((0, 1, 8, 255, chance.randrange(256)))
    metadata = Metadata(exif=bytes(data[: len(data) - cut]))

    assert 1 <= orientation_of(metadata) <= 8
    for policy in ("keep", "copyright", "none"):
        found = cleaned(metadata, policy, strip_gps=gps)
        assert 1 == orientation_of(found)
        fitted(found, "avif")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_never_raise(data):
    """Whatever the bytes are, metadata made of them can be read, cleaned and fitted."""
    metadata = Metadata(exif=b"II*\0\x08\0\0\0" + data, xmp=data)

    assert 1 == orientation_of(fitted(cleaned(metadata, "keep", strip_gps=True), "jpeg"))


# Fitting.


def test_jpeg_holds_one_segment():
    """EXIF and XMP of a JPEG fit in one segment to the last byte, and are dropped with notes from the next on."""
    exactly = Metadata(exif=bytes(65_527), xmp=bytes(65_504), comment=bytes(65_533))
    beyond = Metadata(exif=bytes(65_528), xmp=bytes(65_505), comment=bytes(65_534))

    assert exactly == fitted(exactly, "jpeg")
    assert Metadata(notes=("exif-dropped", "xmp-dropped", "comment-dropped")) == fitted(beyond, "jpeg")


def test_what_fits_a_jpeg_can_be_saved(tmp_path):
    """Pillow agrees with the limits."""
    found = metadata_of(tmp_path / "a.jpg", exif=b"Exif\0\0" + bytes(65_527), xmp=b"x" * 65_504, comment=b"c" * 65_533)

    assert (65_527, 65_504, 65_533) == (len(found.exif or b""), len(found.xmp or b""), len(found.comment or b""))


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("gif", ("exif-dropped", "xmp-dropped")),
        ("bmp", ("exif-dropped", "xmp-dropped", "comment-dropped")),
        ("png", ("comment-dropped",)),
        ("jpeg", ()),
    ],
)
def test_formats_hold_what_they_hold(name, lost):
    """What a format has no place for is dropped and named."""
    assert lost == fitted(Metadata(exif(), XMP, None, b"c"), name).notes


def test_avif_saves_the_very_bytes(tmp_path):
    """EXIF fitted for an AVIF is written byte by byte, MakerNote in its place, where Pillow would write it anew."""
    metadata = fitted(cleaned(Metadata(exif=exif()), "keep", strip_gps=False), "avif")
    assert metadata.exif is not None

    found = metadata_of(tmp_path / "a.avif", exif=b"Exif\0\0" + metadata.exif)

    assert metadata.exif == found.exif
    assert exif().index(MAKER_NOTE) == metadata.exif.index(MAKER_NOTE)
    assert 274 not in loaded(found.exif)
