"""Celery: tasks on a Redis broker. Best: late acknowledgement, rejected when lost, one at a time, a short timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery  # type: ignore[import-not-found]  # a peer, in an environment of its own

from benchmarks.queue.apps import body

if TYPE_CHECKING:
    from collections.abc import Sequence

app = Celery("benchmarks.queue.apps.celery_app", broker=body.URL)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
if body.BEST:
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_transport_options={"visibility_timeout": 10},
    )

JOBS = {job.__name__: app.task(job, name=job.__name__) for job in (body.noop, body.thumbnail)}


def submit(job: str, names: Sequence[str]) -> None:
    """Send one by one: there is no other way."""
    task = JOBS[job]
    with app.producer_or_acquire() as producer:
        for name in names:
            task.apply_async((name,), producer=producer)


if __name__ == "__main__":
    body.submit_lines(submit)
