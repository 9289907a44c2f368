"""Times: moments as text that sorts, and that every program can read."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(wall_seconds: float) -> str:
    """Return a moment in UTC, to the millisecond; the nearest one that can be written if it is beyond all years."""
    try:
        moment = datetime.fromtimestamp(wall_seconds, UTC)
    except (OverflowError, ValueError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
