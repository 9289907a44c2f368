"""A filter that waits until a test lets it go on; import it inside a test, so that others do not see it registered."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

from imgpipe import Filter

if TYPE_CHECKING:
    from imgpipe import Frame

PATIENCE_SECONDS = 20.0


class GateKeeper:
    """Counts who has come to the gate and how many were there at once, and opens it."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.open = threading.Event()
        self.inside = self.most_inside = 0
        self._lock = threading.Lock()

    def wait_for_arrivals(self, count: int) -> None:
        """Wait until `count` pictures have come to the gate."""
        for _ in range(count):
            assert self.arrived.acquire(timeout=PATIENCE_SECONDS)

    def pass_through(self) -> None:
        """Come to the gate, and go on when it is open."""
        with self._lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        self.arrived.release()
        opened = self.open.wait(PATIENCE_SECONDS)
        with self._lock:
            self.inside -= 1
        assert opened


KEEPERS: dict[str, GateKeeper] = {}


class Gate(Filter, name="test.gate", modes=("L", "RGB"), gil="releases"):
    """Wait at the gate of that name."""

    key: Annotated[str, "which gate"] = ""

    def apply(self, frame: Frame) -> Frame:
        """Leave the pixels as they are."""
        KEEPERS[self.key].pass_through()
        return frame
