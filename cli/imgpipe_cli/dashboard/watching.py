"""Watching: opens a queue to look at it, and a second connection to its Redis for what that says of itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from imgpipe_cli.opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.monitor import Watch
    from imgpipe.queue.base import TaskQueue


@contextlib.contextmanager
def watching(url: str, namespace: str, *, advise_seconds: float | None = None) -> Iterator[tuple[Watch, TaskQueue]]:
    """Open a queue for the `with` block. Raises `QueueUnavailable`.

    `advise_seconds` is how far looks are apart that are compared for the advice, where that is not the usual time.
    """
    from imgpipe.advice import AdviceSettings  # noqa: PLC0415 - only what is used is loaded
    from imgpipe.monitor import Watch  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.queue.connection import Connection  # noqa: PLC0415 - loads redis

    with opened(url, namespace) as queue, contextlib.closing(Connection(url, "", "")) as server:
        settings = AdviceSettings() if advise_seconds is None else AdviceSettings(sample_seconds=advise_seconds)
        yield Watch(queue, server=server, namespace=namespace, advice=settings), queue
