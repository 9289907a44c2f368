"""RQ: jobs are functions. Best: retries, and a worker whose maintenance and monitoring run often, as its docs allow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import redis
from rq import Queue, Retry, SimpleWorker, Worker  # type: ignore[import-not-found]  # a peer, in an environment of its own

from benchmarks.queue.apps import body

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK = 1000


def submit(job: str, names: Sequence[str]) -> None:
    """Enqueue in pipelines."""
    queue = Queue(connection=redis.Redis.from_url(body.URL))
    retry = Retry(max=10) if body.BEST and job == "thumbnail" else None
    function = getattr(body, job)
    for at in range(0, len(names), _CHUNK):
        queue.enqueue_many(
            [Queue.prepare_data(function, (name,), result_ttl=0, retry=retry) for name in names[at : at + _CHUNK]]
        )


def work(job: str) -> None:
    """Work as `rq worker` does, which has no options for these settings; no-op jobs in this very process."""
    connection = redis.Redis.from_url(body.URL)
    if job == "noop":
        SimpleWorker(["default"], connection=connection).work(logging_level="WARNING")
        return
    often = {"maintenance_interval": 5, "job_monitoring_interval": 1, "worker_ttl": 20} if body.BEST else {}
    Worker(["default"], connection=connection, **often).work(logging_level="WARNING")


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(sys.argv[2])
    else:
        body.submit_lines(submit)
