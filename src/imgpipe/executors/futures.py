"""FuturesExecutor: runs tasks on any `concurrent.futures.Executor`: somebody else's threads, processes or machines."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Literal

from imgpipe.errors import BadOption, ExecutorError
from imgpipe.executors._flight import Flight, said
from imgpipe.executors.base import Executor
from imgpipe.executors.batch import Batch

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Generator, Iterable, Iterator

    from imgpipe.task import Result, Task

BATCHES_AHEAD = 2
"""Batches in the window for each worker: one in work, one waiting, so that no worker waits for the caller."""
BATCH_SECONDS = 0.2
"""How much work a future is given with `chunk="auto"`: enough to make a millisecond of an engine's own not matter."""
MOST_IN_BATCH = 32


class FuturesExecutor(Executor):
    """Runs tasks on an engine that speaks `concurrent.futures`: the standard library's pools, loky, MPI, dask.

    - `workers`: how many tasks the engine works on at once; nobody can ask it.
    - `window`: at most so many tasks are handed out beyond the results that have been yielded.
    - `chunk`: how many tasks go into one future; `auto` fits it to the time that pictures take.
    - `tries`: how often a picture that its worker did not survive is handed out.
    - `owned`: whether `close` shuts the engine down as well.
    - `cancels`: whether a future that can be cancelled has not begun, as in the standard library.

    A future that gives an exception instead of results was lost by its worker, whatever the exception. Its batch goes
    out again, alone and in halves, until the guilty are found; they are given up as `lost`. When the engine itself
    is broken, every picture that it had is `lost`, and then `ExecutorError` is raised.

    Tasks carry the pipeline with them: its filters must live in modules that workers can import. The memory of the
    workers is the engine's business. Raises `BadOption` for numbers that cannot be.
    """

    name = "futures"

    def __init__(
        self,
        executor: concurrent.futures.Executor,
        *,
        workers: int,
        window: int | None = None,
        chunk: int | Literal["auto"] = 1,
        tries: int = 3,
        owned: bool = False,
        cancels: bool = True,
    ) -> None:
        most = MOST_IN_BATCH if chunk == "auto" else chunk
        if window is None:
            window = workers * BATCHES_AHEAD * most
        for option, number in (("workers", workers), ("window", window), ("chunk", most), ("tries", tries)):
            if number < 1:
                raise BadOption(option, number, "a whole number above 0")
        if chunk != "auto" and chunk > window:
            raise BadOption("chunk", chunk, f"no more than the window of {window} tasks")
        self.workers = workers
        self._executor, self._window, self._tries = executor, window, tries
        self._owned, self._cancels = owned, cancels
        self._flight = Flight(executor, tries)
        if chunk == "auto":
            self._most_batches = workers * BATCHES_AHEAD
            self._pace = _Pace(1, max(window // self._most_batches, 1))
        else:
            self._most_batches = window
            self._pace = _Pace(chunk, chunk)

    def run(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """Run tasks on the engine."""
        source = iter(tasks)
        flight = self._flight = Flight(self._executor, self._tries)
        pace = self._pace
        trouble: Exception | None = None
        more = True
        try:
            while more or flight.is_busy:
                while more and flight.is_clear and self._has_room(flight):
                    taken, more, trouble = _taken(source, pace.size)
                    if taken:
                        flight.launch(Batch.of(taken))
                if flight.is_busy:
                    results = flight.land()
                    pace.learn(results)
                    yield from results
                more = more and flight.broken is None
            if flight.broken is not None:
                raise ExecutorError(f"the engine of {self.name} is broken: {said(flight.broken)}") from flight.broken
            if trouble is not None:
                raise trouble
        finally:
            flight.end(cancel=self._cancels)

    def _has_room(self, flight: Flight) -> bool:
        return flight.tasks + self._pace.size <= self._window and len(flight.batches) < self._most_batches

    def close(self) -> None:
        """Shut the engine down, if it is ours."""
        if self._owned:
            self._executor.shutdown(wait=True)

    def abort(self) -> None:
        """Cancel what the engine has not begun."""
        self._flight.abort()


class _Pace:
    """How many tasks make a batch: between `least` and `most`."""

    def __init__(self, least: int, most: int) -> None:
        self.size = least
        self._least, self._most = least, most
        self._seconds = 0.0

    def learn(self, results: list[Result]) -> None:
        """Fit the size to the time that pictures take, the latest most of all."""
        measured = [result.total_seconds for result in results if result.seconds]
        if not measured:
            return
        mean = sum(measured) / len(measured)
        self._seconds = (3 * self._seconds + mean) / 4 if self._seconds else mean
        self.size = min(max(int(BATCH_SECONDS / max(self._seconds, 1e-6)), self._least), self._most)


def _taken(source: Iterator[Task], size: int) -> tuple[list[Task], bool, Exception | None]:
    """Take up to `size` tasks; say whether there may be more, or what went wrong with the source of them."""
    taken: list[Task] = []
    try:
        for task in islice(source, size):
            taken.append(task)  # noqa: PERF402 - those before an error count
    except Exception as error:  # noqa: BLE001 - raised by the caller, after the results
        return taken, False, error
    return taken, len(taken) == size, None
