"""Probe: finds out, by looking at random moments, how much of the time a piece of work holds the GIL."""

from __future__ import annotations

import math
import random
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_GAP_SECONDS = 0.0015  # between two looks, on average
_LATE_SECONDS = 0.0005  # where the system does not count waits: who wakes up later than this has waited for the GIL


@dataclass(frozen=True, slots=True)
class GilProbe:
    """What the looks found: the GIL was `held` in so many of all `looks`."""

    held: int
    looks: int

    @property
    def share(self) -> float:
        """The share of the time, 0 to 1."""
        return self.held / self.looks if self.looks else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence (Wilson), as far as looks are independent of each other."""
        if not self.looks:
            return 0.0, 1.0
        n, z2 = self.looks, 1.96**2
        centre = (self.held + z2 / 2) / (n + z2)
        half = math.sqrt(z2) / (n + z2) * math.sqrt(self.held * (n - self.held) / n + z2 / 4)
        return max(centre - half, 0.0), min(centre + half, 1.0)


def probe_gil(work: Callable[[], object], seconds: float, *, seed: int = 0) -> GilProbe:
    """Let one thread do `work` again and again for about `seconds`, and look from this one who has the GIL.

    This thread sleeps until a random moment. If, to go on, it must then be put to sleep once more, somebody held the
    GIL; random moments find it held as often as it is. The system counts how often a thread sleeps; where it does not
    (all but Linux), waking up late must do as a sign. An error in `work` is raised again.
    """
    trouble: list[BaseException] = []
    end = threading.Event()

    def repeat() -> None:
        try:
            while not end.is_set():
                work()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            trouble.append(error)
            end.set()

    worker = threading.Thread(target=repeat, name="imgpipe-probe")
    worker.start()
    try:
        found = _look(end, seconds, random.Random(seed))  # noqa: S311 - chance, no secret
    finally:
        end.set()
        worker.join()
    if trouble:
        raise trouble[0]
    return found


def has_gil() -> bool:
    """Whether this interpreter has a GIL: all do but the free-threaded builds, and those may switch it on."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def _look(end: threading.Event, seconds: float, chance: random.Random) -> GilProbe:
    held = looks = 0
    due = time.monotonic()
    last, waited_until = due + seconds, due
    while (due := due + chance.expovariate(1 / _GAP_SECONDS)) < last and not end.is_set():
        looks += 1
        if due <= waited_until:  # while we waited for the GIL, another random moment has passed
            held += 1
            continue
        before = _sleeps_of_this_thread()
        end.wait(max(due - time.monotonic(), 0.0))
        woken = time.monotonic()
        after = _sleeps_of_this_thread()
        waited = woken - due > _LATE_SECONDS if before is None or after is None else after - before > 1
        if waited:
            held += 1
            waited_until = woken
    return GilProbe(held, looks)


def _sleeps_of_this_thread() -> int | None:
    if sys.platform != "linux":
        return None
    import resource  # noqa: PLC0415 - POSIX only

    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
