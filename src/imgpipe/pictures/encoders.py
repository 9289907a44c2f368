"""Encoders: what each format's encoder is told about quality, profile and metadata, and what it leaves to be mended."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from PIL import PngImagePlugin

from imgpipe.pictures.tiff_fields import add_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from imgpipe.pictures.formats import Format
    from imgpipe.pictures.metadata import Metadata
    from imgpipe.pictures.options import WriteOptions

JPEG_QUALITY = 85
_WEBP_QUALITY, _AVIF_QUALITY = 80, 60
_FULL_COLOUR_FROM = 90  # JPEG and AVIF keep colour at full resolution from this quality on
_MOST_JPEG_DPI = 65_535
_ICC_PART_BYTES = 65_519  # of a profile in one JPEG segment
_EXIF_PREFIX = b"Exif\0\0"
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_LOSSLESS_TIFF = {"none": "raw", "lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate"}
_KEPT_TIFF = {name: name for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits")} | {
    "tiff_deflate": "tiff_adobe_deflate"
}


@dataclass(frozen=True, slots=True)
class Saving:
    """One picture on its way into a file: its images, and all that goes in beside their pixels.

    `milliseconds` is how long each image is shown. `plays` is how often an animation is shown, 0 for ever. `poster`
    says that the first image is not part of the animation. `notes` is filled with what the format could not keep.
    """

    images: list[Image.Image]
    milliseconds: list[float]
    icc: bytes | None
    metadata: Metadata
    options: WriteOptions
    notes: list[str]
    tiff_compression: str = ""
    plays: int = 1
    poster: bool = False

    @property
    def mode(self) -> str:
        """The layout of all images."""
        return self.images[0].mode


def settings_for(format_: Format, saving: Saving) -> dict[str, Any]:
    """Return the keyword arguments for Pillow's `save`."""
    settings = _SETTINGS[format_.name](saving)
    if len(saving.images) > 1:
        settings |= {"save_all": True, "append_images": saving.images[1:]}
        if format_.sequence == "animation":
            settings |= _timing(format_, saving)
    return settings


def mend(file: IO[bytes], format_: Format, saving: Saving) -> None:
    """Put right in the finished file what Pillow cannot be told."""
    if format_.name == "tiff":
        add_fields(file, saving.metadata.exif, saving.metadata.xmp)
    elif format_.name == "webp" and len(saving.images) > 1 and saving.mode == "RGBA":
        # libwebp says "no alpha" of an animation whose frames, cropped to what is visible, are opaque rectangles.
        file.seek(20)
        flags = file.read(1)
        file.seek(20)
        file.write(bytes([flags[0] | 0x10]))


def _timing(format_: Format, saving: Saving) -> dict[str, Any]:
    plays = min(saving.plays, 65_535)
    times: list[float] = saving.milliseconds
    if format_.name == "gif":  # hundredths of a second; what one frame loses by rounding, the next one gets
        ends = [round(sum(times[: number + 1]) / 10) * 10 for number in range(len(times))]
        times = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        # A GIF counts how often it repeats, the others how often they play.
        return {"duration": times} | ({} if plays == 1 else {"loop": max(plays - 1, 0)})
    if format_.name == "avif":
        if plays > 0:
            saving.notes.append("loop-dropped")
        return {"duration": [round(time) for time in times]}
    if format_.name == "png":
        return {"duration": times[saving.poster :], "loop": plays, "default_image": saving.poster}
    return {"duration": [round(time) for time in times], "loop": plays}


def _jpeg(saving: Saving) -> dict[str, Any]:
    options = saving.options
    quality = options.quality or JPEG_QUALITY
    segments = _RoomySegments(_jpeg_segments(saving))
    if options.optimize or options.progressive:
        segments.room = int(saving.images[0].width * saving.images[0].height * 4.5)
    settings: dict[str, Any] = {
        "quality": quality,
        "optimize": options.optimize,
        "progressive": options.progressive,
        "exif": _exif(saving),
        "extra": segments,
        "comment": saving.metadata.comment or b"",
    }
    if saving.mode != "L":
        settings["subsampling"] = _subsampling(options, quality)
    dpi = saving.metadata.dpi
    return settings | (_dpi(saving) if dpi and max(dpi) <= _MOST_JPEG_DPI else {})


