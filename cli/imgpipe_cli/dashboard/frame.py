"""Frame: draws a scene at the size of the terminal: wide, standard, compact, or one line; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from imgpipe_cli.dashboard import words
from imgpipe_cli.dashboard.canvas import ASCII, fit, line, name
from imgpipe_cli.dashboard.overview import compact, one_line, standard, wide
from imgpipe_cli.dashboard.pages import detail, keys, page
from imgpipe_cli.dashboard.view import PAGES

if TYPE_CHECKING:
    from imgpipe.monitor import Snapshot
    from imgpipe_cli.dashboard.scene import Scene

_WIDE, _STANDARD, _COMPACT = (118, 26), (80, 16), (40, 6)
_HELP = " ? help  q quit "
_ROOM = 16  # cells, for how long the server has been up
_PLAIN_ASCII = str.maketrans({"–": "-", "→": ">", "·": ".", "λ": "l", "…": "~", "▲": "^", "▼": "v"})


def render(scene: Scene, width: int, height: int) -> list[Text]:
    """Return a frame: `height` lines of exactly `width` cells, whatever the scene."""
    if width < _COMPACT[0] or height < _COMPACT[1]:
        lines = [line(one_line(scene))]
    else:
        lines = [_header(scene, width)]
        if scene.view.help:
            lines += keys(scene, width, height - 2)
        elif scene.snapshot is None:
            lines.append(line(scene.trouble or "looking …"))
        else:
            lines += _body(scene, scene.snapshot, width, height - 2)
        lines += [line()] * (height - 1 - len(lines)) + [_footer(scene, width)]
    lines = [*lines, *[line()] * (height - len(lines))]
    lines = [fit(each, width) for each in lines[:height]]
    if scene.trouble and scene.snapshot is not None:
        lines = _dimmed(lines, scene.trouble, width)
    return [_in_ascii(each) for each in lines] if scene.symbols is ASCII else lines


def _body(scene: Scene, snapshot: Snapshot, width: int, height: int) -> list[Text]:
    if scene.view.detail:
        return detail(scene, snapshot, width, height)
    if PAGES[scene.view.page] != "overview":
        return page(scene, snapshot, width, height)
    if width >= _WIDE[0] and height + 2 >= _WIDE[1]:
        return wide(scene, snapshot, width, height)
    if width >= _STANDARD[0] and height + 2 >= _STANDARD[1]:
        return standard(scene, snapshot, width, height)
    return compact(scene, snapshot)


def _header(scene: Scene, width: int) -> Text:
    snapshot, symbols = scene.snapshot, scene.symbols
    left = " imgpipe"
    if snapshot is not None:
        where = snapshot.redis.version if snapshot.redis else snapshot.source
        left += f"  {name(where, min(len(where), 20))}  ns={name(snapshot.namespace, min(len(snapshot.namespace), 20))}"
    state = ("paused", "bold yellow") if scene.view.paused else (scene.status, "green")
    state = ("no data", "bold red") if scene.trouble else state
    sign = symbols.lost if scene.trouble else symbols.live
    right = line(f"{scene.clock}  ", (f"{sign} ", state[1]), state, " ")
    if width - cell_len(left) - cell_len(right.plain) > len(_HELP):
        right = line(right, _HELP)
    if snapshot is not None and width - cell_len(left) - cell_len(right.plain) > _ROOM:
        left += f"  up {words.seconds(snapshot.uptime_seconds)}"
    return line((left, "bold"), " " * max(width - cell_len(left) - cell_len(right.plain), 1), right)


def _footer(scene: Scene, width: int) -> Text:
    view = scene.view
    if view.control is not None:
        asked = view.control
        rest = asked.asked[len(asked.typed) :]
        return line((f" {asked.verb} {name(asked.name, min(len(asked.name), 40))}: type ", "bold red"),
                    (asked.typed, "bold"), (rest, "dim"), ("   Esc changes nothing", ""))  # fmt: skip
    if view.typing:
        return line((f" filter: {name(view.filter, min(len(view.filter), 60))}_", "bold"), ("   Enter keeps it", "dim"))
    if view.message:
        return line((f" {name(view.message, width - 2)}", "bold yellow"))
    pages = [(f" {number} {title} ", "reverse" if number - 1 == view.page else "") for number, title in
             enumerate(PAGES, start=1)]  # fmt: skip
    if width < _STANDARD[0]:
        return line((" 1 to 5, Tab: other pages   ? help  q quit", "dim"))
    more = " / filter  s sort"
    if width >= _WIDE[0]:
        more = " p pause  +/- speed  w window  / filter  s sort  x export"
    return line(*pages, (more, "dim"))


def _dimmed(lines: list[Text], trouble: str, width: int) -> list[Text]:
    dimmed = [Text(each.plain, style="dim", no_wrap=True, end="") for each in lines]
    bar_text = fit(line(f" {name(trouble, max(width - 2, 0))}"), width)
    where = 1 if len(lines) > 1 else 0
    dimmed[where] = Text(bar_text.plain, style="bold white on red", no_wrap=True, end="")
    return dimmed


def _in_ascii(text: Text) -> Text:
    plain = text.plain.translate(_PLAIN_ASCII)
    safe = "".join(char if char.isascii() else "?" * cell_len(char) for char in plain)
    return Text(safe, spans=text.spans if len(safe) == len(text.plain) else [], no_wrap=True, end="")
