"""streaQ: coroutines on Redis streams and functions; it needs Redis 7."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streaq import Worker  # type: ignore[import-not-found]  # a peer, in an environment of its own

from benchmarks.queue.apps import body

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK = 1000
worker = Worker(redis_url=body.URL)


@worker.task(ttl=0)  # type: ignore[untyped-decorator]  # the same
async def noop(name: str) -> None:
    """Do nothing but count."""
    body.noop(name)


async def _submit(names: Sequence[str]) -> None:
    async with worker:
        for at in range(0, len(names), _CHUNK):
            await worker.enqueue_many([noop.enqueue(name) for name in names[at : at + _CHUNK]])


def submit(job: str, names: Sequence[str]) -> None:
    """Enqueue in pipelines."""
    assert job == "noop"
    asyncio.run(_submit(names))


if __name__ == "__main__":
    body.submit_lines(submit)
