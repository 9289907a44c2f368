"""Operations: a row of the table of routes, and what it says about itself for people and for programs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.web.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of the query, or a header. `schema` is JSON Schema."""

    name: str
    help: str
    schema: Mapping[str, Any]


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

    `{name}` in the path stands for one part of it. `lane` says whose threads it runs on: `queue` for what asks the
    queue, which may be slow to answer; `long` for work that may take minutes. `answer` is the JSON Schema of a good
    answer, or its media type, `media` another type that can be asked for. `problems` are the statuses that it has
    beside those that every route has. `example` is a path with a query, or a body, that works; `save_as` names a file
    for an answer that is no text.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    view: View
    summary: str
    tag: str
    answer: Mapping[str, Any] | str
    media: str = ""
    lane: Literal["quick", "queue", "long"] = "quick"
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
