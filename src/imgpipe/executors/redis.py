"""Opens the executor for a queue on Redis: with workers that others have started, or with all of it on this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgpipe.errors import BadOption
from imgpipe.executors._patience import Patience
from imgpipe.executors.queued import QueuedExecutor, QueuedOptions, keep_silent
from imgpipe.machine import usable_cores
from imgpipe.queue import DEFAULT_NAMESPACE, open_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EMBEDDED = "embedded"


def open_redis(
    redis: str | None,
    *,
    namespace: str | None = None,
    options: QueuedOptions | None = None,
    timeout_seconds: float | None = None,
    workers: int | None = None,
    modules: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> QueuedExecutor:
    """Open the queue at a URL or, `embedded`, start a server and a worker; the arguments are `create_executor`'s.

    Raises `BadOption`, `QueueUnavailable` for a server that does not answer within the `start_seconds` of the options,
    and `QueueRefused` for one that would lose tasks.
    """
    options, say = options or QueuedOptions(), say or keep_silent
    if timeout_seconds is not None:
        options = replace(options, timeout_seconds=timeout_seconds)
    if not redis:
        raise BadOption("redis", redis, f"the URL of a server, as redis://host:6379/0, or {EMBEDDED}")
    if redis == EMBEDDED:
        from imgpipe.executors.embedded import EmbeddedExecutor  # noqa: PLC0415 - only what is used is loaded

        if namespace is not None:
            raise BadOption("namespace", namespace, f"none together with redis {EMBEDDED}: it has one queue")
        return EmbeddedExecutor(workers or usable_cores(), options, modules=modules, say=say)
    if workers is not None:
        expected = f"none together with a Redis server: it has workers of its own; {EMBEDDED} has none but ours"
        raise BadOption("workers", workers, expected)
    queue = Patience(say, options.start_seconds).ask(
        lambda: open_queue(redis, namespace=namespace or DEFAULT_NAMESPACE)
    )
    slots = sum(worker.slots for worker in queue.workers() if worker.is_alive)
    return QueuedExecutor(queue, options, workers=max(slots, 1), say=say, owned=True)
