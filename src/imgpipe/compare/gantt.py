"""Gantt: timelines as a drawing: a row for each worker; above what it did, below what the time went into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.compare.plot import fitting
from imgpipe.compare.shapes import Box, Drawing, Line, Shape, Text, text_width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgpipe.compare.spans import Span, Timeline

MOST_BARS = 4000
"""With more, tasks are drawn without their stages, and then only the first ones."""
_BARS = 7  # of a task, as a rule: itself, three stages that take long enough to be seen, three parts of its time
_VISIBLE = 0.4  # units: what is narrower is not drawn

_STAGES = {
    "header": "#6f6f6f",
    "wait": "#c94f4f",
    "decode": "#4c8bd0",
    "filter": "#63a355",
    "encode": "#e39a3b",
    "publish": "#8a6bbf",
    "in between": "#c4c4c4",
}
_TIMES = {"running": "#2f2f2f", "waiting for a core": "#e0c23a", "blocked (GIL, I/O)": "#d0453e"}
_OTHER = _STAGES["in between"]
_WIDTH, _LEFT, _RIGHT = 960, 150, 24
_TITLE, _ROW, _UPPER, _LOWER, _GAP = 30, 26, 13, 5, 12
_GREY = "#777777"


def gantt(timelines: Sequence[Timeline]) -> Drawing:
    """Draw timelines one below the other, those of one pipeline on the same scale of time.

    The lower strip shows shares of each task (running, waiting for a core, blocked), not their order, which nobody
    knows.
    """
    shapes: list[Shape] = [Text(16, 26, "What each worker did, and what its time went into", 17)]
    y = 44.0
    for title, colours in (("above", _STAGES), ("below", _TIMES)):
        shapes += _legend(title, colours, y)
        y += 20
    scales: dict[str, float] = {}
    for line in timelines:
        scales[line.pipeline] = max(scales.get(line.pipeline, 1e-9), line.seconds)
    with_stages = sum(_BARS for line in timelines for _ in line.spans) <= MOST_BARS
    most = max(MOST_BARS // 4 // max(len(timelines), 1), 1)
    for line in timelines:
        shapes += _timeline(line, y, scales[line.pipeline], most, with_stages=with_stages)
        y += _TITLE + _ROW * len(line.workers) + _GAP
    return Drawing(_WIDTH, int(y + 10), tuple(shapes))


def _legend(title: str, colours: dict[str, str], y: float) -> Iterator[Shape]:
    yield Text(16, y + 10, title, 12, colour=_GREY)
    x = 70.0
    for name, colour in colours.items():
        yield Box(x, y, 12, 12, colour)
        yield Text(x + 17, y + 10, name, 12)
        x += 17 + text_width(name, 12) + 16


def _timeline(line: Timeline, y: float, scale: float, most: int, *, with_stages: bool) -> Iterator[Shape]:
    right = _WIDTH - _RIGHT
    length = f"{line.seconds * 1000:.0f} ms"
    yield Text(right, y + 22, length, 12, "end", _GREY)
    yield Text(16, y + 22, fitting(line.title, 13, right - 24 - text_width(length, 12)), 13)
    top = y + _TITLE
    rows = {worker: top + number * _ROW for number, worker in enumerate(line.workers)}
    for worker, row in rows.items():
        yield Text(_LEFT - 8, row + 13, fitting(worker, 11, _LEFT - 24), 11, "end", _GREY)
        yield Line(((_LEFT, row + _UPPER + _LOWER + 3), (right, row + _UPPER + _LOWER + 3)), "#eeeeee")
    for span in sorted(line.spans, key=lambda span: span.start)[:most]:
        yield from _span(span, rows[span.worker], (right - _LEFT) / scale, with_stages=with_stages)


def _span(span: Span, y: float, per_second: float, *, with_stages: bool) -> Iterator[Shape]:
    x = _LEFT + span.start * per_second
    width = span.seconds * per_second
    yield Box(x, y, width, _UPPER, _OTHER)
    if with_stages:
        for stage, start, seconds in span.stages:
            if seconds * per_second < _VISIBLE:
                continue
            yield Box(_LEFT + start * per_second, y, seconds * per_second, _UPPER, _STAGES.get(stage, _OTHER))
    parts = (span.run_seconds, span.core_seconds, span.blocked_seconds)
    total = sum(parts) or 1.0
    for seconds, colour in zip(parts, _TIMES.values(), strict=True):
        yield Box(x, y + _UPPER + 1, width * seconds / total, _LOWER, colour)
        x += width * seconds / total
