"""info: says what pictures are, from their headers alone."""

from __future__ import annotations

import io
import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import NothingToDo, PictureError
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.options import limit_options, pick
from imgpipe_cli.show import size, symbols

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.pictures.header import Header
    from imgpipe.pictures.options import Limits

SCHEMA = "imgpipe.info/1"

_MAX_PROFILE_BYTES = 4 << 20  # real ones have at most 3 MB, those of printers
_TEXT_WIDTH = 80


@click.command("info", short_help="Say what pictures are, from their headers alone.")
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="FILE...")
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Write a JSON line for every file to stdout.")
def info_command(files: tuple[str, ...], as_json: bool, **given: Any) -> ExitCode:
    """Say what pictures are, from their headers alone: no pixel is decoded.

    FILE is a picture, a folder, a pattern in quotes, or a list of names: @list.txt, or - for standard input.
    """
    from imgpipe.pictures.options import Limits  # noqa: PLC0415 - with what follows

    limits = Limits(**pick(Limits, given))
    shown = failed = 0
    missing: list[str] = []
    for path in _paths(files, missing):
        try:
            data = describe(path, limits)
        except PictureError as error:
            failed += 1
            _complain(path, error)
            if as_json:
                failure = {"code": str(error.code), "message": error.message, "remedy": error.remedy}
                click.echo(json.dumps({"schema": SCHEMA, "path": path, "failure": failure}))
            continue
        if as_json:
            click.echo(json.dumps({"schema": SCHEMA, **data}))
        else:
            click.echo("\n".join([*([""] if shown else []), display_name(path), *_lines(data)]))
        shown += 1
    if not shown and not failed:
        raise NothingToDo("\n".join(missing) or "no picture there: name files, folders or patterns")
    for message in missing:
        click.echo(display_name(f"imgpipe: {message}"), err=True)
    return ExitCode.SOME_FAILED if failed or missing else ExitCode.DONE


def _paths(inputs: tuple[str, ...], missing: list[str]) -> Iterator[str]:
    """Give the files that the inputs mean; what matches nothing goes to `missing`, and the others still come."""
    from imgpipe.plan.sources import Sources  # noqa: PLC0415 - only here

    for text in inputs:
        try:
            for source in Sources([text], stdin=sys.stdin.buffer):
                yield source.path
        except NothingToDo as error:
            missing.append(str(error))


def _complain(path: str, error: PictureError) -> None:
    name = display_name(path)
    # Some messages begin with the name, others speak of "the file".
    message = error.message if error.message.startswith(name) else f"{name}: {error.message}"
    remedy = f"; {error.remedy}" if error.remedy else ""
    click.echo(display_name(f"imgpipe: {error.code}: {message}{remedy}"), err=True)


def describe(path: str, limits: Limits) -> dict[str, Any]:
    """Return what the header of a picture says, as JSON-like data. Raises `PictureError`, as `open_header` does.

    `width` and `height` are those of the upright picture, `megapixels` those of all frames together; `memory_bytes` is
    what a pipeline without filters needs.
    """
    from imgpipe.memory import memory_bytes  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.pictures.header import open_header  # noqa: PLC0415 - the same
    from imgpipe.recipe import Recipe  # noqa: PLC0415 - the same

    with open_header(path, limits) as header:
        info, metadata = header.info, header.metadata
        return {
            "path": path,
            "width": info.width,
            "height": info.height,
            "megapixels": round(info.megapixels, 3),
            "format": info.format,
            "stored_mode": info.stored_mode,
            "mode": info.mode,
            "bits": info.bits,
            "frames": info.frames,
            "paged": info.paged,
            "orientation": info.orientation,
            "progressive": info.progressive,
            "profile": _profile(header),
            "profile_bytes": len(header.icc or b""),
            "exif_bytes": len(metadata.exif or b""),
            "xmp_bytes": len(metadata.xmp or b""),
            "dpi": None if metadata.dpi is None else [round(value, 2) for value in metadata.dpi],
            "file_bytes": info.file_bytes,
            "memory_bytes": memory_bytes(info, Recipe()),
            "notes": list(header.notes),
        }


def _profile(header: Header) -> str | None:
    """Return how a colour profile calls itself, "" if it does not say, or None without a profile."""
    from PIL import ImageCms  # noqa: PLC0415 - with Pillow

    if header.icc is None:
        return None
    if len(header.icc) > _MAX_PROFILE_BYTES:
        return ""
    with suppress(ImageCms.PyCMSError, OSError, ValueError):  # a damaged one has no name
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(header.icc))).strip()[:_TEXT_WIDTH]
    return ""


def _lines(data: dict[str, Any]) -> Iterator[str]:
    """Give one line for each thing worth saying."""
    arrow = symbols(sys.stdout.encoding)[2]
    turned = f" (upright; orientation {data['orientation']} on disk)" if data["orientation"] > 1 else ""
    yield f"  size      {data['width']}x{data['height']}, {data['width'] * data['height'] / 1e6:.2f} MP{turned}"
    yield f"  format    {data['format']}{', progressive' if data['progressive'] else ''}"
    if data["frames"] > 1:
        kind = "pages" if data["paged"] else "of an animation"
        yield f"  frames    {data['frames']} {kind}, {data['megapixels']:.2f} MP together"
    yield f"  pixels    {data['stored_mode']} with {data['bits']} bits per channel {arrow} {data['mode']}"
    if data["profile"] is not None:
        name = display_name(data["profile"] or "without a name", width=_TEXT_WIDTH)
        yield f"  profile   {name}, {size(data['profile_bytes'])}"
    parts = [f"{kind.upper()} {size(data[f'{kind}_bytes'])}" for kind in ("exif", "xmp") if data[f"{kind}_bytes"]]
    if parts:
        yield f"  metadata  {', '.join(parts)}"
    if data["dpi"]:
        yield f"  density   {data['dpi'][0]:g}x{data['dpi'][1]:g} pixels per inch"
    yield f"  file      {size(data['file_bytes'])}"
    yield f"  memory    {size(data['memory_bytes'])} to decode and encode it"
    if data["notes"]:
        yield f"  notes     {', '.join(data['notes'])}"
