"""Both queues keep the contract of queues."""

from __future__ import annotations

import pytest

from contracts.queue_contract import QueueContract
from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.redis import RedisQueue


class TestMemoryQueue(QueueContract):
    """In one process."""

    def make(self, clock):
        """Return a new queue."""
        return MemoryQueue(clock)


class TestRedisQueue(QueueContract):
    """On a real Redis."""

    @pytest.fixture(autouse=True)
    def _redis(self, redis_url):
        self.url = redis_url

    def make(self, clock):
        """Return a queue on an empty server."""
        return RedisQueue(self.url, clock=clock)
