"""Totals: what the pictures of a worker add up to between two beats; for those who watch, not for decisions."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.task import Result


class Totals:
    """Pixels, bytes, and milliseconds of each stage. The main thread adds, the heart takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, result: Result) -> None:
        """Add what one picture has come to."""
        with self._lock:
            self._counts["pixels"] += round(result.megapixels * 1e6)
            self._counts["bytes_in"] += result.bytes_in
            self._counts["bytes_out"] += result.bytes_out
            for stage, seconds in result.seconds.items():
                self._counts[f"stage_{stage}_ms"] += round(seconds * 1000)

    def take(self) -> dict[str, int]:
        """Return what has come together, and begin anew."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return {name: count for name, count in counts.items() if count}

    def give_back(self, counts: Mapping[str, int]) -> None:
        """Keep for later what could not be said now."""
        with self._lock:
            self._counts.update(counts)
