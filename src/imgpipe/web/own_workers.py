"""OwnWorkers: workers in threads of this process, for a queue in memory, which no others can reach."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from imgpipe.errors import ImgpipeError
from imgpipe.machine import usable_cores
from imgpipe.worker import Event, Worker, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgpipe.queue.base import TaskQueue
    from imgpipe.web.settings import WebSettings


class OwnWorkers:
    """One worker for each of `labels`; they share the cores. Pictures are opened in children of this process.

    `tell` hears what is worth a line.
    """

    def __init__(
        self,
        queue: TaskQueue,
        labels: Sequence[frozenset[str]],
        settings: WebSettings,
        tell: Callable[[str], None],
    ) -> None:
        slots = max(usable_cores() // len(labels), 1)
        self._tell, self._ending = tell, False
        self._workers: list[Worker] = []
        self._threads: list[threading.Thread] = []
        for number, each in enumerate(labels, start=1):
            configured = WorkerSettings(
                name=f"worker-{number}",
                labels=each,
                slots=slots,
                routing=settings.routing,
                roots=(*settings.folders, settings.processed),
                timeout_seconds=settings.picture_seconds,
            )
            worker = Worker(lambda: queue, configured, tell=self._say)
            name = f"imgpipe-web-worker-{number}"
            self._workers.append(worker)
            self._threads.append(threading.Thread(target=self._run, args=(worker,), name=name, daemon=True))

    def start(self) -> None:
        """Start them."""
        for thread in self._threads:
            thread.start()

    def stop(self, grace_seconds: float) -> None:
        """Let them finish the pictures that they have, then end them."""
        self._ending = True
        for end in (Worker.drain, Worker.stop):
            for worker in self._workers:
                end(worker)
            for thread in self._threads:
                thread.join(grace_seconds)

    def _run(self, worker: Worker) -> None:
        try:
            worker.run()
        except (ImgpipeError, OSError, EOFError) as error:  # no child can be started, say
            if not self._ending:  # else they were sent the signal that we were sent
                self._tell(f"a worker has ended: {error}; tasks wait if there is no other")

    def _say(self, event: Event) -> None:
        if event.kind not in {"job", "draining", "stopping"}:
            self._tell(event.text)
