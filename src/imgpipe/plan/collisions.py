"""Collisions: finds, before the start, results that would fall on each other or on an input."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from array import array
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHOWN = 10
_KNOWN = 10_000


class Marks:
    """A bag of 8-byte hashes, one per name added; it remembers which came twice, not the names.

    The key is random, so nobody can prepare file names whose hashes are equal.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or os.urandom(16)
        self._hashes = array("Q")
        self._sorted = True

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, name: str | bytes) -> bool:
        hashes = self._in_order()
        mark = np.uint64(self.mark(name))
        at = int(np.searchsorted(hashes, mark))
        return at < len(hashes) and bool(hashes[at] == mark)

    def add(self, name: str | bytes) -> None:
        """Add a name."""
        self._hashes.append(self.mark(name))
        self._sorted = False

    def mark(self, name: str | bytes) -> int:
        """Return the hash of a name."""
        data = name if isinstance(name, bytes) else name.encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._key).digest(), "little")

    def sibling(self) -> Marks:
        """Return an empty bag that gives equal names equal hashes as this one does."""
        return Marks(self._key)

    def common(self, sibling: Marks) -> frozenset[int]:
        """Return the hashes that are in both bags."""
        return frozenset(int(mark) for mark in np.intersect1d(self._in_order(), sibling._in_order())[:_KNOWN])

    def repeated(self) -> int:
        """Return how many of the names had been added before."""
        hashes = self._in_order()
        return int(np.count_nonzero(hashes[1:] == hashes[:-1]))

    def twice(self, most: int = _KNOWN) -> frozenset[int]:
        """Return the hashes, `most` of them at most, that were added more than once."""
        hashes = self._in_order()
        return frozenset(int(mark) for mark in np.unique(hashes[1:][hashes[1:] == hashes[:-1]])[:most])

    def _in_order(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        # Sorted in place: the array and numpy share the memory.
        hashes = np.frombuffer(self._hashes, dtype=np.uint64) if self._hashes else np.empty(0, np.uint64)
        if not self._sorted:
            hashes.sort()
            self._sorted = True
        return hashes


def folded(target: str) -> str:
    """Return what two names have in common that some file system takes for the same.

    Upper and lower case and the forms of Unicode always count as equal, whatever this machine's file system thinks of
    them: the output folder may be copied to another one, where one file would silently replace the other.
    """
    if target.isascii():
        return target.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", target).casefold())


def named_pairs(
    planned: Iterable[tuple[str, str, str]], marks: Marks, *, most: int = _SHOWN
) -> list[tuple[str, str, str]]:
    """Return the first pairs (source, source, target) of which the keys are equal, `most` of them at most.

    `planned` gives (source, target, key); `marks` has all keys. Keys are compared themselves, so that equal hashes of
    different keys are no collision.
    """
    return list(_pairs(planned, marks.twice(), marks, most))


def _pairs(
    planned: Iterable[tuple[str, str, str]], twice: frozenset[int], marks: Marks, most: int
) -> Iterator[tuple[str, str, str]]:
    first: dict[str, str] = {}
    found = 0
    for source, target, key in planned:
        if marks.mark(key) not in twice:
            continue
        if key in first:
            yield first[key], source, target
            found += 1
            if found == most:
                return
        else:
            first[key] = source
