"""Hands: the tasks that a worker holds, from the claim to the receipt for its word; shared by all its threads."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.queue.values import MOST_CLAIMS, Receipt, Settled, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from imgpipe.queue.values import Claim
    from imgpipe.worker.settings import WorkerSettings

_WEIGHT = 0.2  # of the newest task in the average of their times
Key = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be said to the queue in one call, and what is to be asked of it."""

    owner: str
    words: tuple[Settled, ...]
    begun: tuple[Claim, ...]
    want: int
    starting: int
    resync: bool


class Hands:
    """A task waits, is in work, has a word that is to be delivered, and is forgotten with the receipt.

    The main thread calls `turn`, the courier what has to do with letters, the heart what has to do with names. `wake`
    is called when there is something new for the main thread.
    """

    def __init__(self, settings: WorkerSettings, wake: Callable[[], None]) -> None:
        self._settings, self._wake = settings, wake
        self._changed = threading.Condition()
        self._waiting: dict[Key, tuple[Claim, bool]] = {}  # with whether the queue knows that it begins
        self._running: dict[Key, Claim] = {}
        self._outbox: dict[Key, Settled] = {}
        self._begun: list[Claim] = []  # of which the queue does not know that they have
        self._lost: set[Key] = set()  # no longer ours: what comes of them may still be accepted
        self._owner, self._registered = "", False
        self._room, self._hungry, self._holding_back, self._closed = 0, True, False, False
        self._resync = False
        self._average_seconds: float | None = None
        self._counts: Counter[str] = Counter()

    # -- the main thread ----------------------------------------------------------------------------------------------

    def turn(self, words: Sequence[Settled], room: int) -> list[Claim]:
        """Take in what became of tasks, and return those that are to be put to work now, `room` at most."""
        with self._changed:
            for word in words:
                self._settle(word)
            busy = {key[:2] for key in self._running}
            claims: list[Claim] = []
            for key, (claim, known) in list(self._waiting.items()) if room else ():
                if len(claims) == room:
                    break
                if key[:2] in busy:  # an earlier delivery of the same task is still in work here
                    continue
                del self._waiting[key]
                self._running[key] = claim
                claims.append(claim)
                if not known:
                    self._begun.append(claim)
            left = room - len(claims)
            self._hungry = self._hungry or left > self._room
            self._room = left
            if self._has_cause():
                self._changed.notify_all()
            return claims

    def hold_back(self) -> None:
        """Claim no more, and give back what has not begun."""
        with self._changed:
            self._holding_back = True
            self._give_back(list(self._waiting))

    def release(self, jobs: Collection[str]) -> None:
        """Give back what has not begun of these jobs."""
        with self._changed:
            self._give_back([key for key in self._waiting if key[0] in jobs])

    def close(self) -> None:
        """Have the courier deliver what there is, and end."""
        with self._changed:
            self._holding_back = self._closed = True
            self._changed.notify_all()

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing, and has nothing to say."""
        with self._changed:
            return not (self._waiting or self._running or self._outbox)

    @property
    def has_done_enough(self) -> bool:
        """Whether it has had as many pictures as it may, and holds none."""
        most = self._settings.max_jobs
        with self._changed:
            return most is not None and self._counts["settled"] >= most

    def counts(self) -> Counter[str]:
        """Return how many words were accepted, by verdict, how many were late or stale, and how many tasks are busy."""
        with self._changed:
            return self._counts + Counter(busy=len(self._running))

    # -- the courier --------------------------------------------------------------------------------------------------

    def await_letter(self, seconds: float) -> Letter | None:
        """Wait for something to say to the queue, or to ask of it."""
        with self._changed:
            if not self._changed.wait_for(self._has_cause, seconds):
                return None
            want, starting = self._wanted()
            if want:
                self._hungry = False  # until the bell rings, or there is more room
            words = tuple(self._outbox.values())[:MOST_CLAIMS]
            begun, self._begun = tuple(self._begun), []
            resync, self._resync = self._resync, False
            return Letter(self._owner, words, begun, want, starting, resync)

    def delivered(self, letter: Letter, receipts: Sequence[Receipt]) -> None:
        """Forget the tasks for whose words there are receipts."""
        with self._changed:
            for word, receipt in zip(letter.words, receipts, strict=True):
                key = _key(word.claim)
                self._outbox.pop(key, None)
                self._lost.discard(key)
                if receipt is Receipt.STALE and not word.verdict.gives_back:
                    self._counts["stale"] += 1
                else:
                    self._counts[word.verdict] += 1
                    self._counts["late"] += receipt is Receipt.LATE

    def failed(self, letter: Letter) -> None:
        """Note that nobody knows whether a letter has arrived."""
        with self._changed:
            self._begun = [*letter.begun, *self._begun]
            self._resync = True
            self._hungry = True

    def receive(self, claims: Iterable[tuple[Claim, bool]]) -> None:
        """Take in new tasks, each with whether the queue knows that it begins at once."""
        with self._changed:
            for claim, known in claims:
                self._waiting[_key(claim)] = claim, known
            if self._holding_back:
                self._give_back(list(self._waiting))
        self._wake()

    def refuse(self, claims: Iterable[Claim]) -> None:
        """Give back tasks of jobs that cannot be run here, and ask for others."""
        with self._changed:
            for claim in claims:
                self._outbox[_key(claim)] = Settled(claim, Verdict.UNFIT)
            self._hungry = True
            self._changed.notify_all()

    def reconcile(self, claims: Sequence[Claim]) -> list[Claim]:
        """Take in what the queue believes that we hold; return the tasks of which we did not know."""
        with self._changed:
            theirs = {_key(claim): claim for claim in claims}
            for key in [key for key in self._waiting if key not in theirs]:
                del self._waiting[key]
            ours = {*self._waiting, *self._running, *self._outbox}
            self._lost = ours - theirs.keys()
            return [claim for key, claim in theirs.items() if key not in ours]

    def jobs(self) -> frozenset[str]:
        """Return the jobs that cannot be over, because we hold tasks of them."""
        with self._changed:
            return frozenset(key[0] for key in {*self._waiting, *self._running, *self._outbox} - self._lost)

    @property
    def is_closed(self) -> bool:
        """Whether the courier is to end, when all is delivered."""
        with self._changed:
            return self._closed and not self._outbox

    def ring(self) -> None:
        """Note that there may be something to claim."""
        with self._changed:
            self._hungry = True
            if self._has_cause():
                self._changed.notify_all()

    # -- the heart ----------------------------------------------------------------------------------------------------

    @property
    def owner(self) -> str:
        """The name under which the queue knows us, or did last."""
        return self._owner

    @property
    def is_registered(self) -> bool:
        """Whether the queue knows us under that name, as far as we know."""
        return self._registered

    def register(self, owner: str) -> None:
        """Go on under a new name."""
        with self._changed:
            self._owner, self._registered, self._hungry = owner, True, True
            self._changed.notify_all()

    def gone(self, owner: str) -> None:
        """Note that the queue does not know us under a name: others have what we held, or will."""
        with self._changed:
            if owner == self._owner:
                self._registered = self._resync = False
                self._waiting.clear()
                self._begun.clear()
                self._lost = {*self._running, *self._outbox}

    def held(self) -> int:
        """Return how many tasks the queue should believe that we hold."""
        with self._changed:
            return len(self._waiting) + len(self._running) + len(self._outbox) - len(self._lost)

    def ask_resync(self) -> None:
        """Have the courier find out what the queue believes that we hold."""
        with self._changed:
            self._resync = True
            self._changed.notify_all()

    def in_work(self) -> str:
        """Return the name of the task that is longest in work, "" if there is none."""
        with self._changed:
            return next((claim.task_id for claim in self._running.values()), "")

    # -- helpers; the lock is held ------------------------------------------------------------------------------------

    def _settle(self, word: Settled) -> None:
        key = _key(word.claim)
        self._running.pop(key, None)
        self._outbox[key] = word
        if not word.verdict.gives_back:
            self._counts["settled"] += 1
            before = self._average_seconds
            now = word.busy_seconds
            self._average_seconds = now if before is None else before + _WEIGHT * (now - before)

    def _give_back(self, keys: Iterable[Key]) -> None:
        for key in keys:
            claim, _ = self._waiting.pop(key)
            self._outbox[key] = Settled(claim, Verdict.RELEASE)
        self._changed.notify_all()

    def _has_cause(self) -> bool:
        if self._closed:
            return True
        if not self._registered:
            return False
        return bool(self._outbox or self._begun or self._resync or (self._hungry and self._room and self._wanted()[0]))

    def _wanted(self) -> tuple[int, int]:
        """Return how many tasks to claim, and how many of them would begin at once."""
        if self._holding_back:
            return 0, 0
        starting = max(self._room - len(self._waiting), 0)
        want = max(self._room + self._prefetch() - len(self._waiting), 0)
        if self._settings.max_jobs is not None:
            had = self._counts["settled"] + len(self._waiting) + len(self._running)
            want = min(want, max(self._settings.max_jobs - had, 0))
        return min(want, MOST_CLAIMS), min(starting, want)

    def _prefetch(self) -> int:
        """Return how many tasks to fetch ahead: none if they are slow, for then a slot can wait for the next claim."""
        seconds, settings = self._average_seconds, self._settings
        if seconds is None or seconds > settings.prefetch_seconds:
            return 0
        return min(int(settings.slots * settings.prefetch_seconds / max(seconds, 1e-9)), MOST_CLAIMS)


def _key(claim: Claim) -> Key:
    return claim.job, claim.index, claim.epoch
