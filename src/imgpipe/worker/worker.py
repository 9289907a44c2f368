"""Worker: the main loop: tasks from the hands into the slots, words from the slots into the hands, until it is over."""

from __future__ import annotations

import threading
import time
from enum import IntEnum
from typing import TYPE_CHECKING

from imgpipe.children.process import make_fence
from imgpipe.worker.bell import Bell
from imgpipe.worker.courier import Courier
from imgpipe.worker.hands import Hands
from imgpipe.worker.heart import Heart
from imgpipe.worker.lease import Lease
from imgpipe.worker.settings import Event, Summary
from imgpipe.worker.slots import Slots
from imgpipe.worker.totals import Totals
from imgpipe.worker.waker import Waker

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.queue.base import TaskQueue
    from imgpipe.worker.runner import Runner
    from imgpipe.worker.settings import WorkerSettings

_LAST_BEAT_SECONDS = 0.5  # it is only about numbers to look at
_FAREWELL_SECONDS = 5.0  # for the last words, when the queue does not answer


class Wish(IntEnum):
    """What somebody has asked of the worker; it only goes up."""

    WORK = 0
    QUIET = 1
    DRAIN = 2
    STOP = 3


class Worker:
    """Runs tasks of a queue. `run` takes a thread; `quiet`, `drain` and `stop` may be called in others and by signals.

    `open_queue` is called by each thread that talks to the queue. `tell` hears of notable events, in any thread.
    """

    def __init__(
        self,
        open_queue: Callable[[], TaskQueue],
        settings: WorkerSettings,
        *,
        runner: Runner | None = None,
        tell: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._settings, self._tell = settings, tell
        self._wish, self._why = Wish.WORK, ""
        self._wish_lock = threading.RLock()  # a signal may come while its thread has it
        self._error: Exception | None = None
        self._waker = Waker()
        fence = make_fence()
        self._lease = Lease(settings.lease_seconds, fence)
        self._hands = Hands(settings, self._waker.ring)
        totals = Totals()
        self._runner: Runner = runner or Slots(settings, fence, tell, totals)
        self._heart = Heart(
            open_queue,
            settings,
            self._hands,
            self._lease,
            totals,
            pids=lambda: self.pids,
            state=lambda: "ready" if self._wish is Wish.WORK else "draining",
            is_stalled=self._is_stalled,
            obey=self._obey,
            on_back=self._note_back,
            tell=tell,
        )
        self._courier = Courier(
            open_queue,
            self._hands,
            self._lease,
            self._runner,
            is_stalled=self._is_stalled,
            on_gone=self._heart.hurry,
        )
        self._bell = Bell(open_queue, self._hands, settings.beat_seconds)
        self._alive_at = time.monotonic()
        self._idle_since: float | None = None
        self._holds_back_since: float | None = None
        self._stop_at = float("inf")

    @property
    def pids(self) -> list[int]:
        """The numbers of the children's processes."""
        return self._runner.pids

    def quiet(self) -> None:
        """Finish what is in work, claim nothing, and stay."""
        self._ask(Wish.QUIET, "")

    def drain(self, why: str = "drained") -> None:
        """Give back what has not begun, finish what has within the time of grace, and end."""
        self._ask(Wish.DRAIN, why)

    def stop(self, why: str = "stopped") -> None:
        """Give back everything, and end at once."""
        self._ask(Wish.STOP, why)

    def run(self) -> Summary:
        """Work until it is over; return what was done.

        Raises `QueueRefused` if the queue will never serve us, and `ExecutorError` if children cannot be started.
        """
        begun = time.monotonic()
        courier = self._start("courier", self._courier.run)
        heart = self._start("heart", self._heart.run)
        self._start("bell", self._bell.run)
        try:
            self._work()
        finally:
            self._alive_at = float("inf")  # this loop has ended, and nobody is to wait for it
            self._hands.turn(self._runner.close(), 0)
            self._heart.end()
            self._bell.end()
            heart.join(_LAST_BEAT_SECONDS)
            self._hands.close()
            courier.join(_FAREWELL_SECONDS)
            self._courier.give_up()
            self._runner.end()
            self._waker.close()
        if self._error is not None:
            raise self._error
        counts = self._hands.counts()
        return Summary(
            why=self._why,
            seconds=time.monotonic() - begun,
            done=counts["done"],
            failed=counts["failed"],
            lost=counts["lost"],
            retried=counts["retry"],
            released=counts["release"] + counts["unfit"],
            late=counts["late"],
            stale=counts["stale"],
        )

    def _work(self) -> None:
        hands, runner = self._hands, self._runner
        words = runner.wait(self._waker.socket)
        while not self._is_over():
            self._alive_at = time.monotonic()
            for claim in hands.turn(words, runner.room if self._lease.may_start else 0):
                runner.submit(claim)
            words = runner.wait(self._waker.socket)
            self._waker.clear()
        hands.turn(words, 0)

    def _is_over(self) -> bool:
        """Follow what is wished, and say whether it is done."""
        now = time.monotonic()
        self._look_for_an_end(now)
        if self._error is not None:
            return True
        if self._wish is Wish.STOP:
            self._tell(Event("stopping", "it drops what is in work, and gives it back"))
            return True
        if self._wish is Wish.WORK:
            return False
        if self._holds_back_since is None:
            self._holds_back_since = now
            self._hands.hold_back()
            self._tell(Event("draining", "it claims no more, and finishes what is in work"))
        if self._wish is Wish.QUIET:
            return False
        self._stop_at = min(self._stop_at, now + self._settings.grace_seconds)
        return self._hands.is_empty or now > self._stop_at

    def _look_for_an_end(self, now: float) -> None:
        """Ask for the end after enough pictures, or too long without one."""
        if self._hands.has_done_enough:
            self.drain("that many pictures were done")
        idle_seconds = self._settings.idle_exit_seconds
        could_have_some = self._hands.is_registered and self._runner.room and not self._heart.is_away
        if not could_have_some or not self._hands.is_empty:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif idle_seconds is not None and now - self._idle_since > idle_seconds:
            self.drain("nothing to do")

    def _ask(self, wish: Wish, why: str) -> None:
        with self._wish_lock:
            if wish <= self._wish:
                return
            self._wish, self._why = wish, why
        self._waker.ring()

    def _note_back(self) -> None:
        self._courier.nudge()

    def _obey(self, command: str) -> None:
        if command == "drain":
            self.drain("drained from afar")
        elif command == "stop":
            self.stop("stopped from afar")

    def _is_stalled(self) -> bool:
        oldest = min(self._alive_at, self._courier.alive_at)
        return time.monotonic() - oldest > self._settings.stall_seconds

    def _start(self, name: str, body: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._guard, args=(body,), name=f"imgpipe-{name}", daemon=True)
        thread.start()
        return thread

    def _guard(self, body: Callable[[], None]) -> None:
        try:
            body()
        except Exception as error:  # noqa: BLE001 - raised again by `run`
            self._error = self._error or error
            self._waker.ring()
