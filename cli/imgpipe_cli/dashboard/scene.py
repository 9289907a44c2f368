"""Scene: all that a frame is drawn from; frozen, so that the same scene always gives the same frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe_cli.dashboard.canvas import BLOCK

if TYPE_CHECKING:
    from imgpipe.monitor import Snapshot
    from imgpipe_cli.dashboard.canvas import Symbols
    from imgpipe_cli.dashboard.trend import Trend
    from imgpipe_cli.dashboard.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is known (None before the first look), what is chosen, and how the source is doing.

    `clock` is the time of day, `status` what is said of the source, `trouble` what is wrong with it.
    """

    snapshot: Snapshot | None
    view: View
    trend: Trend
    clock: str = ""
    status: str = ""
    trouble: str = ""
    symbols: Symbols = BLOCK
