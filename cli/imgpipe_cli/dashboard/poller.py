"""Poller: looks again and again in a thread of its own, so that keys are answered while Redis is not."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgpipe.errors import ImgpipeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.monitor import Snapshot

_LONGEST_SECONDS = 10.0
_PATIENCE_SECONDS = 5.0  # between tries while nothing answers
_SLOW_SHARE = 0.2  # of the interval: a look that takes longer makes them rarer
_FAREWELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest look. `number` counts looks that gave something; `trouble` is why the last one did not.

    `at` is when it was, on the monotonic clock. `said` is the answer to what was asked for last. `over` says that there
    is nothing more to come.
    """

    number: int = 0
    snapshot: Snapshot | None = None
    at: float = 0.0
    trouble: str = ""
    interval_seconds: float = 1.0
    slow: bool = False
    said: str = ""
    over: bool = False


class Poller:
    """Calls `take` every `interval_seconds`, never twice at once. `take` gives None at the end of a recording.

    Whatever `take` raises is trouble, never an end: it is called again, more and more patiently.
    """

    def __init__(self, take: Callable[[], Snapshot | None], interval_seconds: float) -> None:
        self._take, self._interval_seconds = take, interval_seconds
        self._changed = threading.Condition()
        self._seen = Seen(interval_seconds=interval_seconds)
        self._wanted: list[Callable[[], str]] = []
        self._ended = self._hurried = False
        self._failures = 0
        self._stretch = 1.0
        self._thread = threading.Thread(target=self._run, name="imgpipe-poller", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End. A look that hangs is not waited for."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(_FAREWELL_SECONDS)

    def latest(self) -> Seen:
        """Return the newest look."""
        with self._changed:
            return self._seen

    def refresh(self) -> None:
        """Look now."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    def ask(self, action: Callable[[], str]) -> None:
        """Do something before the next look; what it returns will be in `Seen.said`."""
        with self._changed:
            self._wanted.append(action)
            self._hurried = True
            self._changed.notify_all()

    def set_interval(self, seconds: float) -> None:
        """Look so often from now on."""
        with self._changed:
            self._interval_seconds = seconds
            self._hurried = True
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._ended:
            self._look()
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._hurried, self._pause_seconds())
                self._hurried = False

    def _look(self) -> None:
        with self._changed:
            wanted, self._wanted, before = self._wanted, [], self._seen
        said, seen = before.said, before
        try:
            for action in wanted:
                said = action()
            snapshot = None if before.over else self._take()
            self._failures = 0
            if snapshot is None:
                seen = replace(before, over=True, said=said)
            else:
                self._adapt(snapshot.took_seconds)
                seen = Seen(
                    before.number + 1,
                    snapshot,
                    time.monotonic(),
                    interval_seconds=self._interval_seconds * self._stretch,
                    slow=self._stretch > 1,
                    said=said,
                )
        except ImgpipeError as error:
            seen = self._trouble(before, str(error))
        except Exception as error:  # noqa: BLE001 - the screen has to stay alive, and to say what is wrong
            seen = self._trouble(before, f"unexpected {type(error).__name__}: {error}")
        with self._changed:
            self._seen = seen

    def _trouble(self, before: Seen, text: str) -> Seen:
        self._failures += 1
        return replace(before, trouble=text)

    def _adapt(self, took_seconds: float) -> None:
        """Look more seldom while looks take long, as often as wanted when they do not."""
        seconds = self._interval_seconds * self._stretch
        if took_seconds > _SLOW_SHARE * seconds and 2 * seconds <= _LONGEST_SECONDS:
            self._stretch *= 2
        elif self._stretch > 1 and took_seconds < _SLOW_SHARE * seconds / 4:
            self._stretch /= 2

    def _pause_seconds(self) -> float:
        if self._failures:
            return min(self._interval_seconds * 2.0**self._failures, _PATIENCE_SECONDS)
        return self._interval_seconds * self._stretch
