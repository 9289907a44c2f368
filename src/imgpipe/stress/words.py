"""Words: times, rates and series as people read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_PARTIAL, _NOTHING = "░", " "


def shown(seconds: float | None) -> str:
    """Return a time with its unit and three digits at most; a dash if it is not known."""
    if seconds is None:
        return "–"
    if math.isinf(seconds):
        return "∞"
    if seconds < 0.9995:
        milliseconds = seconds * 1000
        return f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s" if seconds < 99.95 else f"{seconds:.0f} s"


def per_second(rate: float | None) -> str:
    """Return a rate."""
    return "–" if rate is None else f"{rate:.3g}/s" if rate < 1000 else f"{rate:.0f}/s"


def percent(share: float | None) -> str:
    """Return a share in percent."""
    return "–" if share is None else f"{100 * share:.0f} %"


def counted(count: int, noun: str) -> str:
    """Return a number of things: 1 task, 2 tasks."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def sparkline(values: Sequence[float | None], *, partial_last: bool) -> str:
    """Draw values as blocks on a logarithmic scale: unknown ones are blank, and an incomplete last one is pale."""
    known = [value for value in values if value is not None and value > 0]
    if not known:
        return ""
    low, high = math.log(min(known)), math.log(max(known))
    span = high - low or 1.0
    blocks = [
        _NOTHING if not value else _BLOCKS[round((math.log(value) - low) / span * (len(_BLOCKS) - 1))]
        for value in values
    ]
    if partial_last:
        blocks[-1] = _PARTIAL
    return "".join(blocks)
