"""Recording: snapshots as documents in a file, one in a line, and the same again later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imgpipe.errors import BadOption
from imgpipe.monitor.document import from_data, to_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from imgpipe.monitor import Snapshot


def recorded(take: Callable[[], Snapshot | None], file: TextIO) -> Callable[[], Snapshot | None]:
    """Return a `take` that writes down what it gives."""

    def take_and_write() -> Snapshot | None:
        snapshot = take()
        if snapshot is not None:
            file.write(json.dumps(to_data(snapshot), allow_nan=False, separators=(",", ":")) + "\n")
            file.flush()
        return snapshot

    return take_and_write


class Replay:
    """Gives the snapshots of a recording, one with each call, then None."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file, self._name, self._number = file, name, 0

    def take(self) -> Snapshot | None:
        """Return the next one. Raises `BadOption` for a line that holds none; the next call goes on behind it."""
        text = self._file.readline()
        self._number += 1
        if not text:
            return None
        try:
            return from_data(json.loads(text))
        except (ValueError, RecursionError, BadOption) as error:
            where = f"{self._name}, line {self._number}"
            raise BadOption("replay", where, f"a document that --record has written ({error})") from error
