"""Shapes: lines, boxes, dots and text, which become an SVG by hand or a PNG by Pillow; both look the same."""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDER = 1.2  # a browser's sans-serif than the font that we measure with
_SCALE = 2  # pixels of the PNG for each unit
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: str


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text. `x` is its start, middle or end, `y` its base line, `size` its height in units."""

    x: float
    y: float
    text: str
    size: float = 12.0
    anchor: Literal["start", "middle", "end"] = "start"
    colour: str = "#222222"


Shape: TypeAlias = "Box | Line | Dot | Text"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes on white; sizes in units, which are pixels of an SVG."""

    width: int
    height: int
    shapes: tuple[Shape, ...]

    def _repr_svg_(self) -> str:
        """Show it below the cell of a notebook."""
        return to_svg(self)


def text_width(text: str, size: float) -> float:
    """Return a width that the text will not exceed, whichever font draws it."""
    return float(ImageFont.load_default(size).getlength(text)) * _WIDER


def to_svg(drawing: Drawing) -> str:
    """Return the drawing as SVG. It names no font but the reader's own sans-serif."""
    size = f'width="{drawing.width}" height="{drawing.height}" viewBox="0 0 {drawing.width} {drawing.height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    background = f'<rect width="{drawing.width}" height="{drawing.height}" fill="#ffffff"/>'
    return "\n".join([head, background, *(_element(shape) for shape in drawing.shapes), "</svg>"]) + "\n"


def to_png(drawing: Drawing) -> bytes:
    """Return the drawing as a PNG file, two pixels for each unit."""
    image = Image.new("RGB", (drawing.width * _SCALE, drawing.height * _SCALE), "#ffffff")
    draw = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        _paint(draw, shape)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _element(shape: Shape) -> str:
    if isinstance(shape, Box):
        place = f'x="{shape.x:.2f}" y="{shape.y:.2f}" width="{shape.width:.2f}" height="{shape.height:.2f}"'
        return f'<rect {place} fill="{shape.fill}"/>'
    if isinstance(shape, Dot):
        return f'<circle cx="{shape.x:.2f}" cy="{shape.y:.2f}" r="{shape.radius:.2f}" fill="{shape.fill}"/>'
    if isinstance(shape, Line):
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in shape.points)
        dashes = ' stroke-dasharray="5 4"' if shape.dashed else ""
        return (
            f'<polyline points="{points}" fill="none" stroke="{shape.colour}" stroke-width="{shape.width:g}"{dashes}/>'
        )
    place = f'x="{shape.x:.2f}" y="{shape.y:.2f}" font-size="{shape.size:g}" text-anchor="{shape.anchor}"'
    return f'<text {place} fill="{shape.colour}">{html.escape(_NO_XML.sub("�", shape.text))}</text>'


def _paint(draw: ImageDraw.ImageDraw, shape: Shape) -> None:
    if isinstance(shape, Box):
        right, bottom = shape.x + shape.width, shape.y + shape.height
        if shape.width > 0 and shape.height > 0:
            draw.rectangle(_scaled(shape.x, shape.y, max(right - 0.5, shape.x), max(bottom - 0.5, shape.y)), shape.fill)
    elif isinstance(shape, Dot):
        x, y, radius = shape.x, shape.y, shape.radius
        draw.ellipse(_scaled(x - radius, y - radius, x + radius, y + radius), shape.fill)
    elif isinstance(shape, Line):
        for piece in _pieces(shape):
            draw.line(_scaled(*piece), shape.colour, max(round(shape.width * _SCALE), 1))
    else:
        font = ImageFont.load_default(shape.size * _SCALE)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
        draw.text((shape.x * _SCALE, shape.y * _SCALE), shape.text, shape.colour, font, anchor)


def _pieces(line: Line) -> Sequence[tuple[float, float, float, float]]:
    pieces = []
    for (x1, y1), (x2, y2) in zip(line.points, line.points[1:], strict=False):
        if not line.dashed:
            pieces.append((x1, y1, x2, y2))
            continue
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5 or 1.0
        for number in range(int(length / 9) + 1):
            start, end = 9 * number / length, min((9 * number + 5) / length, 1.0)
            pieces.append((x1 + (x2 - x1) * start, y1 + (y2 - y1) * start, x1 + (x2 - x1) * end, y1 + (y2 - y1) * end))
    return pieces


def _scaled(*values: float) -> tuple[float, ...]:
    return tuple(value * _SCALE for value in values)
