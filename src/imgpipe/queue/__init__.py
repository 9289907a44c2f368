"""Queue: tasks on their way to workers on many machines, over Redis, and in memory for tests and teaching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.errors import QueueRefused

if TYPE_CHECKING:
    from imgpipe.queue.base import TaskQueue

DEFAULT_NAMESPACE = "default"


def open_queue(
    url: str, *, namespace: str = DEFAULT_NAMESPACE, allow_eviction: bool = False, check: bool = True
) -> TaskQueue:
    """Open a queue on the Redis at `url`: redis://host:6379/0, rediss://… or unix:///path.

    The server is looked at first, unless `check` is off: one that would lose tasks is refused, with `QueueRefused`;
    `allow_eviction` takes one that throws keys away when it is full. Raises `QueueUnavailable` if it does not answer.
    """
    from imgpipe.queue.redis import RedisQueue  # noqa: PLC0415 - loads redis, which nobody else needs

    queue = RedisQueue(url, namespace=namespace)
    try:
        for finding in queue.examine() if check else ():
            if finding.state == "fail" and not (finding.name == "eviction" and allow_eviction):
                raise QueueRefused(f"{finding.name}: {finding.found}. {finding.remedy}")
    except BaseException:
        queue.close()
        raise
    return queue
