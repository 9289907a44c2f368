"""Drawings: well-formed, nothing outside of the picture, no text over another; the same as SVG and as PNG."""

from __future__ import annotations

import dataclasses
import io
import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from comparison_samples import comparison, curves
from imgpipe.compare.chart import chart_lines
from imgpipe.compare.gantt import MOST_BARS, gantt
from imgpipe.compare.plot import fitting, plot
from imgpipe.compare.shapes import Box, Dot, Drawing, Line, Text, text_width, to_png, to_svg
from imgpipe.compare.spans import Span, Timeline, timelines

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<b>&\"'\x00\x1b]0;x\x07\ud800 " + "very long " * 30

MANY = (1, 2, 4, 8, 16, 32, 64, 128)
COMPARISONS = {
    "one": comparison(curves()),
    "three": comparison(*(curves(name=name) for name in ("resize", "sharpen", "teach.pyblur"))),
    "seven": comparison(*(curves(name=f"resize:{n}x | blur:radius={n}") for n in range(7))),
    "many workers": comparison(curves(MANY), most=128),
    "nasty": comparison(curves(name=NASTY)),
    "one count": comparison(curves((1,)), most=1),
}
DRAWINGS = {
    f"{kind} of {name}": draw(measured)
    for name, measured in COMPARISONS.items()
    for kind, draw in (("plot", plot), ("gantt", lambda measured: gantt(list(timelines(measured)))))
}


@pytest.fixture(params=DRAWINGS)
def drawing(request) -> Drawing:
    """Give each drawing."""
    return DRAWINGS[request.param]


def box_of(text: Text) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a text."""
    width = text_width(text.text, text.size)
    left = text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]
    return left, text.y - 0.8 * text.size, left + width, text.y + 0.25 * text.size


def boxes_of(shape) -> list[tuple[float, float, float, float]]:
    """Return the rectangles that a shape covers."""
    if isinstance(shape, Text):
        return [box_of(shape)]
    if isinstance(shape, Box):
        return [(shape.x, shape.y, shape.x + shape.width, shape.y + shape.height)]
    if isinstance(shape, Dot):
        return [(shape.x - shape.radius, shape.y - shape.radius, shape.x + shape.radius, shape.y + shape.radius)]
    return [(x, y, x, y) for x, y in shape.points]


def test_nothing_lies_outside(drawing):
    """Every shape, texts with their widths, lies within the picture."""
    edges = np.array([box for shape in drawing.shapes for box in boxes_of(shape)])

    assert edges[:, :2].min() >= 0
    assert edges[:, 2].max() <= drawing.width
    assert edges[:, 3].max() <= drawing.height


def test_no_text_lies_over_another(drawing):
    """Texts keep clear of each other."""
    texts = [shape for shape in drawing.shapes if isinstance(shape, Text)]

    for (left, top, right, bottom), other in itertools.combinations(map(box_of, texts), 2):
        assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_svg_is_well_formed(drawing):
    """An XML parser finds an element for each shape, and the picture's size; no font is fetched from anywhere."""
    text = to_svg(drawing)

    root = ET.fromstring(text)  # the text is our own

    assert (f"{SVG}svg", str(drawing.width), str(drawing.height)) == (root.tag, root.get("width"), root.get("height"))
    assert len(drawing.shapes) + 1 == len(root)
    assert "sans-serif" == root.get("font-family")
    assert 1 == text.count("http")


def test_png_shows_the_drawing(drawing):
    """The PNG has two pixels for a unit, white edges and something inside."""
    with Image.open(io.BytesIO(to_png(drawing))) as image:
        pixels = np.asarray(image.convert("L"))

    assert (drawing.height * 2, drawing.width * 2) == pixels.shape
    assert (pixels[0] == 255).all()
    assert (pixels[-1] == 255).all()
    assert pixels.min() < 100


