"""Operations: a row of the table of routes, and what it says about itself for people and for programs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.web.app import View

_NUMBER = {"integer": re.compile(r"[0-9]{1,9}"), "number": re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of the query, or a header. `schema` is JSON Schema: an `enum`, or a type and what limits it."""

    name: str
    help: str
    schema: Mapping[str, Any]

    def read(self, text: str) -> Any:
        """Return the value that a text stands for. Raises `ValueError`, which says what would be one."""
        if choices := self.schema.get("enum"):
            if text not in choices:
                raise ValueError(f"expected {' or '.join(choices)}")
            return text
        kind = self.schema["type"]
        if kind == "string":
            return text
        low, high = self.schema["minimum"], self.schema["maximum"]
        value = float(text) if _NUMBER[kind].fullmatch(text) else math.nan
        if not low <= value <= high:
            raise ValueError(f"expected a {'whole ' * (kind == 'integer')}number from {low} to {high:.10g}")
        return int(value) if kind == "integer" else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What an endpoint takes: its media types (`image/*` stands for all of them), its bytes at most, its schema."""

    media: tuple[str, ...]
    max_bytes: int
    schema: Mapping[str, Any]

    def takes(self, media_type: str) -> bool:
        """Whether it may be of this type."""
        return any(media_type == one or (one == "image/*" and media_type.startswith("image/")) for one in self.media)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One endpoint: method and path, what answers it, and its description.

    `{name}` in the path stands for one part of it. `lane` says whose threads it runs on: `upload` for large bodies,
    `queue` for what asks the queue, which may be slow to answer, `long` for work that may take minutes. `answer` is the
    JSON Schema of a good answer, or its media type, `media` another type that can be asked for. `problems` are the
    statuses that it has beside those that follow from the rest. `example` is a path with a query or a body that works;
    `save_as` names a file for an answer that is no text.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    view: View
    summary: str
    tag: str
    answer: Mapping[str, Any] | str
    media: str = ""
    lane: Literal["quick", "upload", "queue", "long"] = "quick"
    parameters: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    body: Body | None = None
    problems: tuple[int, ...] = ()
    good: tuple[int, ...] = (200,)
    example: str | Mapping[str, Any] = ""
    save_as: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The paths that it answers, with and without the slash at the end."""
        parts = re.split(r"\{(\w+)\}", self.path.rstrip("/"))
        regex = "".join(f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
        return re.compile(regex + "/?")

    def curl(self, base: str) -> str:
        """Return a command line that tries it; `base` is the server's address."""
        if isinstance(self.example, str):
            method = "" if self.method in {"GET", "POST"} else f" -X {self.method}"
            save = f" -o {self.save_as}" if self.save_as else ""
            upload = " -H 'Content-Type: image/jpeg' --data-binary @picture.jpg" if self.body else ""
            return f"curl{method} '{base}{self.example or self.path}'{upload}{save}"
        data = json.dumps(self.example)
        return f"curl -X POST {base}{self.path} -H 'Content-Type: application/json' -d '{data}'"
