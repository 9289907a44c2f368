"""generator and book: what is sent when, how late it was, and what is written down of it; on targets made up here."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from imgpipe.errors import ExecutorError
from imgpipe.stress.book import Book
from imgpipe.stress.generator import MOST_AT_ONCE, drain, generate
from imgpipe.stress.run import Stress, stress
from imgpipe.stress.schedule import bursts, even
from imgpipe.stress.values import End, Look, Plan
from manual_clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Sequence


class Echo:
    """A target that has done everything at once; with `delay`, its clock moves on while it takes tasks."""

    where = "an echo"

    def __init__(self, book: Book, clock: ManualClock | None = None, delay: float = 0.0) -> None:
        self.book, self.clock, self.delay = book, clock, delay
        self.notes: list[str] = []
        self.sent: list[list[int]] = []
        self.closed = False

    def start(self) -> None:
        """Do nothing."""

    def send(self, numbers: Sequence[int]) -> None:
        """Take tasks, and end them."""
        self.sent.append(list(numbers))
        if self.clock is not None:
            self.clock.advance(self.delay)
        self.book.take(numbers)
        for number in numbers:
            self.book.end(number, End.DONE, service_seconds=0.0)

    def look(self) -> Look | None:
        """Nothing waits."""
        return None

    def account(self) -> None:
        """Count nothing."""

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_tasks_are_sent_in_order_and_by_the_clock():
    """Each has its intended moment, and none is sent before it."""
    plan, book = Plan(kind="continuous", arrivals="", moments=even(100, 0.2)), Book()
    target = Echo(book)
    book.start()
    sending = generate(plan, target, book, threading.Event())
    trips = book.trips()

    assert list(range(20)) == [number for numbers in target.sent for number in numbers]
    assert list(plan.moments) == [trip.intended for trip in trips]
    assert all(trip.begun >= trip.intended for trip in trips)
    assert len(target.sent) == len(sending.late_seconds)
    assert 0 == book.on_their_way


def test_what_is_due_goes_together():
    """A burst is handed over in as few calls as possible."""
    plan, book = Plan(kind="burst", arrivals="", moments=bursts(MOST_AT_ONCE + 10)), Book()
    target = Echo(book)
    generate(plan, target, book, threading.Event())

    assert [MOST_AT_ONCE, 10] == [len(numbers) for numbers in target.sent]


def test_a_slow_target_is_no_late_generator():
    """What the other side makes us wait is blocked time; it is in the latency, not in our lateness."""
    clock = ManualClock()
    book = Book(clock)
    plan = Plan(kind="continuous", arrivals="", moments=(0.0, 0.0, 0.001))
    target = Echo(book, clock, delay=2.0)
    sending = generate(plan, target, book, threading.Event())
    trips = book.trips()

    assert (0.0, 0.0) == sending.late_seconds
    assert pytest.approx(4.0) == sending.blocked_seconds
    assert [0.0, 0.0, 2.0] == [pytest.approx(trip.begun) for trip in trips]
    assert 3.999 == pytest.approx((trips[2].ended or 0.0) - trips[2].intended)


def test_a_closed_loop_waits_for_answers():
    """No more than `concurrency` are on their way, and `count` in all."""
    book = Book()
    target = Echo(book)
    generate(Plan(kind="simple", arrivals="", count=7, concurrency=3), target, book, threading.Event())

    assert [[0, 1, 2], [3, 4, 5], [6]] == target.sent


def test_a_closed_loop_has_an_end():
    """After its seconds, it sends no more."""
    clock = ManualClock()
    book = Book(clock)
    target = Echo(book, clock, delay=1.0)
    generate(Plan(kind="sustained", arrivals="", seconds=5.0, concurrency=2), target, book, threading.Event())

    assert 5 == len(target.sent)


def test_stop_ends_it_before_the_next_task():
    """Of a plan for an hour, nothing more is sent."""
    book, stop = Book(), threading.Event()
    stop.set()
    target = Echo(book)
    generate(Plan(kind="continuous", arrivals="", moments=even(1, 3600)), target, book, stop)

    assert [] == target.sent


def test_drain_has_an_end():
    """A task that never ends is waited for as long as the plan says."""
    book, clock = Book(), ManualClock()
    book.begin([0], [0.0], 0.0)
    waited: list[float] = []

    def now() -> float:
        clock.advance(0.5)
        waited.append(clock.now)
        return clock.now

    drain(Plan(kind="burst", arrivals="", drain_seconds=2.0), book, threading.Event(), now)

    assert 1 == book.on_their_way
    assert len(waited) <= 6


def test_a_result_that_comes_twice_is_counted():
    """It changes nothing but that count; so does one of a task that was never sent."""
    book = Book()
    book.begin([0], [0.0], 0.0)
    book.take([0])
    book.end(0, End.DONE)
    book.end(0, End.FAILED)
    book.end(99, End.DONE)

    assert (2, End.DONE, 0) == (book.twice, book.trips()[0].end, book.on_their_way)


def test_an_end_may_be_faster_than_the_news_that_it_was_taken():
    """Then it was taken when it ended, not later."""
    clock = ManualClock()
    book = Book(clock)
    book.begin([0], [0.0], 0.0)
    clock.advance(1.0)
    book.end(0, End.DONE)
    clock.advance(1.0)
    book.take([0])

    assert (1.0, 1.0) == (book.trips()[0].taken, book.trips()[0].ended)


def test_what_ends_a_receiver_ends_the_run():
    """Whoever waits is told, and the target is closed all the same."""
    book = Book()
    target = Echo(book)
    target.send = lambda numbers: book.fail(ExecutorError("gone"))  # type: ignore[method-assign]
    plan = Plan(kind="simple", arrivals="", count=2)

    with pytest.raises(ExecutorError, match="gone"):
        stress(Stress(plan, target, book, ""), threading.Event())
    assert target.closed


def test_a_run_has_everything_that_was_written_down():
    """Trips, words and plan; what is said meanwhile goes to whoever listens."""
    book = Book()
    target = Echo(book)
    target.notes.append("a note")
    plan = Plan(kind="simple", arrivals="3 tasks", count=3)
    run = stress(Stress(plan, target, book, "echoes"), threading.Event())

    assert (plan, "an echo", "echoes", 3) == (run.plan, run.where, run.what, len(run.trips))
    assert (("a note",), False, 0) == (run.notes, run.interrupted, run.twice)
    assert target.closed
