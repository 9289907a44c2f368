"""Limits: the numbers that all queues keep to alike; scripts have them from here, and nowhere else."""

from __future__ import annotations

from imgpipe.queue.values import DURATION_BOUNDS_SECONDS, MOST_CLAIMS, MOST_HELD, MOST_INDEX, WAIT_BOUNDS_SECONDS

BREAKER_RESULTS = 50
"""The breaker looks at so many results, then never again."""
MOST_UNREAD = 100_000
"""Results that wait for their reader. Beyond that they are dropped, and counted."""
MOST_DETAILS = 10_000
"""Failures that are kept with their result and payload. Beyond that they are only counted."""
PROMOTED = 64
"""Tasks that are due for another try, in one claim."""
LOOKED_AT = 8
"""Jobs of a class, in one claim."""
MOST_UNFIT = 1000
"""Jobs that a worker cannot run, of which is remembered that it gets no more of them."""
SILENCE = 0.4
"""Of a lease: when nobody was heard for so long, it was the queue that was away."""
SUSPECT = 2
"""A task that so many workers have not survived waits until the others are done: if it is to blame, it kills the next
one later; if it is not, it is less likely to be there again when somebody kills workers."""
LOST_SECONDS = 600
"""How long a lost worker stays in the list."""
WORKERS_DIED = "WORKERS_DIED"
"""The code of a task that is lost because no worker has survived it, or said a word about it."""


def as_lua() -> str:
    """Return all of them as the head of a script; times are in milliseconds there."""
    numbers = {
        "BREAKER_RESULTS": BREAKER_RESULTS,
        "MOST_UNREAD": MOST_UNREAD,
        "MOST_DETAILS": MOST_DETAILS,
        "MOST_CLAIMS": MOST_CLAIMS,
        "MOST_HELD": MOST_HELD,
        "MOST_INDEX": MOST_INDEX,
        "PROMOTED": PROMOTED,
        "LOOKED_AT": LOOKED_AT,
        "MOST_UNFIT": MOST_UNFIT,
        "SILENCE": SILENCE,
        "SUSPECT": SUSPECT,
        "LOST_SECONDS": LOST_SECONDS,
        "WORKERS_DIED": f"'{WORKERS_DIED}'",
        "DURATIONS": _table(DURATION_BOUNDS_SECONDS),
        "WAITS": _table(WAIT_BOUNDS_SECONDS),
    }
    return "".join(f"local {name} = {value}\n" for name, value in numbers.items())


def _table(bounds_seconds: tuple[float, ...]) -> str:
    return "{ " + ", ".join(str(round(1000 * bound)) for bound in bounds_seconds) + " }"
