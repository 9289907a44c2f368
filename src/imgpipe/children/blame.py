"""Blame: tells from how a child died whether its picture is to blame, and says so in words."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from imgpipe.errors import FailureCode
from imgpipe.task import Failure

MOST_CRASHES = 3
"""A picture that has ended so many children is not tried again."""
MOST_ACCIDENTS = 10
"""Nor is one whose children were ended so often from outside, which may be chance."""

_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


@dataclass(frozen=True, slots=True)
class Death:
    """How a child died while it had a picture.

    `exit_code` is Python's: negative for a signal. `peak_bytes` is the most memory seen, `needed_bytes` the estimate
    for the picture, `picture` what its header says ("" before that was known).
    """

    exit_code: int | None
    peak_bytes: int
    base_bytes: int
    needed_bytes: int
    picture: str

    @property
    def is_attributed(self) -> bool:
        """Whether the picture must be the cause: everything but a signal that somebody else has sent.

        The system's own killer sends SIGKILL too; then the memory gives the picture away.
        """
        if self.exit_code is None or -self.exit_code not in _FROM_OUTSIDE:
            return True
        return -self.exit_code == signal.SIGKILL and self.is_fat

    @property
    def is_fat(self) -> bool:
        """Whether the child had far more memory than its picture should need."""
        return self.peak_bytes > self.base_bytes + 2 * self.needed_bytes + (256 << 20)

    @property
    def how(self) -> str:
        """The death in words."""
        if self.exit_code is None:
            return "vanished"
        if self.exit_code >= 0:
            return f"ended with exit code {self.exit_code}"
        try:
            return f"died of {signal.Signals(-self.exit_code).name}"
        except ValueError:
            return f"died of signal {-self.exit_code}"


def verdict(deaths: list[Death]) -> Failure | None:
    """Return why a picture is given up after these deaths, or None while it deserves another try."""
    crashes = [death for death in deaths if death.is_attributed]
    if len(crashes) < MOST_CRASHES and len(deaths) < MOST_ACCIDENTS:
        return None
    last = (crashes or deaths)[-1]
    peak = f", {last.peak_bytes >> 20} MB at its peak" if last.peak_bytes else ""
    picture = f" ({last.picture})" if last.picture else ""
    message = f"its process {last.how}{peak}{picture}, {len(deaths)} times out of {len(deaths)}"
    remedy = "look at the picture by itself; leave it out with --exclude"
    code = FailureCode.OUT_OF_MEMORY if last.is_fat else FailureCode.CRASHED
    return Failure(code, message, remedy, "decode" if last.picture else "header")
