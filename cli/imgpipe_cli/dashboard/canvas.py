"""Canvas: what frames are made of: lines of an exact width, boxes, bars and sparklines; nothing here knows a fleet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from imgpipe.display import display_name

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Symbols:
    """The signs of a frame. Each means something without its colour."""

    full: str
    parts: str
    empty: str
    levels: str
    partial: str
    corners: str
    across: str
    down: str
    states: dict[str, str]
    actions: dict[str, str]
    live: str
    lost: str


BLOCK = Symbols(
    full="█", parts="▏▎▍▌▋▊▉", empty="░", levels="▁▂▃▄▅▆▇█", partial="░", corners="╭╮╰╯", across="─", down="│",
    states={"busy": "●", "idle": "○", "draining": "◐", "lost": "✗"},
    actions={"SCALE_UP": "▲", "SCALE_DOWN": "▼", "MAINTAIN": "="},
    live="●", lost="✗",
)  # fmt: skip
ASCII = Symbols(
    full="#", parts="", empty=".", levels="_.-=+*#@", partial=":", corners="++++", across="-", down="|",
    states={"busy": "*", "idle": "o", "draining": "~", "lost": "x"},
    actions={"SCALE_UP": "^", "SCALE_DOWN": "v", "MAINTAIN": "="},
    live="*", lost="x",
)  # fmt: skip
SYMBOLS = {"block": BLOCK, "ascii": ASCII}

Part = str | tuple[str, str] | Text
"""A text, alone or with its style."""


def line(*parts: Part) -> Text:
    """Put parts together; whatever could act on the terminal becomes a visible escape."""
    return Text.assemble(*(_safe(part) for part in parts), no_wrap=True, end="")


def _safe(part: Part) -> Part:
    if isinstance(part, Text):
        return part
    if isinstance(part, str):
        return part if part.isprintable() else display_name(part)
    text, style = part
    return text if text.isprintable() else display_name(text), style


def fit(text: Text, width: int) -> Text:
    """Return a line of exactly `width` cells: cut, with an ellipsis, or filled up."""
    width = max(width, 0)
    plain = text.plain
    if cell_len(plain) == width:
        return text
    fitted = text.copy()
    if cell_len(plain) > width:
        if width < 2:
            return Text(set_cell_size(plain, width), no_wrap=True, end="")
        fitted.truncate(width, overflow="ellipsis")
    fitted.append(" " * (width - cell_len(fitted.plain)))
    return fitted


def name(text: object, width: int) -> str:
    """Return a name that may be shown, in exactly `width` cells; a long one loses its middle."""
    width = max(width, 0)
    shown = display_name(text)
    while cell_len(shown) > width and shown:  # wide characters: fewer of them fit
        shown = display_name(shown, width=max(min(len(shown) - 1, width - (cell_len(shown) - len(shown))), 0))
    return shown + " " * (width - cell_len(shown))


def column(text: str, width: int, *, right: bool = True) -> str:
    """Return a text of ours in exactly `width` cells."""
    if len(text) > width:
        return text[: max(width - 1, 0)] + "…"[: max(width, 0)]
    return text.rjust(width) if right else text.ljust(width)


def box(title: Text, lines: Sequence[Text], width: int, height: int, symbols: Symbols) -> list[Text]:
    """Return `height` lines with a frame around them; what does not fit is left out."""
    inner = max(width - 4, 0)
    left_top, right_top, left_bottom, right_bottom = tuple(symbols.corners)
    head = fit(title, min(cell_len(title.plain), max(width - 6, 0)))
    rule = symbols.across * max(width - 5 - cell_len(head.plain), 0)
    framed = [line((f"{left_top}{symbols.across} ", "dim"), head, (f" {rule}{right_top}", "dim"))]
    shown = [*lines[: max(height - 2, 0)]]
    shown += [line()] * (height - 2 - len(shown))
    framed += [line((f"{symbols.down} ", "dim"), fit(each, inner), (f" {symbols.down}", "dim")) for each in shown]
    framed.append(line((left_bottom + symbols.across * max(width - 2, 0) + right_bottom, "dim")))
    return [fit(each, width) for each in framed]


def beside(*blocks: Sequence[Text]) -> list[Text]:
    """Put blocks of the same height side by side."""
    return [line(*row) for row in zip(*blocks, strict=True)]


def bar(share: float | None, width: int, symbols: Symbols) -> str:
    """Return a bar of `width` cells; an unknown share is an empty one."""
    if share is None or not math.isfinite(share) or width <= 0:
        return symbols.empty * max(width, 0)
    steps = len(symbols.parts) + 1
    filled = round(min(max(share, 0.0), 1.0) * width * steps)
    whole, rest = divmod(filled, steps)
    part = symbols.parts[rest - 1] if rest else ""
    return (symbols.full * whole + part).ljust(width, symbols.empty)[:width]


def spark(values: Sequence[float | None], symbols: Symbols, *, is_partial: bool) -> str:
    """Return a column for each value, the largest as high as can be; the last one may not be complete yet."""
    complete = values[:-1] if is_partial else values
    known = [value for value in complete if value is not None and math.isfinite(value)]
    most = max(known, default=0.0)
    columns = []
    for value in values:
        if value is None or not math.isfinite(value):
            columns.append(" ")
        else:
            level = math.ceil(value / most * len(symbols.levels)) if most > 0 and value > 0 else 0
            columns.append(symbols.levels[max(min(level, len(symbols.levels)) - 1, 0)])
    if is_partial and columns and columns[-1] != " ":
        columns[-1] = symbols.partial
    return "".join(columns)
