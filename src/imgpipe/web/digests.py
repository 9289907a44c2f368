"""Digests: the SHA-256 of files, computed once for each state of a file."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from typing import BinaryIO

_MOST = 1000
_PIECE_BYTES = 1 << 20


class Digests:
    """Remembers the digests of the files that were asked for last. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, ...], str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, file: BinaryIO) -> str:
        """Return the digest of an open file, in hexadecimal."""
        status = os.fstat(file.fileno())
        state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        with self._lock:
            if state in self._known:
                self._known.move_to_end(state)
                return self._known[state]
        file.seek(0)
        sha256 = hashlib.sha256()
        while data := file.read(_PIECE_BYTES):
            sha256.update(data)
        digest = sha256.hexdigest()
        with self._lock:
            self._known[state] = digest
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return digest
