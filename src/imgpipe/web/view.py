"""View: the form of what answers a request: a function from it and the app to an answer, now or later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.web.app import App
    from imgpipe.web.http import Request, Response

View: TypeAlias = "Callable[[Request, App], Response | Later]"


@dataclass(frozen=True, slots=True)
class Later:
    """Instead of an answer: call `view` in so many seconds. Meanwhile the request keeps no thread."""

    seconds: float
    view: View = field(repr=False)
