"""EmbeddedExecutor: a queue, a Redis server and a worker of our own on this machine, from the first task to `close`."""

from __future__ import annotations

import contextlib
import tempfile
from typing import TYPE_CHECKING

from imgpipe.errors import ExecutorError
from imgpipe.executors.own_worker import OwnWorker, await_workers, last_words
from imgpipe.executors.queued import QueuedExecutor, keep_silent
from imgpipe.queue import DEFAULT_NAMESPACE, open_queue
from imgpipe.queue.server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgpipe.executors.queued import QueuedOptions

_NAME = "worker-1"
_GRACE_SECONDS = 10.0
_MOST_DEATHS = 5


class EmbeddedExecutor(QueuedExecutor):
    """Has a worker with so many slots. `modules` hold filters that it has to import. Use it in a `with` block.

    Raises `BadOption` if there is no Redis server to start, `ExecutorError` if one does not start, or the worker does
    not.
    """

    def __init__(
        self,
        workers: int,
        options: QueuedOptions | None = None,
        *,
        modules: Sequence[str] = (),
        say: Callable[[str], None] = keep_silent,
    ) -> None:
        with contextlib.ExitStack() as stack:
            self._log = stack.enter_context(tempfile.TemporaryFile(prefix="imgpipe-worker-"))
            server = stack.enter_context(RedisServer())
            self._url = server.url
            # Said, because the environment may name another namespace.
            self._arguments = ["--namespace", DEFAULT_NAMESPACE, "-j", str(workers)]
            self._arguments += [word for name in modules for word in ("--import", name)]
            self._deaths = 0
            self._worker = self._start()
            stack.callback(lambda: self._worker.stop(_GRACE_SECONDS))
            queue = open_queue(self._url)
            stack.callback(queue.close)
            await_workers(queue, [self._worker], self._log)
            super().__init__(queue, options, workers=workers, say=say)
            self._stack = stack.pop_all()

    def tend(self) -> None:
        """Start the worker again if it has died."""
        code = self._worker.has_ended()
        if code is None:
            return
        self._deaths += 1
        if self._deaths > _MOST_DEATHS:
            raise ExecutorError(f"the worker dies again and again (exit code {code}): {last_words(self._log)}")
        self._say(f"the worker has died (exit code {code}) and is started again")
        self._worker = self._start()

    def close(self) -> None:
        """End the worker and the server."""
        self._stack.close()

    def abort(self) -> None:
        """End the worker at once; nobody can take up its job, for the server ends as well."""
        self.leave()
        self._worker.kill()

    def _start(self) -> OwnWorker:
        return OwnWorker(_NAME, self._url, self._arguments, output=self._log)
