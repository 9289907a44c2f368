"""Painter: turns the lines of a frame into what a terminal reads, into plain text, or into a picture (SVG)."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

# As rich has it, but with the fonts of the reader's machine: a picture asks nobody for anything.
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
        font-size: {char_height}px; line-height: {line_height}px;
    }}
    .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""


class Painter:
    """Paints with the colours that the terminal has; none with NO_COLOR."""

    def __init__(self, *, is_terminal: bool) -> None:
        # Exported LINES and COLUMNS would override the real size for ever.
        environ = {name: value for name, value in os.environ.items() if name not in {"LINES", "COLUMNS"}}
        self._console = Console(file=io.StringIO(), force_terminal=is_terminal, markup=False, highlight=False,
                                emoji=False, width=1000, _environ=environ)  # fmt: skip

    def paint(self, lines: Sequence[Text]) -> list[str]:
        """Return each line with its colours as a terminal reads them."""
        with self._console.capture() as capture:
            for each in lines:
                self._console.print(each, end="\n", no_wrap=True, crop=False)
        return capture.get().split("\n")[: len(lines)]


def svg(lines: Sequence[Text], width: int) -> str:
    """Return a frame as a picture; the same frame gives the same bytes."""
    console = Console(file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor", width=width,
                      markup=False, highlight=False, emoji=False, _environ={})  # fmt: skip
    for each in lines:
        console.print(each, end="\n", no_wrap=True)
    return console.export_svg(title="imgpipe monitor", code_format=_SVG, unique_id="imgpipe")
