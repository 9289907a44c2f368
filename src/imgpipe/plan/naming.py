"""Naming: says under which name below the output folder a source's result goes."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from string import Formatter
from typing import TYPE_CHECKING

from imgpipe.errors import BadOption
from imgpipe.pictures.formats import BY_EXTENSION, BY_NAME, extension_of
from imgpipe.pictures.options import FORMATS

if TYPE_CHECKING:
    from imgpipe.plan.sources import Source

DEFAULT_TEMPLATE = "{dir}{stem}{ext}"
PRIVATE_FOLDER = ".imgpipe"
"""What imgpipe keeps for itself in an output folder; no result may go there."""

FIELDS = ("dir", "stem", "ext", "name", "parent", "n", "pipeline", "hash")

_SEPARATORS = re.compile("[" + re.escape(os.sep + (os.altsep or "")) + "]")
_SPEC = {"n": re.compile(r"0?\d{0,2}d?"), "": re.compile(r"(\.\d{1,3})?")}

_Part = tuple[str, str, str]  # literal text, then a field's name ("" for none) and its format


@dataclass(frozen=True, slots=True)
class Naming:
    """A template for the names of results, checked when it is made.

    Fields: `{dir}` folder of the source below its input, with its separator; `{stem}` name without extension; `{ext}`
    extension of the output, with its dot; `{name}` stem and extension; `{parent}` name of the source's folder; `{n}`
    running number, as `{n:06}`; `{pipeline}` fingerprint of the recipe; `{hash}` 16 hexadecimal digits of the source's
    relative path, `{hash:.2}` its first two. Braces are doubled to stand for themselves. With the format `keep` a
    source keeps its extension as it is written. Raises `BadOption`.
    """

    template: str = DEFAULT_TEMPLATE
    format: str = "keep"
    fingerprint: str = ""
    _parts: tuple[_Part, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a template that is unreadable, leaves the output folder or lies about the format."""
        if self.format not in ("keep", *FORMATS):
            raise BadOption("format", self.format, f"keep or one of {', '.join(FORMATS)}")
        object.__setattr__(self, "_parts", _parse(self.template))
        self._check_place()
        self._check_extension()

    def target(self, source: Source, number: int) -> str:
        """Return the path of a source's result below the output folder. Raises `BadOption` if it would leave it."""
        filled = "".join(
            text + (self._value(name, spec, source, number) if name else "") for text, name, spec in self._parts
        )
        pieces = [piece for piece in _SEPARATORS.split(filled) if piece]
        wrong = not pieces or _SEPARATORS.match(filled[-1:]) or any(piece in (".", "..") for piece in pieces)
        if wrong or pieces[0].lower() == PRIVATE_FOLDER:
            raise BadOption(
                "name", self.template, f"a template that names a file for {source.relative!r}, got {filled!r}"
            )
        return os.sep.join(pieces)

    def extension(self, source: Source) -> str:
        """Return the extension of a source's result, with its dot."""
        own = os.path.splitext(source.relative)[1]
        if self.format == "keep":
            return own
        belongs = BY_EXTENSION.get(own.lower())
        return own if belongs is BY_NAME[self.format] else extension_of(self.format)

    def _value(self, name: str, spec: str, source: Source, number: int) -> str:
        if name == "n":
            return format(number, spec)
        folder, base = os.path.split(source.relative)
        stem = os.path.splitext(base)[0]
        if name == "dir":
            text = os.path.join(folder, "") if folder else ""
        elif name == "stem":
            text = stem
        elif name == "ext":
            text = self.extension(source)
        elif name == "name":
            text = stem + self.extension(source)
        elif name == "parent":
            text = os.path.basename(os.path.dirname(os.path.abspath(source.path)))
        elif name == "pipeline":
            text = self.fingerprint
        else:
            portable = os.fsencode(source.relative.replace(os.sep, "/"))
            text = hashlib.blake2b(portable, digest_size=8).hexdigest()
        return format(text, spec)

    def _check_place(self) -> None:
        literal = "".join(text + ("x" if name else "") for text, name, _ in self._parts)
        pieces = _SEPARATORS.split(literal)
        if "\0" in literal:
            raise BadOption("name", self.template, "no NUL character")
        if os.path.isabs(literal) or (literal and not pieces[0]) or os.path.splitdrive(literal)[0] or ".." in pieces:
            raise BadOption("name", self.template, "a path below the output folder")
        if not literal or pieces[-1] in ("", ".") or (self._parts and self._parts[-1][1] == "dir"):
            raise BadOption("name", self.template, "the name of a file, such as {dir}{stem}{ext}")

    def _check_extension(self) -> None:
        text, name, _ = self._parts[-1]
        promised = None if name else BY_EXTENSION.get(os.path.splitext("x" + text)[1].lower())
        if promised is None or promised.name == self.format:
            return
        if self.format == "keep":
            expected = f"{{ext}} at its end, or --format {promised.name}: pictures keep their own formats"
        else:
            expected = f"{{ext}} or {extension_of(self.format)} at its end: pictures are written as {self.format}"
        raise BadOption("name", self.template, expected)


def escaped(text: str) -> str:
    """Return a template that stands for exactly this text."""
    return text.replace("{", "{{").replace("}", "}}")


def _parse(template: str) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    try:
        for text, name, spec, conversion in Formatter().parse(template):
            if name is None and spec is None:
                parts.append((text, "", ""))
                continue
            _check_field(template, name or "", spec or "", conversion)
            parts.append((text, name or "", spec or ""))
    except ValueError as error:
        raise BadOption("name", template, f"balanced braces ({error})") from error
    merged: list[_Part] = []
    for part in parts:
        # The parser gives "{{" as a part of its own; the end of a name is looked at as a whole.
        if merged and not merged[-1][1]:
            merged[-1] = (merged[-1][0] + part[0], part[1], part[2])
        else:
            merged.append(part)
    return tuple(merged) or (("", "", ""),)


def _check_field(template: str, name: str, spec: str, conversion: str | None) -> None:
    if name not in FIELDS:
        known = ", ".join(f"{{{known}}}" for known in FIELDS)
        raise BadOption("name", template, f"a template of the fields {known}; {{{name}}} is none")
    if conversion or not _SPEC["n" if name == "n" else ""].fullmatch(spec):
        raise BadOption("name", template, f"a plain {{{name}}}, a width as {{n:06}} or a length as {{hash:.2}}")
