"""Table: rows in columns: on a terminal as wide as it is, elsewhere as wide as they need, one line for each row."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from imgpipe.display import display_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WIDE = 10_000


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table to stdout. A column whose name begins with > has numbers. Names cannot act on the terminal."""
    from rich.console import Console  # noqa: PLC0415 - takes 50 ms, and only a table needs it
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text("–" if cell is None else display_name(cell)) for cell in row))
    is_terminal = sys.stdout.isatty()
    console = Console(markup=False, highlight=False, width=None if is_terminal else _WIDE)
    with console.capture() as capture:
        console.print(table)
    sys.stdout.writelines(line.rstrip() + "\n" for line in capture.get().splitlines())
