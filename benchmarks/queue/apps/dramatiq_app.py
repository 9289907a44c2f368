"""Dramatiq: actors on a Redis broker. Best: the heartbeat's timeout and the chance of maintenance set for speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dramatiq  # type: ignore[import-not-found]  # a peer, in an environment of its own
from dramatiq.brokers.redis import RedisBroker  # type: ignore[import-not-found]  # a peer, in an environment of its own

from benchmarks.queue.apps import body

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOON = {"heartbeat_timeout": 5000, "maintenance_chance": 1_000_000} if body.BEST else {}
dramatiq.set_broker(RedisBroker(url=body.URL, **_SOON))

JOBS = {job.__name__: dramatiq.actor(job) for job in (body.noop, body.thumbnail)}


def submit(job: str, names: Sequence[str]) -> None:
    """Send one by one: there is no other way."""
    actor = JOBS[job]
    for name in names:
        actor.send(name)


if __name__ == "__main__":
    body.submit_lines(submit)
