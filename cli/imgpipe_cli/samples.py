"""samples: paints pictures to try imgpipe on."""

from __future__ import annotations

import json
import re

import click

from imgpipe.display import display_name
from imgpipe.errors import PictureError
from imgpipe.pictures.options import DEFAULT_MAX_PIXELS
from imgpipe_cli.codes import ExitCode

_MAX_SIDE = 65_500  # of what libjpeg writes


def _pixels(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    """Read a width and a height, as 3840x2160."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not a size in pixels; write it as 3840x2160", ctx, param)
    width, height = int(match[1]), int(match[2])
    if max(width, height) > _MAX_SIDE:
        raise click.BadParameter(f"{value}: a JPEG has no side above {_MAX_SIDE} pixels", ctx, param)
    if width * height > DEFAULT_MAX_PIXELS:
        limit = f"{DEFAULT_MAX_PIXELS / 1e6:.0f} MP"
        raise click.BadParameter(f"{value}: imgpipe itself refuses pictures of more than {limit}", ctx, param)
    return width, height


@click.command("samples", short_help="Paint pictures to try imgpipe on.")
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--count", type=click.IntRange(1, 999), default=8, show_default=True, help="How many pictures.")
@click.option("--size", callback=_pixels, default="3840x2160", show_default=True, metavar="WxH", help="Their pixels.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document to stdout.")
def samples_command(folder: str, count: int, size: tuple[int, int], as_json: bool) -> ExitCode:
    """Paint pictures that look and weigh like photographs into FOLDER and write their names.

    The same number gives the same picture on every machine. Those that are there already are kept.
    """
    from imgpipe.samples import make_samples  # noqa: PLC0415 - numpy and Pillow, which --help does not need

    width, height = size
    click.echo(f"painting up to {count} pictures of {width}x{height} pixels", err=True)
    try:
        paths = make_samples(folder, count, width, height)
    except PictureError as error:
        remedy = f"; {error.remedy}" if error.remedy else ""
        click.echo(display_name(f"imgpipe: {error.code}: {error.message}{remedy}"), err=True)
        return ExitCode.SOME_FAILED
    if as_json:
        click.echo(json.dumps({"schema": "imgpipe.samples/1", "files": paths}))
    else:
        for path in paths:
            click.echo(display_name(path))
    return ExitCode.DONE
