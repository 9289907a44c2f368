"""Fleet: a Redis server and workers of our own on this machine, which a stress run or a lesson may harm."""

from __future__ import annotations

import contextlib
import tempfile
from typing import TYPE_CHECKING, Self

from imgpipe.executors.own_worker import OwnWorker, await_workers
from imgpipe.queue import open_queue
from imgpipe.queue.server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import WorkerStatus

LEASE_SECONDS = 3.0
"""Of its workers: shorter than usual, so that a run of a minute sees what happens after a death."""

_GRACE_SECONDS = 2.0


class Fleet:
    """Has a worker for each of `capabilities` (io, cpu, all, or labels with commas). Use it in a `with` block.

    Raises `BadOption` if there is no Redis server to start, and `ExecutorError` if it or a worker does not start.
    """

    def __init__(
        self,
        capabilities: Sequence[str],
        *,
        slots: int = 1,
        lease_seconds: float = LEASE_SECONDS,
        modules: Sequence[str] = (),
    ) -> None:
        common = ["-j", str(slots), "--lease", f"{lease_seconds:g}"]
        common += [word for module in modules for word in ("--import", module)]
        self._arguments = {
            f"worker-{number}": ["--capabilities", each, *common] for number, each in enumerate(capabilities, start=1)
        }
        self.lease_seconds = lease_seconds
        self._workers: dict[str, OwnWorker] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._log = stack.enter_context(tempfile.TemporaryFile(prefix="imgpipe-fleet-"))
            self.server = stack.enter_context(RedisServer())
            self.queue: TaskQueue = stack.enter_context(contextlib.closing(open_queue(self.server.url)))
            stack.callback(self._stop_workers)
            for name in self._arguments:
                self._launch(name)
            await_workers(self.queue, self._workers.values(), self._log)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def live(self) -> list[WorkerStatus]:
        """Return the workers that the queue believes to live."""
        return [worker for worker in self.queue.workers() if worker.is_alive]

    def busiest(self) -> WorkerStatus | None:
        """Return the worker with the most tasks in its hands, None if nobody has one."""
        ours = [worker for worker in self.live() if self._workers[worker.name].pid == worker.pid]
        return max((worker for worker in ours if worker.held), key=lambda worker: worker.held, default=None)

    def kill(self, name: str) -> None:
        """End a worker as a crash would, and its children with it."""
        self._workers[name].kill()

    def restart(self, name: str) -> None:
        """Start a worker that was killed again, as whoever looks after a fleet would."""
        self._launch(name)

    def _launch(self, name: str) -> None:
        self._workers[name] = OwnWorker(name, self.server.url, self._arguments[name], output=self._log)

    def _stop_workers(self) -> None:
        living = [worker for worker in self._workers.values() if worker.has_ended() is None]
        for worker in living:
            worker.ask_to_end()
        for worker in living:
            worker.stop(_GRACE_SECONDS)
