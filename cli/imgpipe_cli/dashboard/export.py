"""Export: writes a moment to files in the current folder: the document, and the frame as a picture."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from imgpipe.monitor.document import to_data
from imgpipe_cli.dashboard.painter import svg

if TYPE_CHECKING:
    from rich.text import Text

    from imgpipe.monitor import Snapshot


def export(snapshot: Snapshot, lines: list[Text], width: int) -> str:
    """Write both files, none that is there already; return what to say about it."""
    name = time.strftime("imgpipe-monitor-%Y%m%d-%H%M%S", time.localtime(snapshot.wall_seconds))
    try:
        for extension, text in (
            ("json", json.dumps(to_data(snapshot), allow_nan=False, indent=1)),
            ("svg", svg(lines, width)),
        ):
            with open(f"{name}.{extension}", "x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        return f"{name} cannot be written: {error.strerror}"
    return f"written: {name}.json and {name}.svg"
