"""Draw: makes the pictures of docs/pictures anew: the dashboard from a recording, and what filters do to a sample.

    python docs/draw.py docs/pictures

Run by `make docs`. The pictures are committed, because README.md shows them; a test says when one is out of date.
"""  # noqa: INP001 - a program, not a package

from __future__ import annotations

import colorsys
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from imgpipe_cli.main import main as imgpipe

RECORDING = Path(__file__).parent / "pictures" / "dashboard.jsonl"
PAGES = {"dashboard": 1, "advice": 5}
PANELS = ("no filter", "resize:200x150", "blur:6", "brightness:1.5", "sharpen:3", "edges")
_WIDTH, _HEIGHT, _LABEL = 400, 300, 30
_DARKEST_TEXT = 0.3  # lightness at which any colour can be read on white


def main(folder: str) -> None:
    """Draw all of them into `folder`."""
    os.environ["TZ"] = "UTC"  # a picture says the same time wherever it is drawn
    if hasattr(time, "tzset"):
        time.tzset()
    for name, page in PAGES.items():
        target = Path(folder, f"{name}.svg")
        _run("monitor", "--replay", str(RECORDING), "--once", "--view", str(page), "--svg", str(target))
        target.write_text(on_white(target.read_text(encoding="utf-8")), encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        _sheet(scratch).save(Path(folder, "filters.webp"), quality=80, method=6)


def on_white(svg: str) -> str:
    """Return the picture of a terminal with dark letters on white: it is to be read on a page, and printed."""
    svg = svg.replace("rgba(255,255,255", "rgba(0,0,0")
    return re.sub(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})\b", _on_white, svg)


def _on_white(colour: re.Match[str]) -> str:
    hue, lightness, saturation = colorsys.rgb_to_hls(*(int(part, 16) / 255 for part in colour.groups()))
    is_grey = saturation < 0.1
    lightness = (1.0 if lightness < 0.2 else 0.8 * (1 - lightness)) if is_grey else min(lightness, _DARKEST_TEXT)
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, lightness, saturation))


def _sheet(scratch: str) -> Image.Image:
    """Return one picture with a panel for each filter, side by side, with its name below."""
    _run("samples", f"{scratch}/in", "--count", "1", "--size", f"{_WIDTH}x{_HEIGHT}")
    (sample,) = Path(scratch, "in").iterdir()
    sheet = Image.new("RGB", (3 * _WIDTH, 2 * (_HEIGHT + _LABEL)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, panel in enumerate(PANELS):
        result = sample
        if number:
            result = Path(scratch, f"{number}.png")
            _run("process", str(sample), "-o", str(result), "-f", panel, "--executor", "sequential", "--quiet")
        left, top = number % 3 * _WIDTH, number // 3 * (_HEIGHT + _LABEL)
        with Image.open(result) as picture:
            sheet.paste(picture, (left + (_WIDTH - picture.width) // 2, top + (_HEIGHT - picture.height) // 2))
        pen.text((left + _WIDTH // 2, top + _HEIGHT + _LABEL // 2), panel, "black", ImageFont.load_default(18), "mm")
    return sheet


def _run(*arguments: str) -> None:
    if code := imgpipe(arguments):
        sys.exit(f"imgpipe {' '.join(arguments)} ended with {code}")


if __name__ == "__main__":
    main(sys.argv[1])
