"""Options: the options of `process` in groups, each named as the field that it sets."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from imgpipe.pictures.options import DEFAULT_MAX_PIXELS, FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Size(click.ParamType[int]):
    """A number with a unit, as 4G, 512M or 179MP."""

    def __init__(self, name: str, units: dict[str, int]) -> None:
        self.name, self._units = name, units

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read `value`."""
        match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]*)\s*", str(value).lower())
        if match is None or match[2] not in self._units or float(match[1]) <= 0:
            examples = ", ".join(f"4{unit.upper()}" for unit in self._units if unit)
            self.fail(f"{value!r} is not a size; write {examples} or a plain number", param, ctx)
        return round(float(match[1]) * self._units[match[2]])


class Workers(click.ParamType[int | None]):
    """A number of workers, or `auto` (None) for one for every usable core."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Read `value`."""
        if str(value) == "auto":
            return None
        if not re.fullmatch(r"[1-9]\d{0,3}", str(value)):
            self.fail(f"{value!r} is neither auto nor a whole number above 0", param, ctx)
        return int(value)


BYTES = Size("SIZE", {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "kb": 10**3, "mb": 10**6, "gb": 10**9})
PIXELS = Size("PIXELS", {"": 1, "mp": 10**6, "gp": 10**9})
WORKERS = Workers()


def pick(cls: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that set a field of `cls` and were given."""
    named = {field.name: given.get(field.name) for field in fields(cls) if field.init}
    return {name: value for name, value in named.items() if value is not None and value != ()}


def _group(*options: Decorator) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _choice(*names: str) -> click.Choice[str]:
    return click.Choice(names)


def _list_of_formats(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    del ctx, param
    return None if value is None else tuple(part.strip() for part in value.split(",") if part.strip())


pipeline_options = _group(
    click.option("-f", "--filter", "filters", multiple=True, metavar="SPEC",
                 help="A filter, or several with | between them; may be repeated, the order counts."),
    click.option("--recipe", "recipe_file", metavar="FILE", help="Filters and options from a TOML or JSON file."),
    click.option("--import", "import_modules", multiple=True, metavar="MODULE", help="A module with filters of yours."),
)  # fmt: skip

output_options = _group(
    click.option("-o", "--output", metavar="FOLDER", help="Where results go; for one picture also a file name."),
    click.option("--in-place", is_flag=True, default=None, help="Replace the pictures themselves."),
    click.option("--name", metavar="TEMPLATE", help="Names of results, as '{dir}{stem}-small{ext}'."),
    click.option("--on-exists", type=_choice("update", "skip", "overwrite", "error", "rename"),
                 help="What to do with results that are there: update (default) redoes what is out of date."),
    click.option("--retry-failed", is_flag=True, default=None, help="Only pictures that failed in the last run."),
    click.option("--durable", is_flag=True, default=None, help="Wait until each result has reached the disk."),
)  # fmt: skip

input_options = _group(
    click.option("--recursive/--no-recursive", default=None, help="Whether folders include their subfolders (yes)."),
    click.option("--include", multiple=True, metavar="GLOB", help="Only files like this; '*' takes any extension."),
    click.option("--exclude", multiple=True, metavar="GLOB", help="No files like this."),
    click.option("--follow-symlinks", is_flag=True, default=None, help="Enter folders that are symbolic links."),
    click.option("--base", metavar="FOLDER", help="Mirror listed files as they lie below this folder."),
    click.option("-0", "null_separated", is_flag=True, default=None, help="Names on stdin end with NUL, not newline."),
    click.option("--limit", type=click.IntRange(1), help="Take only the first N pictures."),
)  # fmt: skip

read_options = _group(
    click.option("--frames", type=_choice("all", "first"), help="Of an animation, all frames (default) or the first."),
    click.option("--allow-8bit", is_flag=True, default=None, help="Reduce 16-bit pictures to 8 bits."),
    click.option("--engine", type=_choice("pillow", "turbo", "vips"),
                 help="What reads JPEG: turbo is faster for blur, sharpen and edges (pip install 'imgpipe[turbo]'), "
                      "vips for resize as well, and often needs far less memory (pip install 'imgpipe[vips]')."),
    click.option("--decode-quality", type=_choice("exact", "balanced", "fast"),
                 help="How far the decoder of a JPEG may shrink for a leading resize (balanced: to twice its size)."),
)  # fmt: skip

write_options = _group(
    click.option("--format", type=_choice("keep", *FORMATS), help="Format of the results (default: keep)."),
    click.option("--quality", type=click.IntRange(1, 100), help="JPEG (85), WebP (80), AVIF (60)."),
    click.option("--subsampling", type=_choice("auto", "4:4:4", "4:2:2", "4:2:0"), help="Colour of JPEG and AVIF."),
    click.option("--progressive/--no-progressive", default=None, help="Progressive JPEG (no)."),
    click.option("--optimize/--no-optimize", default=None, help="Own Huffman tables for JPEG: smaller, slower (no)."),
    click.option("--lossless/--no-lossless", default=None, help="WebP without loss (no)."),
    click.option("--effort", type=click.IntRange(0, 9), help="0 fast to 9 small: PNG, WebP, AVIF."),
    click.option("--tiff-compression", type=_choice("keep", "none", "lzw", "deflate"), help="Compression of TIFF."),
    click.option("--background", metavar="#RRGGBB", help="What shows through where a format has no alpha (#ffffff)."),
    click.option("--metadata", type=_choice("keep", "copyright", "none"), help="EXIF and XMP to keep (keep)."),
    click.option("--strip-gps", is_flag=True, default=None, help="Remove where the picture was taken."),
)  # fmt: skip

limit_options = _group(
    click.option("--max-pixels", type=PIXELS, help=f"Refuse larger pictures ({DEFAULT_MAX_PIXELS // 10**6}MP)."),
    click.option("--max-file-bytes", type=BYTES, help="Refuse larger files (1G)."),
    click.option("--max-frames", type=click.IntRange(1), help="Refuse longer animations (1000)."),
    click.option("--allow-formats", "formats", callback=_list_of_formats, metavar="LIST",
                 help=f"Read only these: {','.join(FORMATS)}."),
)  # fmt: skip
