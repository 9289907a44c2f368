"""Handover: one job as its submitter sees it: tasks on their way into a queue, and results on their way out."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from imgpipe.errors import BadPayload, ExecutorError, FailureCode
from imgpipe.executors._earlier import Earlier
from imgpipe.executors._inbox import Inbox
from imgpipe.executors._outcome import result_not_kept, result_of_record, result_of_status
from imgpipe.executors._watch import Watch
from imgpipe.queue.payload import encode_task
from imgpipe.queue.values import MOST_BYTES, MOST_INDEX, MOST_ITEMS, Item, JobState, SubmitKind, TaskState
from imgpipe.task import Failure, Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgpipe.executors._patience import Patience
    from imgpipe.executors._post import Post
    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.payload import JobPayload
    from imgpipe.queue.values import JobSpec, JobStatus, Submitted, TaskStatus
    from imgpipe.task import Task

_MOST_ASKED = 100  # single tasks in one look
_NEVER = 1 << 62  # the number of a result that there will not be
_SLICE_SECONDS = 0.5  # the longest wait: so soon the caller can leave
_CANCEL_SECONDS = 30.0
_LIVE = (TaskState.PENDING, TaskState.RUNNING, TaskState.RETRYING)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A task without a result. Its payload is kept as it was: of a picture in place it says what the file was then."""

    task: Task
    payload: bytes


