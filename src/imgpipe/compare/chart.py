"""Chart: a timeline as lines of letters for a terminal: a line for each worker, a letter for what it did when."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.compare.spans import Timeline

_LETTERS = {"decode": "d", "filter": "f", "encode": "e"}
_NOTHING = "·"


def chart_lines(line: Timeline, width: int = 60) -> Iterator[str]:
    """Draw a timeline: d decodes, f filters, e encodes, · does something shorter, or has no picture."""
    yield f"{line.title}, {line.seconds * 1000:.0f} ms"
    per_second = width / (line.seconds or 1.0)
    rows = {worker: [_NOTHING] * width for worker in line.workers}
    for span in line.spans:
        for stage, start, seconds in span.stages:
            # Both ends are rounded, so that no stage has more columns than time.
            for column in range(round(start * per_second), min(round((start + seconds) * per_second), width)):
                rows[span.worker][column] = _LETTERS.get(stage, _NOTHING)
    names = max((len(worker) for worker in line.workers), default=0)
    for worker, letters in rows.items():
        yield f"  {worker:{names}}  {''.join(letters)}"
