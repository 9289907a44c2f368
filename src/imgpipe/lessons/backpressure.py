"""backpressure: what a queue without a limit costs when tasks come faster than they are done."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgpipe.lessons.values import Finding, Lesson
from imgpipe.queue import open_queue
from imgpipe.queue.connection import Connection
from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.server import RedisServer, find_binary
from imgpipe.queue.values import Item, JobSpec, Settled, SubmitKind, Verdict, WorkerSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.lessons.values import Say
    from imgpipe.queue.base import TaskQueue

_WINDOW = 200
_CHUNK = 100
_PAYLOAD = b'{"s":"' + b"photos/2024/" * 15 + b'0000000.jpg"}'  # as long as that of a picture in some folders
_TASKS, _QUICK_TASKS = 30_000, 2_000
_TASKS_PER_SECOND = 3_000
_TURN_SECONDS = 0.02  # in which the worker does as many as it may
_LOOK_SECONDS = 0.02
_LEASE_SECONDS = 60.0
_NO_REDIS = (
    "There is no Redis server on this machine: the queue was in memory, and only the bytes of what waits are counted. "
    "`imgpipe doctor` says how to get a server."
)


@dataclass(frozen=True, slots=True)
class Flow:
    """What happened with one window: the most that waited, the most memory it took, how long handing over took."""

    window: int
    most_waiting: int
    most_bytes: int
    handed_over_seconds: float
    seconds: float


def run(quick: bool, say: Say) -> Finding:
    """Hand over as fast as possible to a worker that is slower: with a small window, and with none to speak of."""
    tasks = _QUICK_TASKS if quick else _TASKS
    with _queue() as (queue, used_bytes, notes):
        flows = []
        for window in (_WINDOW, tasks):
            say(f"{tasks} tasks through a window of {window}")
            flows.append(_flow(queue, used_bytes, tasks, window))
    return found(flows[0], flows[1], tasks, notes)


def found(small: Flow, large: Flow, tasks: int, notes: tuple[str, ...] = ()) -> Finding:
    """Say what the two show."""
    factor = large.most_bytes / max(small.most_bytes, 1)
    rows = []
    for flow in (small, large):
        name = f"window of {flow.window}"
        rows += [
            (f"{name}, most that waited", f"{flow.most_waiting} tasks"),
            (f"{name}, most memory", f"{flow.most_bytes / 1000:,.0f} kB"),
            (f"{name}, handed over in", f"{flow.handed_over_seconds:.1f} s"),
            (f"{name}, all done in", f"{flow.seconds:.1f} s"),
        ]
    explanation = (
        (
            f"The worker did {tasks} tasks in {small.seconds:.1f} s with the small window, and in {large.seconds:.1f} "
            "s with the large one: a longer queue makes nobody faster. It only holds what has been handed over too "
            "early."
        ),
        (
            f"Without a limit, up to {large.most_waiting} tasks waited in {large.most_bytes / 1000:,.0f} kB of memory, "
            f"with the limit {small.most_waiting} in {small.most_bytes / 1000:,.0f} kB. With ten million pictures, the "
            "first grows with them, until Redis is full or the machine swaps; the second stays."
        ),
        (
            f"The limit works backwards: `submit` answers FULL, and who hands over has to wait "
            f"({small.handed_over_seconds:.1f} s rather than {large.handed_over_seconds:.1f} s). That is backpressure: "
            "the slowest part decides, and says so, before memory does."
        ),
        (
            "Waits tell the same story: a task that is handed over last in a full queue waits for all before it. If "
            "latency counts, a short queue and a clear no are kinder than a long one."
        ),
    )
    data: dict[str, Any] = {
        "tasks": tasks,
        "flows": [
            {
                "window": flow.window,
                "most_waiting": flow.most_waiting,
                "most_bytes": flow.most_bytes,
                "handed_over_seconds": flow.handed_over_seconds,
                "seconds": flow.seconds,
            }
            for flow in (small, large)
        ],
    }
    return Finding(answer=factor, rows=tuple(rows), explanation=explanation, data=data, notes=notes)


@contextlib.contextmanager
def _queue() -> Iterator[tuple[TaskQueue, Callable[[int], int], tuple[str, ...]]]:
    """Open a queue, and give with it a function from the number of tasks that wait to the bytes that data take."""
    if find_binary() is None:
        yield MemoryQueue(), lambda waiting: waiting * len(_PAYLOAD), (_NO_REDIS,)
        return
    with (
        RedisServer() as server,
        contextlib.closing(open_queue(server.url)) as queue,
        contextlib.closing(Connection(server.url, "", "")) as connection,
    ):
        yield queue, lambda _waiting: int(connection.info()["used_memory_dataset"]), ()


def _flow(queue: TaskQueue, used_bytes: Callable[[int], int], tasks: int, window: int) -> Flow:
    job = f"window-{window}"
    ended = threading.Event()
    queue.create(JobSpec(id=job, window=window, breaker=0))
    before, begun = used_bytes(0), time.monotonic()
    most_waiting = most_bytes = done = 0
    worker = threading.Thread(target=_work, args=(queue, job, ended), name="imgpipe-lesson-worker")
    handover = _Handover(queue, job, tasks, ended)
    worker.start()
    handover.start()
    try:
        while done < tasks:
            status = queue.status(job)
            assert status is not None  # it was created above, and nobody forgets it
            done = status.settled
            most_waiting = max(most_waiting, status.pending)
            most_bytes = max(most_bytes, used_bytes(status.pending) - before)
            ended.wait(_LOOK_SECONDS)
        seconds = time.monotonic() - begun
    finally:
        ended.set()
        handover.join()
        worker.join()
    queue.purge(job)
    return Flow(window, most_waiting, most_bytes, handover.seconds, seconds)


class _Handover(threading.Thread):
    """Hands tasks over as fast as the queue takes them."""

    def __init__(self, queue: TaskQueue, job: str, tasks: int, ended: threading.Event) -> None:
        super().__init__(name="imgpipe-lesson-submit")
        self._queue, self._job, self._tasks, self._ended = queue, job, tasks, ended
        self.seconds = 0.0

    def run(self) -> None:
        """Hand over, and wait where there is no room."""
        begun, after = time.monotonic(), 0
        while after < self._tasks and not self._ended.is_set():
            items = [Item(index, _PAYLOAD) for index in range(after, min(after + _CHUNK, self._tasks))]
            answer = self._queue.submit(self._job, items, after=after, last=items[-1].index == self._tasks - 1)
            if answer.kind is SubmitKind.ACCEPTED:
                after = answer.next
            else:
                self._ended.wait(_TURN_SECONDS)
        self.seconds = time.monotonic() - begun


def _work(queue: TaskQueue, job: str, ended: threading.Event) -> None:
    """Do so many tasks a second, and no more."""
    name = "worker-1"
    queue.register(WorkerSpec(id=job, name=name, labels=frozenset({"io"}), slots=1), _LEASE_SECONDS)
    due = time.monotonic()
    while not ended.is_set():
        claims = queue.claim(job, round(_TASKS_PER_SECOND * _TURN_SECONDS), starting=1)
        if claims.tasks:
            queue.finish(job, [Settled(claim, Verdict.DONE) for claim in claims.tasks])
            queue.forget(job, 1 << 40)
        due = max(due + _TURN_SECONDS, time.monotonic() - _TURN_SECONDS)
        ended.wait(max(due - time.monotonic(), 0.0))
    queue.leave(job)


LESSON = Lesson(
    name="backpressure",
    title="Why a queue has to be able to say no",
    setting=f"{_TASKS} tasks are handed over as fast as possible to a worker that does {_TASKS_PER_SECOND} a second: "
    f"once with a limit of {_WINDOW} that may wait, once without any.",
    question="How many times as much memory does the queue need without the limit?",
    unit="times",
    seconds=30,
    run=run,
    code=("imgpipe/queue/scripts/submit.lua", "imgpipe/queue/memory.py", "imgpipe/executors/_handover.py"),
)
