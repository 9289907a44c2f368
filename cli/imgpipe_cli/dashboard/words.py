"""Words: numbers as short texts of a known greatest width; what is not known, or no number at all, is a dash."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imgpipe.queue.values import DURATION_BOUNDS_SECONDS, WAIT_BOUNDS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from imgpipe.monitor.values import Percentiles

UNKNOWN = "–"
_BEYOND = 1e15


def is_known(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


def count(value: float | None) -> str:
    """Return a whole number with its thousands apart: 6 841 204; at most nine characters."""
    if value is None or not is_known(value):
        return UNKNOWN
    return f"{round(value):,}".replace(",", " ") if -1_000_000 < value < 9_999_999.5 else _scaled(value)


def rate(value: float | None) -> str:
    """Return how many in a second, with as many digits as mean something; at most seven characters."""
    if value is None or not is_known(value):
        return UNKNOWN
    if abs(value) < 9.95:
        return f"{value:.1f}" if value else "0"
    return f"{value:.0f}" if abs(value) < 99_999 else _scaled(value)


def seconds(value: float | None) -> str:
    """Return a time as people read it: 41 ms, 9.8 s, 27 s, 2:12, 4:46:30, 12 d; at most eight characters."""
    if value is None or not is_known(value):
        return UNKNOWN
    if value < 0:
        return UNKNOWN  # of a clock that was set back
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 59.5:
        return f"{value:.0f} s"
    whole = round(min(value, _BEYOND))
    hours, rest = divmod(whole, 3600)
    if hours < 1:
        return f"{rest // 60}:{rest % 60:02}"
    if hours < 100:
        return f"{hours}:{rest // 60:02}:{rest % 60:02}"
    days = hours // 24
    return f"{days} d" if days < 10_000 else "> 27 y"


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share from 0 to 1 in percent; at most eight characters."""
    if share is None or not is_known(share):
        return UNKNOWN
    return f"{100 * share:.{digits}f} %" if abs(share) < 100 else "> 9999 %"


def size(value: float | None) -> str:
    """Return a number of bytes: 812 M; at most six characters."""
    if value is None or not is_known(value):
        return UNKNOWN
    return _scaled(value) if abs(value) >= 1000 else f"{value:.0f} B"


def percentile(times: Percentiles, name: str, bounds: Sequence[float]) -> str:
    """Return a percentile of times, or that it is above the largest bound."""
    value: float | None = getattr(times, name)
    if value is None and times.beyond and times.beyond * 100 >= times.count * (100 - int(name[1:])):
        return f"> {seconds(bounds[-1])}"
    return seconds(value)


def wait(times: Percentiles, name: str) -> str:
    """Return a percentile of waits."""
    return percentile(times, name, WAIT_BOUNDS_SECONDS)


def duration(times: Percentiles, name: str) -> str:
    """Return a percentile of times in work."""
    return percentile(times, name, DURATION_BOUNDS_SECONDS)


def change(advice: Mapping[str, Any]) -> str:
    """Return how many workers there are, and how many there should be, where that differs: 12 → 17 workers."""
    now, then = (_number(advice, name) for name in ("current_workers", "recommended_workers"))
    return workers(now) if then in {now, None} else f"{count(now)} → {workers(then)}"


def workers(number: float | None) -> str:
    """Return a number of workers."""
    return f"{count(number)} worker" + ("" if number == 1 else "s")


def alternative(row: Any) -> str:
    """Return what another number of workers would give."""
    if not isinstance(row, dict):
        return UNKNOWN
    when = seconds(_number(row, "eta_s"))
    return f"{workers(_number(row, 'workers'))}: done in {when}   {text(row, 'basis')}"


def confidence(advice: Mapping[str, Any]) -> str:
    """Return how sure the direction is, from 0 to 1."""
    value = _number(advice, "confidence")
    return UNKNOWN if value is None else f"{value:.2f}"


def text(advice: Mapping[str, Any], *names: str) -> str:
    """Return a text somewhere in an advice, "" if there is none: it may come from a file."""
    value: object = advice
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def parts(advice: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list in an advice, an empty one if there is none."""
    value = advice.get(name)
    return value if isinstance(value, list) else []


def _number(advice: Mapping[str, Any], name: str) -> float | None:
    value = advice.get(name)
    return float(value) if isinstance(value, int | float) and abs(value) < _BEYOND else None


def _scaled(value: float) -> str:
    scaled = float(value)
    for unit in ("", " k", " M", " G", " T", " P"):
        if abs(scaled) < 999.5:
            return f"{scaled:.1f}{unit}" if abs(scaled) < 9.95 and unit else f"{scaled:.0f}{unit}"
        scaled /= 1000
    return "> 999 P" if value > 0 else "< 0"
