"""FolderLock: lets one run at a time write to an output folder."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from imgpipe.display import display_name
from imgpipe.errors import OutputLocked, UsageError

_FAR = 1 << 30  # Windows locks bytes, and locked ones cannot be read; the number of the holder stands at the start


class FolderLock:
    """An exclusive lock on a file, held until `release` or the end of the process, however it ends.

    Raises `OutputLocked`, naming the process that holds it, and `UsageError` where the file system has no locks.
    """

    def __init__(self, path: str, folder: str) -> None:
        self._file: BinaryIO = open(path, "r+b" if os.path.exists(path) else "w+b")  # noqa: SIM115 - closed by release
        try:
            _lock(self._file)
        except (BlockingIOError, PermissionError):
            holder = self._file.read(32).decode("ascii", "replace").strip()
            self._file.close()
            by = f" (process {holder})" if holder.isdigit() else ""
            raise OutputLocked(
                f"another run{by} is writing to {display_name(folder)}: wait for it, or choose another output folder"
            ) from None
        except OSError as error:
            self._file.close()
            message = f"{display_name(folder)} cannot be locked ({error.strerror}): choose a folder on a local disk"
            raise UsageError(message) from error
        self._file.truncate(0)
        self._file.write(b"%d\n" % os.getpid())
        self._file.flush()

    def release(self) -> None:
        """Let others write. The file stays: removing it would let two runs hold two files of one name."""
        self._file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
