"""Huey: tasks on Redis. Best: retries; no setting that is documented keeps a task whose worker has died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from huey import RedisHuey  # type: ignore[import-not-found]  # a peer, in an environment of its own

from benchmarks.queue.apps import body

if TYPE_CHECKING:
    from collections.abc import Sequence

huey = RedisHuey("bench", url=body.URL, results=False)
_RETRIES = {"retries": 10} if body.BEST else {}

JOBS = {job.__name__: huey.task(**_RETRIES)(job) for job in (body.noop, body.thumbnail)}


def submit(job: str, names: Sequence[str]) -> None:
    """Enqueue one by one: there is no other way."""
    task = JOBS[job]
    for name in names:
        task(name)


if __name__ == "__main__":
    body.submit_lines(submit)
