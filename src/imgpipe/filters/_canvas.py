"""Canvas: boxes, gravity and background colours, as resize, crop, pad and rotate share them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, cast

from PIL import Image

from imgpipe.filters.parameters import Pattern, Range

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import Mode

MAX_SIDE = 65535
"""No common format stores more."""

SIDE = Range(1, MAX_SIDE)

Gravity = Literal["center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"]

COLOUR = Pattern(r"#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?", "a colour as #rrggbb or #rrggbbaa")
"""Colours are values in the picture's own colour space; without `aa` they are opaque."""


def placed(outer: tuple[int, int], inner: tuple[int, int], gravity: Gravity) -> tuple[int, int]:
    """Return where the left upper corner of `inner` lies in `outer`; odd remainders go to the right and bottom."""
    column = 0 if "west" in gravity else 2 if "east" in gravity else 1
    row = 0 if "north" in gravity else 2 if "south" in gravity else 1
    return (outer[0] - inner[0]) * column // 2, (outer[1] - inner[1]) * row // 2


def canvas_mode(mode: Mode, background: str) -> Mode:
    """Return the layout (not premultiplied) that holds pixels of `mode` and the background without loss."""
    red, green, blue, alpha = _rgba(background)
    colours = "L" if mode[0] == "L" and red == green == blue else "RGB"
    return cast("Mode", colours + "A" if mode[-1] in "Aa" or alpha < 255 else colours)


def with_room_for(frame: Frame, background: str) -> Frame:
    """Return the frame in a layout that holds the background too: as it is where it does already."""
    mode = canvas_mode(frame.mode, background)
    if frame.mode.upper() == mode:
        return frame
    return frame.straight().in_colours("L" if mode[0] == "L" else "RGB").in_mode(mode)


def ink(background: str, mode: Mode) -> tuple[int, ...]:
    """Return the background colour as a pixel of `mode`, with its colours premultiplied where those of `mode` are."""
    *colour, alpha = _rgba(background)
    if mode[-1] == "a":
        colour = [(value * alpha + 127) // 255 for value in colour]
    if mode[0] == "L":
        colour = colour[:1]
    return (*colour, alpha) if mode[-1] in "Aa" else tuple(colour)


def on_canvas(frame: Frame, size: tuple[int, int], corner: tuple[int, int], background: str) -> Frame:
    """Return a canvas of that size with the picture on it, its left upper corner at `corner` (which may be negative).

    The background fills what the picture does not cover; it does not shine through a translucent picture.
    """
    # Not premultiplied: the background is to be exactly what was asked for.
    frame = with_room_for(frame.straight(), background)
    canvas = Image.new(frame.mode, size, ink(background, frame.mode))
    canvas.paste(frame.image, corner)
    return frame.with_image(canvas)


def box_words(words: list[str]) -> list[str]:
    """Split a leading `800x600`, `800x` or `x600` into two words, so that boxes can be typed as they are spoken."""
    box = re.fullmatch(r"\s*(\d*)\s*[x×]\s*(\d*)\s*", words[0]) if words else None
    return [*box.groups(), *words[1:]] if box else words


def _rgba(background: str) -> tuple[int, int, int, int]:
    red, green, blue, *alpha = bytes.fromhex(background[1:])
    return red, green, blue, alpha[0] if alpha else 255
