"""Plot: the speed-ups of a comparison as curves, a panel for each pipeline, with intervals and the ideal line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imgpipe.compare.shapes import Box, Dot, Drawing, Line, Shape, Text, text_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.compare.values import CellReport, Comparison, WorkloadReport

COLOURS = {"threads": "#1f6fb4", "processes": "#d9730d"}
_OTHER = "#5b8c3e"
_PANEL_WIDTH, _PANEL_HEIGHT = 300, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 18, 40, 46
_HEAD, _FOOT = 66, 46
_GREY, _PALE = "#777777", "#e4e4e4"
_COLUMNS = 3
_MOST_TICKS = 6


def plot(comparison: Comparison) -> Drawing:
    """Draw the curves. Medians are dots, intervals bars; what is grey and dashed is the ideal, N workers N times."""
    workloads = comparison.workloads
    columns = min(len(workloads), _COLUMNS)
    rows = math.ceil(len(workloads) / columns)
    width = max(columns * _PANEL_WIDTH, 560)
    shapes: list[Shape] = [Text(16, 28, "Speed-up over sequential, by number of workers", 17)]
    shapes += _legend(comparison, width)
    shift = (width - columns * _PANEL_WIDTH) / 2
    highest = _highest(comparison)
    for number, workload in enumerate(workloads):
        x = shift + number % columns * _PANEL_WIDTH
        y = _HEAD + number // columns * _PANEL_HEIGHT
        shapes += _panel(workload, x, y, comparison.settings.most_workers, highest)
    height = _HEAD + rows * _PANEL_HEIGHT + _FOOT
    machine = comparison.machine
    gil = "with GIL" if machine["gil"] else "without GIL"
    notes = (
        f"median and 95 % interval of {comparison.settings.repetitions} repetitions",
        f"{comparison.settings.cores} cores, {machine['python']} {gil}, OpenCV threads {machine['opencv_threads']}",
    )
    for number, note in enumerate(notes):
        line = fitting(note, 11, width - 32)
        shapes.append(Text(16, height - 28 + 16 * number, line, 11, colour=_GREY))
    return Drawing(width, height, tuple(shapes))


def fitting(text: str, size: float, width: float) -> str:
    """Return the text, or as much of it as is no wider than `width`."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def _highest(comparison: Comparison) -> float:
    tops = [report.speedup.high or report.speedup.median for each in comparison.workloads for report in each.cells]
    return max(*tops, float(comparison.settings.most_workers)) * 1.08


def _legend(comparison: Comparison, width: int) -> Iterator[Shape]:
    names = dict.fromkeys(name for each in comparison.workloads for name in each.executors if name != "sequential")
    x = 18.0
    for name in [*names, "ideal"]:
        colour = _GREY if name == "ideal" else COLOURS.get(name, _OTHER)
        if x + 30 + text_width(name, 12) > width:
            return
        yield Line(((x, 48), (x + 22, 48)), colour, 2, dashed=name == "ideal")
        if name != "ideal":
            yield Dot(x + 11, 48, 3.5, colour)
        yield Text(x + 28, 52, name, 12)
        x += 28 + text_width(name, 12) + 18


def _panel(workload: WorkloadReport, x: float, y: float, most: int, highest: float) -> Iterator[Shape]:
    left, right, top, bottom = x + _LEFT, x + _PANEL_WIDTH - _RIGHT, y + _TOP, y + _PANEL_HEIGHT - _BOTTOM
    from_, to = 1.0, max(float(most), 2.0)

    def at(workers: float, speedup: float) -> tuple[float, float]:
        across = (workers - from_) / (to - from_)
        # A margin on both sides, or the error bars would lie on the frame.
        return left + 14 + across * (right - left - 28), bottom - speedup / highest * (bottom - top)

    yield Text((left + right) / 2, top - 12, fitting(workload.name, 14, right - left), 14, "middle")
    for tick in _ticks(highest):
        height = at(1, tick)[1]
        yield Line(((left, height), (right, height)), _PALE)
        yield Text(left - 6, height + 4, f"{tick:g}x", 11, "end", _GREY)
    counts = sorted({report.cell.workers for report in workload.cells})
    for count in _spaced([(at(count, 0)[0], str(count)) for count in counts]):
        yield Text(count[0], bottom + 16, count[1], 11, "middle", _GREY)
    yield Text((left + right) / 2, bottom + 34, "workers", 11, "middle", _GREY)
    yield Line(((left, bottom), (right, bottom)), _GREY)
    yield Line((at(from_, from_), at(min(to, highest), min(to, highest))), _GREY, 1.2, dashed=True)
    curves = [executor for executor in workload.executors if executor != "sequential"]
    for number, executor in enumerate(curves):
        aside = (number - (len(curves) - 1) / 2) * 6  # or bars of one count would hide each other
        points = [(report, *at(report.cell.workers, report.speedup.median)) for report in workload.of(executor)]
        colour = COLOURS.get(executor, _OTHER)
        yield Line(tuple((px + aside, py) for _, px, py in points), colour, 2)
        for report, px, py in points:
            yield from _bar(report, px + aside, highest, top, bottom, colour)
            yield Dot(px + aside, py, 3.5, colour)


def _bar(report: CellReport, x: float, highest: float, top: float, bottom: float, colour: str) -> Iterator[Shape]:
    low, high = report.speedup.low, report.speedup.high
    if low is None or high is None:
        return
    y1, y2 = (bottom - value / highest * (bottom - top) for value in (low, high))
    yield Line(((x, y1), (x, y2)), colour, 1.2)
    for y in (y1, y2):
        yield Box(x - 4, y - 0.6, 8, 1.2, colour)


def _ticks(highest: float) -> list[float]:
    step = 0.5
    while highest / step > _MOST_TICKS:
        step *= 2
    return [step * number for number in range(int(highest / step) + 1)]


def _spaced(labels: list[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """Give the labels that do not touch each other; the last is always among them."""
    kept: list[tuple[float, str]] = []
    for x, text in reversed(labels):
        if not kept or x + text_width(text, 11) / 2 + 4 <= kept[-1][0] - text_width(kept[-1][1], 11) / 2:
            kept.append((x, text))
    yield from reversed(kept)
