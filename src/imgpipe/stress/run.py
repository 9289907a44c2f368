"""Run: carries a plan out: sends, watches, does harm where asked, and waits for what is on its way."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.stress.generator import drain, generate
from imgpipe.stress.values import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.stress.book import Book
    from imgpipe.stress.faults import Mischief
    from imgpipe.stress.generator import Target
    from imgpipe.stress.values import Look, Plan

_APART_SECONDS = 0.2  # looks


@dataclass(frozen=True, slots=True)
class Stress:
    """What is to be run. `what` says in words what is sent; `book` is the one that the target writes into."""

    plan: Plan
    target: Target
    book: Book
    what: str
    mischief: Mischief | None = None


def stress(order: Stress, stop: threading.Event, say: Callable[[str], None] = lambda _text: None) -> Run:
    """Run it. `stop` ends it early, with what there is by then.

    Raises `UsageError` where nobody could do the tasks, and `ExecutorError` where they have got lost.
    """
    book, target, plan, mischief = order.book, order.target, order.plan, order.mischief
    target.start()
    watch = _Watch(target, say, book, len(plan.moments) or plan.count)
    try:
        book.start()
        watch.start()
        if mischief is not None:
            mischief.start()
        sending = generate(plan, target, book, stop)
        drain(plan, book, stop)
        seconds = book.now
        interrupted = stop.is_set()
        if mischief is not None:
            mischief.stop()
        watch.stop()
        account = target.account()
        trips = book.trips()
    finally:
        if mischief is not None:
            mischief.stop()
        watch.stop()
        target.close()
    return Run(
        plan=plan,
        where=target.where,
        what=order.what,
        trips=trips,
        sending=sending,
        seconds=seconds,
        resolution_seconds=book.resolution_seconds,
        account=account,
        looks=tuple(watch.looks),
        faults=tuple(mischief.done) if mischief else (),
        twice=book.twice,
        interrupted=interrupted,
        notes=(*target.notes, *(mischief.notes if mischief else ())),
    )


class _Watch:
    """Looks at the queue again and again, and says how far it is once a second."""

    def __init__(self, target: Target, say: Callable[[str], None], book: Book, planned: int | None) -> None:
        self.looks: list[Look] = []
        self._target, self._say, self._book, self._planned = target, say, book, planned
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="imgpipe-stress-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; it may be called twice, and without a start."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        said = 0
        while not self._ended.wait(_APART_SECONDS):
            look = self._target.look()
            if look is not None:
                self.looks.append(look)
            if int(self._book.now) > said:
                said = int(self._book.now)
                sent, on_their_way = self._book.sent, self._book.on_their_way
                of = "" if self._planned is None else f" of {self._planned}"
                self._say(f"{said} s: {sent}{of} sent, {sent - on_their_way} ended, {on_their_way} on their way")
