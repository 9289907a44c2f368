"""Staging: an output appears under its name complete or not at all, and nothing half-written stays behind."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import re
import secrets
import socket
import stat
import threading
import time
from functools import cache
from typing import IO, TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe.errors import FailureCode, PictureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.pictures.formats import Format

_NAME = re.compile(r"\.imgpipe-([0-9a-f]{8})-(\d{1,10})-([0-9a-f]{8})-\d+\.tmp")
_STALE_SECONDS = 24 * 3600
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_BLOCK_BYTES = 1 << 20

_counter = itertools.count()
_open: set[str] = set()
_open_lock = threading.RLock()  # a signal may ask for `discard_open` in the thread that holds it
_RUN = secrets.token_hex(4)  # tells us from an earlier process with our number: in a container, each has the same


def always() -> bool:
    """Allow everything: nobody else can have the task."""
    return True


@contextlib.contextmanager
def staged(target: str, *, replace: bool, durable: bool, once: bool = False) -> Iterator[Staged]:
    """Open a temporary file in the folder of `target`; `publish` gives it its name. It is removed if anything fails.

    With `replace` an existing target is replaced, in one step; without it, one that has appeared meanwhile is kept
    and the picture fails with TARGET_EXISTS. With `once`, a target that has the very same bytes is left alone, whoever
    has put it there. Raises `PictureError` DISK_FULL or CANNOT_WRITE.
    """
    folder = os.path.dirname(target) or os.curdir
    temporary = os.path.join(folder, f".imgpipe-{_host()}-{os.getpid()}-{_RUN}-{next(_counter)}.tmp")
    with _open_lock:
        _open.add(temporary)
    try:
        with _writing(target):
            os.makedirs(folder, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            file = os.fdopen(os.open(temporary, flags, 0o666), "w+b")
        try:
            yield Staged(file, temporary, target, replace=replace, durable=durable, once=once)
        finally:
            with contextlib.suppress(OSError):  # a full disk fails here again, and would hide what it did first
                file.close()
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        with _open_lock:
            _open.discard(temporary)


class Staged:
    """A temporary file that is to become `target`."""

    def __init__(
        self, file: IO[bytes], temporary: str, target: str, *, replace: bool, durable: bool, once: bool = False
    ) -> None:
        self.file, self.temporary, self.target = file, temporary, target
        self._replace, self._durable, self._once = replace, durable, once

    def write_errors(self) -> contextlib.AbstractContextManager[None]:
        """Translate the operating system's errors, inside the `with` block, to `PictureError`."""
        return _writing(self.target)

    def publish(self, format_: Format | None, *, mode: int | None = None, allowed: Callable[[], bool] = always) -> int:
        """Check that the file is complete for its format, give it its name and return its size in bytes.

        `mode` sets the permission bits; without it the file gets those that the umask leaves. `allowed` is asked in the
        last moment; the picture fails with LEASE_ENDED if it says no.
        """
        with _writing(self.target):
            self.file.flush()
            size = self.file.seek(0, os.SEEK_END)
            # Pillow does not notice a short write on a full disk, so the end of the file is looked at.
            if size == 0 or (format_ is not None and not format_.complete(self.file)):
                self._probe_disk()
                raise PictureError(FailureCode.CANNOT_WRITE, f"{display_name(self.target)} was not written to its end")
            if mode is not None:
                os.chmod(self.temporary, mode & 0o777)  # never setuid
            if self._durable:
                os.fsync(self.file.fileno())
            self.file.close()  # Windows cannot rename an open file
            if not allowed():
                late = f"{display_name(self.target)} was ready too late: another worker may have made it by now"
                raise PictureError(FailureCode.LEASE_ENDED, late)
            if not self._is_there_already():
                try:
                    self._name()
                except PictureError:  # it has appeared: perhaps in this very moment, and just as it has to be
                    if not self._is_there_already():
                        raise
            if self._durable:
                _sync_folder(os.path.dirname(self.target) or os.curdir)
        return size

    def encoder_failed(self, error: Exception) -> PictureError:
        """Say why an encoder gave up: codecs report a full disk as nothing but an error number of their own."""
        try:
            with _writing(self.target):
                self._probe_disk()
        except PictureError as full:
            return full
        return PictureError(FailureCode.CANNOT_ENCODE, f"cannot encode: {error}")

    def _probe_disk(self) -> None:
        self.file.seek(0, os.SEEK_END)
        self.file.write(bytes(1 << 16))
        self.file.flush()

    def _is_there_already(self) -> bool:
        """Whether the target is a file of these very bytes, and that is enough."""
        try:
            status = os.lstat(self.target) if self._once else None
            if status is None or not stat.S_ISREG(status.st_mode):
                return False
            with open(self.temporary, "rb") as ours, open(self.target, "rb") as target:
                if os.fstat(ours.fileno()).st_size != status.st_size:
                    return False
                while block := ours.read(_BLOCK_BYTES):
                    if target.read(_BLOCK_BYTES) != block:
                        return False
                return not target.read(1)
        except OSError:
            return False

    def _name(self) -> None:
        if self._replace:
            os.replace(self.temporary, self.target)
            return
        try:
            os.link(self.temporary, self.target)
        except FileExistsError:
            raise _exists(self.target) from None
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LINKS:
                raise
            # No hard links here (FAT, some network shares): take the name first, then fill it.
            try:
                os.close(os.open(self.target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            except FileExistsError:
                raise _exists(self.target) from None
            try:
                os.replace(self.temporary, self.target)
            except OSError:
                os.unlink(self.target)
                raise


def size_and_time(path: str) -> tuple[int, int] | None:
    """Return size and mtime (ns) of a file, None if it cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def in_place(source: str, target: str) -> bool:
    """Whether a picture is to be replaced by its result."""
    return os.path.realpath(source) == os.path.realpath(target)


def discard_open() -> None:
    """Remove every temporary file of this process; for an exit that lets nothing finish."""
    with _open_lock:
        for temporary in tuple(_open):
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def sweep(folder: str) -> int:
    """Remove temporary files that killed runs have left in `folder`; return how many.

    Those of living processes of this machine stay, and those of other machines until they are a day old.
    """
    removed = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            with contextlib.suppress(OSError):
                if match and _is_stale(entry, match[1], int(match[2]), match[3]):
                    os.unlink(entry.path)
                    removed += 1
    return removed


def _is_stale(entry: os.DirEntry[str], host: str, pid: int, run: str) -> bool:
    if host == _host() and pid == os.getpid():
        return run != _RUN
    if host == _host() and os.name == "posix":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        return _is_zombie(pid)
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_SECONDS


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent to take notice; where the system tells."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except (OSError, IndexError):
        return False


@contextlib.contextmanager
def _writing(target: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = display_name(target)
        if error.errno in _FULL:
            code, remedy = FailureCode.DISK_FULL, "free some space, then run the same command again"
            raise PictureError(code, f"no space left to write {name}", remedy) from error
        reason = error.strerror or str(error)
        raise PictureError(FailureCode.CANNOT_WRITE, f"cannot write {name}: {reason}") from error


def _exists(target: str) -> PictureError:
    message = f"{display_name(target)} appeared while it was being made"
    return PictureError(FailureCode.TARGET_EXISTS, message, "--on-exists overwrite, or another output folder")


def _sync_folder(folder: str) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _host() -> str:
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()
