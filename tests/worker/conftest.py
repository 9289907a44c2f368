"""Fixtures for workers: the filters that their tests need, and benches with a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgpipe.queue import open_queue
from imgpipe.queue.memory import MemoryQueue
from worker_bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _filters() -> None:
    """Register the filters of these tests, for no others."""
    import deadly_filters  # noqa: F401 - for its effect
    import worker_filters  # noqa: F401 - the same


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a bench with a queue in memory."""
    return Bench(tmp_path, MemoryQueue())


@pytest.fixture
def redis_bench(tmp_path: Path, redis_url: str) -> Iterator[Bench]:
    """Return a bench with a queue on Redis."""
    queue = open_queue(redis_url)
    yield Bench(tmp_path, queue)
    queue.close()
