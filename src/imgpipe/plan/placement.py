"""Placement: says which file the result of a source will be, and what is known about that file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.plan.decision import Situation
from imgpipe.plan.rows import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgpipe.plan.ledger import LedgerReader
    from imgpipe.plan.naming import Naming
    from imgpipe.plan.sources import Source


@dataclass(frozen=True, slots=True)
class Placed:
    """A source with the place of its result.

    `number` runs from 1; `whole` is the absolute path of the source and `status` its file, if it is there; `target` is
    the path of the result and `key` its name in the ledger.
    """

    number: int
    source: Source
    whole: str
    status: os.stat_result | None
    key: str
    target: str


class Placement:
    """Where results go: below `root` as `naming` says, or, without a naming, onto the sources themselves."""

    def __init__(self, root: str, naming: Naming | None) -> None:
        self.root, self.naming = root, naming
        self._start = os.path.join(os.path.abspath(root), "")

    def placed(self, sources: Iterable[Source], ledger: LedgerReader) -> Iterator[Placed | None]:
        """Place each source; give None for one that is itself the result of an earlier run.

        Such ones are met where inputs lie in the output folder, even those that this very run has written since.
        """
        number = 1
        for source in sources:
            placed = self._place(number, source)
            if self._is_result(placed, ledger):
                yield None
            else:
                yield placed
                number += 1

    def moved(self, placed: Placed, key: str) -> Placed:
        """Return the same source with another name for its result."""
        target = os.path.join(self.root, key)
        return Placed(placed.number, placed.source, placed.whole, placed.status, key, target)

    def situation(self, placed: Placed, fingerprint: str, ledger: LedgerReader) -> Situation:
        """Look at the target and into the ledger."""
        target = status_of(placed.target, follow=False)
        return Situation(placed.whole, Identity.of(placed.status), fingerprint, target, ledger.get(placed.key))

    def _place(self, number: int, source: Source) -> Placed:
        status = status_of(source.path)
        whole = os.path.abspath(source.path)
        if self.naming is not None:
            key = self.naming.target(source, number)
            return Placed(number, source, whole, status, key, os.path.join(self.root, key))
        # A link's file is replaced, not the link, and it has one row in the ledger whatever link leads to it.
        real = os.path.realpath(whole)
        return Placed(
            number, source, real, status, real.removeprefix(self._start), source.path if real == whole else real
        )

    def _is_result(self, placed: Placed, ledger: LedgerReader) -> bool:
        if self.naming is None or not placed.whole.startswith(self._start):
            return False
        row = ledger.get(placed.whole[len(self._start) :])
        if row is None or row.source == placed.whole:
            return False
        return Situation(row.source, row.source_identity, row.fingerprint, placed.status, row).is_ours


def status_of(path: str, *, follow: bool = True) -> os.stat_result | None:
    """Return the status of a file, None if there is none or it cannot be reached."""
    try:
        return os.stat(path, follow_symlinks=follow)
    except (OSError, ValueError):
        return None