class Handover:
    """The tasks of one run as items of one job.

    A task whose id is a number above those of all tasks before it has that number as its index, so that the same
    command finds its tasks again; any other gets the next number. Without `keep`, a task is forgotten as soon as the
    queue has it: its result is for somebody else.
    """

    def __init__(
        self,
        queue: TaskQueue,
        patience: Patience,
        spec: JobSpec,
        payload: JobPayload,
        say: Callable[[str], None],
        *,
        keep: bool = True,
        post: Post | None = None,
    ) -> None:
        self.id = spec.id
        self._queue, self._patience, self._ask = queue, patience, patience.ask
        self._spec, self._payload, self._keep, self._post = spec, payload, keep, post
        self._watch, self._inbox = Watch(queue, patience, say), Inbox(queue, patience, spec.id)
        self._waiting: dict[int, _Waiting] = {}
        self._unsent: list[int] = []  # of those that wait, in order
        self._last_index = -1
        self._next = 0  # what the queue has answered
        self._is_open = self._is_sealed = False
        self._earlier: Earlier | None = None
        self._in_doubt: set[int] = set()  # the queue had them already: they may have ended long ago
        self._ended: dict[int, TaskStatus] = {}  # so says the queue, but no result has come
        self._asked = 0
        self._waited_in_vain = False

    def __len__(self) -> int:
        """Return how many tasks have no result yet."""
        return len(self._waiting)

    @property
    def is_clear(self) -> bool:
        """Whether the queue has everything that it was given."""
        return not self._unsent

    @property
    def is_settled(self) -> bool:
        """Whether everything has its result, and the queue knows that nothing follows."""
        return not self._waiting and (self._is_sealed or not self._is_open)

    @property
    def has_doubts(self) -> bool:
        """Whether it is time to ask what has become of single tasks."""
        return bool(self._in_doubt)

    # -- in -----------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take up the job if there is one; of one that is over, read what nobody has read.

        A new one is opened by the first task that needs it. Raises what `look` raises.
        """
        status = self._ask(lambda: self._queue.status(self.id))
        if status is not None and status.state is JobState.CANCELLING:
            status = self._end_of_cancelled(status)
        if status is None:
            return
        if status.is_over:
            self._earlier = Earlier(self._queue, self._patience, status)
        else:
            self._watch.check(status)
            self._attach()
        self._inbox.read_all(self._waiting, self._last_index)

    def add(self, task: Task) -> Result | None:
        """Take in a task. Return its result if there is one already."""
        index = self._index_of(task)
        whole = replace(task, source=os.path.abspath(task.source), target=os.path.abspath(task.target))
        try:
            payload = encode_task(whole, self._payload)
        except BadPayload as error:
            failure = Failure(FailureCode.BAD_PAYLOAD, str(error))
            return Result(task.id, task.source, task.target, Outcome.FAILED, failure=failure)
        result = self._known(index, task) or (self._post.refusal(task) if self._post else None)
        if result is None:
            self._waiting[index] = _Waiting(task, payload)
            self._unsent.append(index)
        return result

    def send(self, *, last: bool, more: int | None = None) -> None:
        """Hand over what is not in the queue yet, as far as there is room.

        `last` says that nothing follows; `more` how much will, as far as is known.
        """
        while self._unsent or (last and self._is_open and not self._is_sealed):
            if not self._is_open:
                self._begin_anew()
            chunk = self._chunk()
            if self._unsent and not chunk:
                return
            answer = self._submit(chunk, last=last and len(chunk) == len(self._unsent), more=more)
            if answer.kind is SubmitKind.FULL and answer.room:
                chunk = chunk[: answer.room]
                answer = self._submit(chunk, last=False, more=more)
            if answer.kind is SubmitKind.FULL:
                return
            if answer.kind is SubmitKind.GAP:
                self._rolled_back(answer.next)
            elif answer.kind is SubmitKind.CLOSED:
                self._closed()
            else:
                self._accepted(chunk, answer)

    def seal(self) -> None:
        """Say that nothing follows: the job ends without us."""
        if self._is_open and not self._is_sealed:
            self._submit([], last=True)

    def cancel(self, why: str) -> None:
        """Drop what has not begun, and wait for what has."""
        status = self._queue.control(self.id, "cancel", why) if self._is_open else None
        self._end_of_cancelled(status)

    def _index_of(self, task: Task) -> int:
        number = int(task.id) if task.id.isascii() and task.id.isdecimal() and len(task.id) < 10 else -1
        self._last_index = number if self._last_index < number < MOST_INDEX else self._last_index + 1
        return self._last_index

    def _chunk(self) -> list[int]:
        chunk: list[int] = []
        size = 0
        for index in islice(self._unsent, MOST_ITEMS):
            waiting = self._waiting[index]
            size += len(waiting.payload)
            if size > MOST_BYTES or (self._post and not self._post.send(index, waiting.task)):
                break
            chunk.append(index)
        return chunk

    def _submit(self, chunk: list[int], *, last: bool, more: int | None = None) -> Submitted:
        items = [Item(index, self._waiting[index].payload) for index in chunk]
        more = None if more is None else more + len(self._unsent) - len(chunk)
        answer = self._ask(lambda: self._queue.submit(self.id, items, after=self._next, last=last, more=more))
        self._is_sealed = self._is_sealed or (last and answer.kind is SubmitKind.ACCEPTED)
        return answer

    def _accepted(self, chunk: list[int], answer: Submitted) -> None:
        self._next = answer.next
        del self._unsent[: len(chunk)]
        if not self._keep:
            for index in chunk:
                del self._waiting[index]
        elif answer.added < len(chunk):
            self._in_doubt.update(chunk)

    def _attach(self) -> None:
        self._next = self._ask(lambda: self._queue.create(self._spec)).next
        self._is_open, self._is_sealed = True, False

    def _begin_anew(self) -> None:
        """Put a new job in the place of one that is over or gone; all that the old one knows is asked before."""
        if self._earlier is not None:
            self._earlier.part(self._last_index + 1, ask=self._inbox.has_drops)
        self._inbox.begin_anew()
        self._attach()

    def _rolled_back(self, known: int) -> None:
        """The queue has come back with older data."""
        self._next = known
        self._inbox.start_over()
        self._hand_over_again()

    def _closed(self) -> None:
        """There is no such job, or it is over: open it anew when what it had to say was read."""
        if self.watch() is None:
            self._watch.tell(f"the queue knows nothing of job {self.id} any more: handing its pictures over again")
        self._is_open = False
        self._hand_over_again()

    def _hand_over_again(self) -> None:
        if not self._keep:
            raise ExecutorError(f"the queue has lost pictures of job {self.id}: run the same command again")
        self._unsent = sorted(self._waiting)
        if self._post:
            self._post.forget(self._unsent)

    def _end_of_cancelled(self, status: JobStatus | None) -> JobStatus | None:
        """Wait until nothing of a cancelled job is in work any more."""
        for _ in range(int(_CANCEL_SECONDS / _SLICE_SECONDS)):
            if status is None or status.is_over:
                return status
            self._ask(lambda: self._queue.wait_for_results(self.id, _NEVER, _SLICE_SECONDS))
            status = self._ask(lambda: self._queue.status(self.id))
        raise ExecutorError(f"job {self.id} is cancelled, but the workers that have its last pictures do not answer")

    # -- out ----------------------------------------------------------------------------------------------------------

    def receive(self) -> list[Result]:
        """Return the results that have come since."""
        arrived = self._inbox.read(self._waiting, self._last_index)
        self._waited_in_vain = self._waited_in_vain and not arrived
        results = []
        for index, record in arrived:
            task = self._waiting[index].task
            results.append(self._taken(index, task, self._result(index, task, record)))
            del self._waiting[index]
        return results

    def given_up(self) -> list[Result]:
        """Return results of tasks that are at their end although none has come. Only when nothing is left to read."""
        ended, self._ended = self._ended, {}
        return [
            self._taken(index, waiting.task, result_of_status(waiting.task, status, self._payload))
            for index, status in ended.items()
            if (waiting := self._waiting.pop(index, None))
        ]

    def forget(self, *, everything: bool = False) -> None:
        """Let the queue forget results that the caller has had."""
        if everything:
            self._inbox.forget_all()
        else:
            self._inbox.forget(self._last_index)

    def wait(self, seconds: float) -> None:
        """Return when there may be a result, after `seconds` at the latest."""
        start = self._inbox.cursor
        self._ask(lambda: self._queue.wait_for_results(self.id, start, min(seconds, _SLICE_SECONDS)))
        if self._waited_in_vain:  # a job that is over or gone keeps nobody waiting
            status = self.watch()
            if status is None or status.is_over:
                self._in_doubt.update(self._waiting)
        self._waited_in_vain = True

    def watch(self) -> JobStatus | None:
        """Return how the job is. Raises what `look` raises."""
        status = self._ask(lambda: self._queue.status(self.id))
        if status is not None:
            self._watch.check(status)
        return status

    def look(self) -> None:
        """Find out why nothing comes: whether the job is there, whether it can go on, what single tasks are doing.

        Raises `ExecutorError` for a job that was cancelled, and one that is paused because most of it failed.
        """
        status = self.watch()
        if status is None:
            self._closed()
        else:
            self._watch.explain(status, is_full=bool(self._unsent))
            unsent = set(self._unsent)
            handed_over = [index for index in self._waiting if index not in unsent]
            live = status.pending + status.running + status.retrying
            missing = live < len(handed_over) or self._inbox.has_drops
            self._inbox.has_drops = False
            self._ask_for(handed_over if missing else self._some(handed_over))

    def _taken(self, index: int, task: Task, result: Result) -> Result:
        return self._post.take(index, task, result) if self._post else result

    def _result(self, index: int, task: Task, record: bytes) -> Result:
        result = result_of_record(task, record, self._payload)
        return result_of_status(task, self._status_of(index), self._payload) if result is None else result

    def _status_of(self, index: int) -> TaskStatus:
        return self._ask(lambda: self._queue.task(self.id, index))

    def _known(self, index: int, task: Task) -> Result | None:
        """Return the result that an earlier run of the same command has for a task, as long as its output is there."""
        record = self._inbox.pop(index)
        result = None
        if record is not None:
            result = result_of_record(task, record, self._payload)
            result = result and self._taken(index, task, result)
        elif self._earlier is not None and self._earlier.has_done(index):
            result = result_not_kept(task)
        return None if result is None or (result.ok and not os.path.lexists(task.target)) else result

    def _some(self, handed_over: list[int]) -> list[int]:
        """Choose the tasks to ask for: those in doubt, and some others in turn."""
        start = self._asked if self._asked < len(handed_over) else 0
        self._asked = start + _MOST_ASKED
        return [*self._in_doubt.intersection(handed_over), *handed_over[start : start + _MOST_ASKED]]

    def _ask_for(self, indexes: Iterable[int]) -> None:
        self._in_doubt.clear()
        gone = []
        for index in dict.fromkeys(indexes):
            status = self._status_of(index)
            if status.state in (TaskState.UNKNOWN, TaskState.CANCELLED):
                gone.append(index)
            elif status.state not in _LIVE:
                self._ended[index] = status
        self._unsent = sorted([*self._unsent, *gone])
        if self._post:
            self._post.forget(gone)
