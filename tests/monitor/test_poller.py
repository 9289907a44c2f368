"""Poller: looks go on whatever happens, one at a time, and more patiently while nothing answers."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fleet_samples import SNAPSHOT
from imgpipe.errors import QueueUnavailable
from imgpipe_cli.dashboard.poller import Poller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.monitor import Snapshot
    from imgpipe_cli.dashboard.poller import Seen

DEADLINE_SECONDS = 10.0
QUICK = replace(SNAPSHOT, took_seconds=0.0)


class Source:
    """Gives what the test has put in, then the sample for ever, at once."""

    def __init__(self, *gifts: Snapshot | Exception | None) -> None:
        self._gifts = deque(gifts)
        self.calls = 0

    def take(self) -> Snapshot | None:
        """Return or raise the next gift."""
        self.calls += 1
        gift = self._gifts.popleft() if self._gifts else QUICK
        if isinstance(gift, Exception):
            raise gift
        return gift


@pytest.fixture
def polling() -> Iterator[Callable[[Source], Poller]]:
    """Return a function that starts a poller without pauses; all of them end with the test."""
    started = []

    def start(source: Source, seconds: float = 0.001) -> Poller:
        started.append(Poller(source.take, seconds))
        started[-1].start()
        return started[-1]

    yield start
    for poller in started:
        poller.close()


def wait_for(poller: Poller, is_there: Callable[[Seen], bool]) -> Seen:
    """Return the first look that is as wanted."""
    looked = threading.Event()
    for _ in range(int(DEADLINE_SECONDS / 0.01)):
        seen = poller.latest()
        if is_there(seen):
            return seen
        looked.wait(0.01)
    pytest.fail(f"that never came: {poller.latest()}")


def test_looks_again_and_again(polling):
    """Each look that gives something has a number of its own."""
    seen = wait_for(polling(Source()), lambda seen: seen.number >= 3)

    assert (QUICK, "", False) == (seen.snapshot, seen.trouble, seen.over)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (QueueUnavailable("gone fishing"), "gone fishing"),
        (ZeroDivisionError("by zero"), "unexpected ZeroDivisionError"),
    ],
)
def test_trouble_is_told_and_survived(polling, error, said):
    """The last look stays, with what is wrong; when it works again, the trouble is over."""
    poller = polling(Source(SNAPSHOT, *[error] * 8))
    seen = wait_for(poller, lambda seen: bool(seen.trouble))
    assert said in seen.trouble
    assert SNAPSHOT == seen.snapshot

    assert "" == wait_for(poller, lambda seen: seen.number >= 2).trouble


def test_end_of_a_recording(polling):
    """The last moment stays, and nobody looks any more."""
    source = Source(SNAPSHOT, None)
    poller = polling(source)
    seen = wait_for(poller, lambda seen: seen.over)
    poller.refresh()
    wait_for(poller, lambda seen: seen.over)

    assert (SNAPSHOT, 1, 2) == (seen.snapshot, seen.number, source.calls)


def test_pauses_grow_while_nothing_answers():
    """Up to five seconds; one success ends that."""
    source = Source(*[QueueUnavailable("x")] * 6)
    poller = Poller(source.take, 1.0)
    pauses = []
    for _ in range(7):
        poller._look()
        pauses.append(poller._pause_seconds())

    assert [2.0, 4.0, 5.0, 5.0, 5.0, 5.0, 1.0] == pauses


def test_slow_looks_come_more_seldom():
    """If a look takes more than a fifth of the time between two, that is doubled, and back when it does not."""
    slow, quick = replace(SNAPSHOT, took_seconds=0.3), replace(SNAPSHOT, took_seconds=0.01)
    poller = Poller(Source(slow, slow, quick, quick).take, 1.0)
    found = []
    for _ in range(4):
        poller._look()
        found.append((poller.latest().interval_seconds, poller.latest().slow))

    assert [(2.0, True), (2.0, True), (1.0, False), (1.0, False)] == found


def test_refresh_does_not_wait(polling):
    """However long the pause is, r looks now."""
    poller = polling(Source(), 3600.0)
    wait_for(poller, lambda seen: seen.number == 1)
    poller.refresh()

    assert 2 == wait_for(poller, lambda seen: seen.number == 2).number


def test_interval_can_be_changed(polling):
    """It holds from now on."""
    poller = polling(Source(), 3600.0)
    wait_for(poller, lambda seen: seen.number == 1)
    poller.set_interval(0.001)

    assert 0.001 == wait_for(poller, lambda seen: seen.number >= 4).interval_seconds


def test_what_is_asked_is_done_before_the_next_look(polling):
    """What it says is part of the look."""
    poller = polling(Source(), 3600.0)
    wait_for(poller, lambda seen: seen.number == 1)
    poller.ask(lambda: "it is paused")

    assert "it is paused" == wait_for(poller, lambda seen: bool(seen.said)).said


def test_what_is_asked_may_fail(polling):
    """It is trouble like any other."""
    poller = polling(Source(), 3600.0)
    wait_for(poller, lambda seen: seen.number == 1)
    poller.ask(lambda: str(1 // 0))

    assert "ZeroDivisionError" in wait_for(poller, lambda seen: bool(seen.trouble)).trouble


def test_look_that_hangs_does_not_keep_the_end():
    """Who wants to go can go, whatever Redis does."""
    release = threading.Event()

    def hang() -> None:
        release.wait(DEADLINE_SECONDS)

    poller = Poller(hang, 1.0)
    with closing(poller):
        poller.start()

    assert poller._thread.is_alive()
    release.set()