def test_svg_tells_texts_as_they_are():
    """Text is escaped, and what XML cannot hold at all is replaced."""
    root = ET.fromstring(to_svg(Drawing(100, 20, (Text(1, 10, "<b>&\"'\x00\ud800é"),))))

    assert "<b>&\"'��é" == root[-1].text


def test_plot_has_a_curve_for_each_executor():
    """Each panel has the curves, a dot for every count, and the ideal line in dashes."""
    shapes = plot(COMPARISONS["three"]).shapes
    lines = [shape for shape in shapes if isinstance(shape, Line) and len(shape.points) == 2 and shape.width == 2]

    assert 3 * 2 * 2 + 2 == sum(isinstance(shape, Dot) for shape in shapes)
    assert 3 * 2 + 3 == len(lines)  # three in the legend
    assert 4 == sum(isinstance(shape, Line) and shape.dashed for shape in shapes)
    assert {"resize", "sharpen", "teach.pyblur"} <= {shape.text for shape in shapes if isinstance(shape, Text)}


def test_higher_is_faster():
    """Threads, which gained more, end above processes."""
    curves_ = {
        shape.colour: shape.points
        for shape in plot(COMPARISONS["one"]).shapes
        if isinstance(shape, Line) and shape.width == 2 and shape.points[0][1] != shape.points[1][1]
    }
    threads, processes = curves_["#1f6fb4"], curves_["#d9730d"]

    assert threads[-1][1] < processes[-1][1] < processes[0][1]


def test_gantt_draws_stages_and_times():
    """For each task: itself, its stages, and three parts of its time that are together as wide as it is."""
    span = Span("w", "a.jpg", 0.0, 0.1, (("decode", 0.0, 0.05), ("filter", 0.05, 0.05)), 0.05, 0.03, 0.02)

    shapes = gantt([Timeline("blur", "blur, sequential", ("w",), (span,))]).shapes

    bars = [shape for shape in shapes if isinstance(shape, Box) and shape.x >= 150 and shape.y > 90]
    whole, decode, filter_, run, core, blocked = bars
    assert pytest.approx(whole.width / 2) == decode.width == filter_.width
    assert pytest.approx([0.5, 0.3, 0.2]) == [part.width / whole.width for part in (run, core, blocked)]


def test_gantt_stays_small():
    """Thousands of tasks become a bounded number of bars."""
    span = Span("w", "a.jpg", 0.0, 0.1, tuple((f"s{n}", n * 0.01, 0.01) for n in range(10)), 0.1, 0.0, 0.0)
    spans = tuple(dataclasses.replace(span, start=n * 0.1) for n in range(5000))

    shapes = gantt([Timeline("blur", f"blur, {n}", ("w",), spans) for n in range(3)]).shapes

    assert len(shapes) < MOST_BARS + 100


def test_stages_stay_inside_their_task():
    """However much longer the stages say they took, they end with the task."""
    for line in timelines(COMPARISONS["three"]):
        for span in line.spans:
            for _, start, seconds in span.stages:
                assert span.start - 1e-9 <= start <= start + seconds <= span.start + span.seconds + 1e-9


def test_chart_of_letters():
    """A worker has a line of letters, as long as its stages took."""
    span = Span("w1", "a.jpg", 0.0, 1.0, (("header", 0.0, 0.1), ("decode", 0.1, 0.3), ("filter", 0.4, 0.4),
                                        ("encode", 0.8, 0.2)), 1.0, 0.0, 0.0)  # fmt: skip

    lines = list(chart_lines(Timeline("blur", "blur, 2 threads", ("w1", "w22"), (span,)), width=10))

    assert ["blur, 2 threads, 1000 ms", "  w1   ·dddffffee", "  w22  ··········"] == lines


@pytest.mark.parametrize("text", ["", "short", "a name that is far too long"])
def test_fitting(text):
    """A text is cut where it ends, and no shorter than needed."""
    cut = fitting(text, 12, 60)

    assert text_width(cut, 12) <= 60
    assert cut == text or cut.endswith("…")
    assert text.startswith(cut.rstrip("…"))
