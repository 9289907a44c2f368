"""Generator: sends tasks, by the clock or one after another, and notes how late it was itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from imgpipe.stress.schedule import MOST_TASKS
from imgpipe.stress.values import Sending

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from imgpipe.stress.book import Book
    from imgpipe.stress.values import Account, Look, Plan

    Batches: TypeAlias = Iterator[tuple[Sequence[int], Sequence[float]]]  # numbers, and when they are to be sent

_LOOK_SECONDS = 0.2  # how soon a wait notices that it is to end
MOST_AT_ONCE = 500


class Target(Protocol):
    """Whom tasks are sent to. Receivers of its own write ends into the book."""

    where: str
    notes: list[str]

    def start(self) -> None:
        """Get ready, and begin to receive. Raises `UsageError` if nobody could take the tasks."""

    def send(self, numbers: Sequence[int]) -> None:
        """Hand tasks over, and write into the book that they were taken, or refused."""

    def look(self) -> Look | None:
        """Return what waits and what is in work, None if it cannot be known now."""

    def account(self) -> Account | None:
        """Return what the other side has counted, None if it tells nothing."""

    def close(self) -> None:
        """Take back what has not come to an end, and stop receiving."""


def generate(plan: Plan, target: Target, book: Book, stop: threading.Event) -> Sending:
    """Send all that is planned, until `stop` at the latest, and return how that went."""
    cpu = time.process_time()
    late: list[float] = []
    blocked = 0.0
    send_next = _by_the_clock if plan.is_open else _in_turn
    free_at = 0.0
    for numbers, intended in send_next(plan, book, stop):
        begun = book.now
        # Late is what we have lost ourselves since it was time and we could have sent.
        late.append(max(begun - max(intended[-1], free_at), 0.0) if plan.is_open else 0.0)
        book.begin(numbers, intended, begun)
        target.send(numbers)
        free_at = book.now
        blocked += free_at - begun
    seconds = book.now
    return Sending(tuple(late), blocked, (time.process_time() - cpu) / seconds if seconds > 0 else 0.0)


def drain(plan: Plan, book: Book, stop: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
    """Wait until everything has come to its end, as long as the plan allows."""
    deadline = clock() + plan.drain_seconds
    while book.on_their_way and not stop.is_set() and (left := deadline - clock()) > 0:
        book.wait_for_fewer(1, min(left, _LOOK_SECONDS))


def _by_the_clock(plan: Plan, book: Book, stop: threading.Event) -> Batches:
    """Give tasks when it is their time: all those together whose time has come."""
    position, moments = 0, plan.moments
    while position < len(moments) and not stop.is_set():
        early = moments[position] - book.now
        if early > 0:
            stop.wait(min(early, _LOOK_SECONDS))
            continue
        last = position
        now = book.now
        while last < len(moments) and moments[last] <= now and last - position < MOST_AT_ONCE:
            last += 1
        yield range(position, last), moments[position:last]
        position = last


def _in_turn(plan: Plan, book: Book, stop: threading.Event) -> Batches:
    """Give a task as often as there is room for one."""
    number, most = 0, min(plan.count or MOST_TASKS, MOST_TASKS)
    while number < most and not stop.is_set():
        if plan.seconds is not None and book.now >= plan.seconds:
            return
        room = min(plan.concurrency - book.on_their_way, most - number, MOST_AT_ONCE)
        if room <= 0:
            book.wait_for_fewer(plan.concurrency, _LOOK_SECONDS)
            continue
        now = book.now
        yield range(number, number + room), (now,) * room
        number += room