class _RoomySegments(bytes):
    """Segments of a JPEG that claim to be longer than they are.

    libjpeg cannot pause while it optimizes, so its whole output must fit into a buffer. Pillow allows a byte or two for
    each pixel, which is not enough for fine grain at high quality, and adds the length of the segments.
    """

    room: int = 0

    def __len__(self) -> int:
        return super().__len__() + self.room


def _jpeg_segments(saving: Saving) -> bytes:
    segments = [(0xE1, _XMP_PREFIX + saving.metadata.xmp)] if saving.metadata.xmp else []
    icc = saving.icc or b""
    parts = [icc[at : at + _ICC_PART_BYTES] for at in range(0, len(icc), _ICC_PART_BYTES)]
    segments += [
        (0xE2, b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part) for number, part in enumerate(parts, start=1)
    ]
    return b"".join(struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data for marker, data in segments)


def _png(saving: Saving) -> dict[str, Any]:
    texts = PngImagePlugin.PngInfo()
    if xmp := saving.metadata.xmp:
        try:
            texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        except UnicodeDecodeError:
            saving.notes.append("xmp-dropped")
    level = 6 if saving.options.effort is None else saving.options.effort
    settings = {"compress_level": level, "icc_profile": saving.icc, "exif": _exif(saving), "pnginfo": texts}
    return settings | _dpi(saving)


def _webp(saving: Saving) -> dict[str, Any]:
    options = saving.options
    return {
        "quality": options.quality or _WEBP_QUALITY,
        "lossless": options.lossless,
        "method": 4 if options.effort is None else round(options.effort * 6 / 9),
        "icc_profile": saving.icc,
        "exif": _exif(saving),
        "xmp": saving.metadata.xmp or b"",
    }


def _avif(saving: Saving) -> dict[str, Any]:
    options = saving.options
    quality = options.quality or _AVIF_QUALITY
    return {
        "quality": quality,
        "speed": 6 if options.effort is None else 10 - options.effort,
        "subsampling": "4:0:0" if saving.mode == "L" else _subsampling(options, quality),
        "max_threads": 1,  # otherwise as many as there are cores, in every worker
        "icc_profile": saving.icc,
        "exif": _exif(saving),
        "xmp": saving.metadata.xmp or b"",
    }


def _tiff(saving: Saving) -> dict[str, Any]:
    asked = saving.options.tiff_compression
    compression = _KEPT_TIFF.get(saving.tiff_compression, "raw") if asked == "keep" else _LOSSLESS_TIFF[asked]
    return {"compression": compression, "icc_profile": saving.icc or b""} | _dpi(saving)


def _gif(saving: Saving) -> dict[str, Any]:
    settings: dict[str, Any] = {"comment": saving.metadata.comment} if saving.metadata.comment else {}
    if len(saving.images) > 1 and saving.mode == "RGBA":
        settings["disposal"] = 2  # each frame is whole; what shows through must not be the one before
    return settings


def _bmp(saving: Saving) -> dict[str, Any]:
    return _dpi(saving)


_SETTINGS: dict[str, Callable[[Saving], dict[str, Any]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "avif": _avif,
    "tiff": _tiff,
    "gif": _gif,
    "bmp": _bmp,
}


def has_full_colour(options: WriteOptions, quality: int) -> bool:
    """Whether a JPEG or AVIF keeps colour at full resolution."""
    return options.subsampling == "4:4:4" or (options.subsampling == "auto" and quality >= _FULL_COLOUR_FROM)


def _subsampling(options: WriteOptions, quality: int) -> str:
    return "4:4:4" if has_full_colour(options, quality) else options.subsampling.replace("auto", "4:2:0")


def _exif(saving: Saving) -> bytes:
    return _EXIF_PREFIX + saving.metadata.exif if saving.metadata.exif else b""


def _dpi(saving: Saving) -> dict[str, Any]:
    return {"dpi": saving.metadata.dpi} if saving.metadata.dpi else {}
