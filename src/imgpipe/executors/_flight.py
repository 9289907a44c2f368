"""Flight: the batches that an engine has, those that it has lost, and what becomes of them."""

from __future__ import annotations

from collections import deque
from concurrent.futures import CancelledError, Future, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe.executors.batch import run_batch

if TYPE_CHECKING:
    import concurrent.futures

    from imgpipe.executors.batch import Batch
    from imgpipe.task import Result

MOST_LOST_IN_A_ROW = 10
"""An engine that loses so many pictures one after the other does not work, whatever it says."""

_REMEDY = "run the same command again; if it is lost once more, look at the picture by itself"


class Flight:
    """The batches of one run. `broken` is why the engine takes no more, once it does not; `tasks` are those it has."""

    def __init__(self, executor: concurrent.futures.Executor, tries: int) -> None:
        self._executor, self._tries = executor, tries
        self._landed: SimpleQueue[Future[list[Result]]] = SimpleQueue()
        self._suspects: deque[Batch] = deque()
        self._lost_in_a_row = 0
        self.batches: dict[Future[list[Result]], Batch] = {}
        self.tasks = 0
        self.broken: BaseException | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a task has no result yet."""
        return bool(self.batches or self._suspects)

    @property
    def is_clear(self) -> bool:
        """Whether new batches may be launched: the engine works, and nothing waits to go out alone."""
        return self.broken is None and not self._suspects

    def launch(self, batch: Batch) -> None:
        """Give a batch to the engine. What it refuses lands at once, with the reason."""
        try:
            future = self._executor.submit(run_batch, batch)
        except Exception as error:  # noqa: BLE001 - engines raise what they like
            future = Future()
            future.set_exception(error)
            # So say a pool whose process has died, and one that has been shut down. All else may be the batch's fault.
            if isinstance(error, RuntimeError):
                self.broken = error
        self.batches[future] = batch
        self.tasks += len(batch)
        future.add_done_callback(self._landed.put)

    def land(self) -> list[Result]:
        """Wait for a batch to come to its end, and return its results; none where it goes out again."""
        if self._suspects and not self.batches:
            self.launch(self._suspects.popleft())  # alone: if it is lost again, nobody else can be to blame
        future = self._landed.get()
        batch = self.batches.pop(future)
        self.tasks -= len(batch)
        error = CancelledError("the engine has cancelled it") if future.cancelled() else future.exception()
        if error is None:
            self._lost_in_a_row = 0
            return future.result()
        return self._after_loss(batch, error)

    def end(self, *, cancel: bool) -> None:
        """Drop what has not begun, and wait for what has; the results are nobody's any more."""
        self._suspects.clear()
        wait([future for future in self.batches if not (cancel and future.cancel())])
        self.batches.clear()

    def abort(self) -> None:
        """Cancel what the engine has not begun, and let nothing go out again."""
        self.broken = CancelledError("aborted")
        for future in tuple(self.batches):
            future.cancel()

    def _after_loss(self, batch: Batch, error: BaseException) -> list[Result]:
        """Let a batch go out again, or give it up; with a broken engine, all that wait for another try as well."""
        if self.broken is None and (len(batch) > 1 or batch.tries < self._tries):
            self._suspects.extend(batch.again())
            return []
        results = batch.lost(f"its worker was lost ({said(error)})", _REMEDY)
        self._lost_in_a_row += len(results)
        if self.broken is None and self._lost_in_a_row >= MOST_LOST_IN_A_ROW:
            self.broken = error
        while self._suspects and self.broken is not None:
            results += self._suspects.popleft().lost(f"the engine broke ({said(self.broken)})", _REMEDY)
        return results


def said(error: BaseException) -> str:
    """Return an exception in one safe line."""
    return display_name(f"{type(error).__name__}: {error}", width=300)
