"""arq: coroutines on Redis; its worker polls a sorted set."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from arq import create_pool  # type: ignore[import-not-found]  # a peer, in an environment of its own
from arq.connections import RedisSettings  # type: ignore[import-not-found]  # a peer, in an environment of its own

from benchmarks.queue.apps import body

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT_ONCE = 100


async def noop(context: dict[str, Any], name: str) -> None:
    """Do nothing but count."""
    del context
    body.noop(name)


class WorkerSettings:
    """What its command reads. The defaults, but for more jobs at a time and no results, which is faster."""

    functions: ClassVar[list[Any]] = [noop]
    redis_settings = RedisSettings.from_dsn(body.URL)
    max_jobs = _AT_ONCE
    keep_result = 0


async def _submit(job: str, names: Sequence[str]) -> None:
    pool = await create_pool(RedisSettings.from_dsn(body.URL))
    for at in range(0, len(names), _AT_ONCE):
        await asyncio.gather(*(pool.enqueue_job(job, name) for name in names[at : at + _AT_ONCE]))
    await pool.aclose()


def submit(job: str, names: Sequence[str]) -> None:
    """Enqueue some at a time."""
    asyncio.run(_submit(job, names))


if __name__ == "__main__":
    body.submit_lines(submit)
