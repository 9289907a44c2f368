"""Options: how pictures are read and written, as values with defaults that lose nothing silently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal, get_args, get_type_hints

from imgpipe.errors import BadOption

FormatName = Literal["jpeg", "png", "webp", "tiff", "gif", "bmp", "avif"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)

DEFAULT_MAX_PIXELS = 178_956_970
"""Pillow refuses pictures above this number as decompression bombs; 716 MB once decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a picture may cost at most; checked from its header, before any pixel is decoded."""

    max_pixels: int = DEFAULT_MAX_PIXELS
    max_file_bytes: int = 1 << 30
    max_frames: int = 1000
    formats: tuple[FormatName, ...] = FORMATS

    def __post_init__(self) -> None:
        """Refuse limits that make no sense."""
        for name in ("max_pixels", "max_file_bytes", "max_frames"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise BadOption(name, getattr(self, name), "a whole number above 0")
        if not isinstance(self.formats, tuple):
            raise BadOption("formats", self.formats, f"some of {', '.join(FORMATS)}")
        wrong = [name for name in self.formats if name not in FORMATS]
        if wrong or not self.formats:
            raise BadOption("formats", wrong[0] if wrong else "", f"some of {', '.join(FORMATS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How pictures are read.

    - `frames`: of an animation `all` frames, or just the `first`.
    - `allow_8bit`: reduce 16-bit pictures to 8 bits instead of refusing them.
    - `engine`: what reads JPEG: Pillow; or simplejpeg (`turbo`, an extra) where the first filter works on arrays; or
      (`vips`, an extra) libvips as well, which also resizes, blurs and looks values up where it begins with that.
    - `decode_quality`: how much of a leading resize, and of turning grey, the decoder of a JPEG may do. `exact` leaves
      it nothing; `balanced` shrinks only to twice the size, which nobody sees; `fast` as far as it goes.
    """

    frames: Literal["all", "first"] = "all"
    allow_8bit: bool = False
    engine: Literal["pillow", "turbo", "vips"] = "pillow"
    decode_quality: Literal["exact", "balanced", "fast"] = "balanced"

    def __post_init__(self) -> None:
        """Refuse values outside the choices."""
        _check_choices(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How pictures are written; `None` stands for the format's own default.

    - `format`: `keep` writes each picture in its own format.
    - `quality`: 1 to 100 for JPEG (85), WebP (80) and AVIF (60).
    - `subsampling`: JPEG and AVIF; `auto` is 4:2:0 below quality 90 and 4:4:4 from there on.
    - `optimize`: JPEG with its own Huffman tables: some percent smaller, and more than twice the time to write.
    - `lossless`: WebP without loss.
    - `effort`: 0 (fast) to 9 (small): PNG level, WebP method, AVIF speed.
    - `tiff_compression`: `keep` uses the source's, where it is lossless.
    - `background`: what shows through alpha where the format has none.
    - `metadata`: `keep` EXIF and XMP (without the EXIF thumbnail), only the `copyright`, or `none`.
    - `strip_gps`: remove the place where the picture was taken.
    """

    format: Literal["keep", "jpeg", "png", "webp", "tiff", "gif", "bmp", "avif"] = "keep"
    quality: int | None = None
    subsampling: Literal["auto", "4:4:4", "4:2:2", "4:2:0"] = "auto"
    progressive: bool = False
    optimize: bool = False
    lossless: bool = False
    effort: int | None = None
    tiff_compression: Literal["keep", "none", "lzw", "deflate"] = "keep"
    background: str = "#ffffff"
    metadata: Literal["keep", "copyright", "none"] = "keep"
    strip_gps: bool = False

    def __post_init__(self) -> None:
        """Refuse values outside the choices and ranges."""
        _check_choices(self)
        _check_range("quality", self.quality, 1, 100)
        _check_range("effort", self.effort, 0, 9)
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", str(self.background)):
            raise BadOption("background", self.background, "a colour such as #ffffff")


def options_from(cls: type[Any], values: object, where: str) -> Any:
    """Make an options value from JSON or TOML data. Raises `BadOption`, for an unknown key too."""
    if not isinstance(values, Mapping):
        raise BadOption(where, values, "a table of options")
    known = {field.name for field in fields(cls)}
    for key in values:
        if key not in known:
            raise BadOption(f"{where}.{key}", values[key], f"one of the keys {', '.join(sorted(known))}")
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def changed(options: Any) -> dict[str, Any]:
    """Return the options that differ from the defaults."""
    default = type(options)()
    return {name: value for name, value in asdict(options).items() if value != getattr(default, name)}


def _check_choices(options: Any) -> None:
    for name, hint in _hints(options.__class__).items():
        value = getattr(options, name)
        choices = get_args(hint) if getattr(hint, "__origin__", None) is Literal else ()
        if choices and value not in choices:
            raise BadOption(name, value, f"one of {', '.join(choices)}")
        if hint is bool and type(value) is not bool:
            raise BadOption(name, value, "true or false")


@lru_cache(maxsize=8)  # slow, and options are made anew for every picture
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if value is not None and (type(value) is not int or not low <= value <= high):
        raise BadOption(name, value, f"a whole number from {low} to {high}")
