"""Window: keeps a bounded number of tasks ahead of the results, so that a million inputs never wait in memory."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

    from imgpipe.task import Result, Task


def in_completion_order(
    submit: Callable[[Task], Future[Result]], tasks: Iterable[Task], window: int
) -> Generator[Result, None, None]:
    """Submit at most `window` tasks ahead and yield results as they are completed."""
    finished: SimpleQueue[Future[Result]] = SimpleQueue()
    pending: set[Future[Result]] = set()
    source = iter(tasks)
    trouble: Exception | None = None
    more = True
    try:
        while more or pending:
            while more and len(pending) < window:
                try:
                    task = next(source)
                except StopIteration:
                    more = False
                except Exception as error:  # noqa: BLE001 - raised again below, once the pictures in work are done
                    more, trouble = False, error
                else:
                    future = submit(task)
                    pending.add(future)
                    future.add_done_callback(finished.put)
            if pending:
                future = finished.get()
                pending.remove(future)
                yield future.result()
        if trouble is not None:
            raise trouble
    finally:
        started = [future for future in pending if not future.cancel()]
        for future in started:
            future.exception()  # waits; the result is nobody's any more
