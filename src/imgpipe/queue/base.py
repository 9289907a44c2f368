"""TaskQueue: what a queue of tasks promises; memory and Redis keep it alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.queue.values import (
        Beat,
        Claim,
        Claims,
        ClassStatus,
        Counters,
        FileKind,
        Finished,
        Item,
        JobSpec,
        JobStatus,
        Load,
        Overview,
        Reaped,
        Results,
        Settled,
        Submitted,
        TaskStatus,
        WorkerSpec,
        WorkerStatus,
    )


class TaskQueue(ABC):
    """Tasks on their way to workers, and the account of what became of each.

    The promise, tested on every implementation by `tests/contracts/queue_contract.py`:

    - A task that was accepted is settled exactly once: done, failed, lost or cancelled; the counts say so at any time.
    - A worker that keeps beating keeps its tasks, however long they take. One that stops loses them to others after
      its lease; only those that it had begun count as losses.
    - Whoever has lost a task cannot settle it any more, unless it is done, the job is pure, and nobody else was faster.
    - A worker never gets a task that it has not the labels for, except in a `fifo` job, where it finds out afterwards.
    - `submit` may be repeated: a task goes in once. Nothing is taken beyond the window.
    - Every call is one step: whoever dies before, during or after it leaves the queue consistent.
    - Times are the queue's own; no clock of a worker or a submitter decides anything.
    """

    # -- submitters ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def create(self, spec: JobSpec) -> JobStatus:
        """Open a job, or attach to the one of that id if it is the same and not over; an old one is replaced.

        Raises `BadOption` if a job of that id with another spec is not over.
        """

    @abstractmethod
    def submit(
        self, job: str, items: Sequence[Item], *, after: int = 0, last: bool = False, more: int | None = None
    ) -> Submitted:
        """Hand over at most `MOST_ITEMS` items, in the order of their index.

        `after` is the `next` of the previous answer. `last` says that there will be no more; it may come without items.
        `more` is how many will follow, as far as is known: for those who watch.
        """

    @abstractmethod
    def results(self, job: str, count: int, *, start: int = 0) -> Results:
        """Return results by their number, from `start` or the oldest that was not forgotten."""

    @abstractmethod
    def forget(self, job: str, before: int) -> None:
        """Forget the results with numbers below `before`."""

    @abstractmethod
    def wait_for_results(self, job: str, start: int, seconds: float) -> None:
        """Return when result number `start` is there, or earlier, after `seconds` at the latest."""

    # -- workers ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def register(self, worker: WorkerSpec, lease_seconds: float) -> None:
        """Present a worker. From now on it has to beat before its lease ends."""

    @abstractmethod
    def claim(self, worker: str, want: int, *, starting: int = 0, begun: Sequence[Claim] = ()) -> Claims:
        """Take at most `want` tasks, fewer near the end of a job. The first `starting` of them begin at once.

        `begun` are tasks from earlier claims that have begun since. It renews the lease.
        """

    @abstractmethod
    def finish(
        self,
        worker: str,
        settled: Sequence[Settled],
        *,
        want: int = 0,
        starting: int = 0,
        begun: Sequence[Claim] = (),
    ) -> Finished:
        """Say what became of tasks, and claim others in the same step if `want` is above 0."""

    @abstractmethod
    def beat(
        self, worker: str, load: Load, *, begun: Sequence[Claim] = (), totals: Mapping[str, int] | None = None
    ) -> Beat:
        """Renew the lease. `totals` are added to those of `counters`: what the worker has done since its last beat."""

    @abstractmethod
    def resync(self, worker: str) -> tuple[Claim, ...]:
        """Return all tasks that the queue believes to be in the worker's hands, at the epochs that they have."""

    @abstractmethod
    def leave(self, worker: str) -> None:
        """Take leave. What it still holds goes back at once, uncharged if it has not begun."""

    @abstractmethod
    def reap(self) -> Reaped | None:
        """Take the tasks of one worker whose lease has ended; None if there is none. Anybody may call it."""

    @abstractmethod
    def wait_for_work(self, worker: str, seconds: float) -> None:
        """Return when there may be something to claim, after `seconds` at the latest."""

    # -- files, where submitter and workers share no folder ----------------------------------------------------------

    @abstractmethod
    def put_file(self, job: str, index: int, kind: FileKind, data: bytes) -> bool:
        """Keep a task's picture, or what became of it, for a day; False if the queue has no room for it now.

        There is always room for a `target`: work that is done is not thrown away.
        """

    @abstractmethod
    def get_file(self, job: str, index: int, kind: FileKind) -> bytes | None:
        """Return a task's picture, or what became of it; None if it is not there."""

    @abstractmethod
    def drop_files(self, job: str, indexes: Sequence[int]) -> None:
        """Forget the files of tasks."""

    # -- everybody ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def control(self, job: str, verb: Literal["pause", "resume", "cancel"], why: str = "") -> JobStatus | None:
        """Pause, resume or cancel a job; return what it is like then, None if there is none."""

    @abstractmethod
    def retry(self, job: str, count: int) -> int:
        """Put at most `count` failed or lost tasks back into the queue, as if they were new; return how many."""

    @abstractmethod
    def command(self, worker: str, command: Literal["", "drain", "stop"]) -> bool:
        """Tell a worker what to do with its next beat; return whether it is known."""

    @abstractmethod
    def status(self, job: str) -> JobStatus | None:
        """Return a job's counts, None if there is no such job."""

    @abstractmethod
    def jobs(self, count: int = 100) -> list[JobStatus]:
        """Return jobs, the newest first."""

    @abstractmethod
    def task(self, job: str, index: int) -> TaskStatus:
        """Return what is known of one task."""

    @abstractmethod
    def failures(self, job: str, count: int = 100) -> list[TaskStatus]:
        """Return failed and lost tasks."""

    @abstractmethod
    def workers(self, count: int = 1000) -> list[WorkerStatus]:
        """Return live workers, and those that were lost in the last ten minutes."""

    @abstractmethod
    def overview(self, jobs: int = 100, workers: int = 1000) -> Overview:
        """Return what `jobs`, `workers`, `classes` and `counters` would, all of one moment, in one step.

        What it costs does not depend on how many tasks wait.
        """

    def classes(self) -> list[ClassStatus]:
        """Return the classes of tasks that are known."""
        return list(self.overview(0).classes)

    @abstractmethod
    def counters(self) -> Counters:
        """Return what has happened so far, to all classes of tasks."""

    @abstractmethod
    def purge(self, job: str) -> bool:
        """Forget a job that is over, with all that is known of it; return whether there was one."""

    @abstractmethod
    def fsck(self, job: str) -> list[str]:
        """Count anew, compare, repair; return what was wrong, in words."""

    def close(self) -> None:  # noqa: B027 - not every queue has connections
        """Release connections."""
