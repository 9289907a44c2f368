"""Ledger: remembers, in the output folder, what was made from what, so that a second run does only what is left."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Self

from imgpipe.display import display_name
from imgpipe.errors import BadOption, FailureCode, OutputLocked, UsageError
from imgpipe.plan.locking import FolderLock
from imgpipe.plan.naming import PRIVATE_FOLDER
from imgpipe.plan.rows import COLUMNS, NO_FILE, Identity, Row, State, row_of, storable, values_of
from imgpipe.task import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from imgpipe.task import Result

SCHEMA_VERSION = 1

_BATCH = 64
_BATCH_SECONDS = 0.5
_DEATHS = (FailureCode.TIMEOUT, FailureCode.CRASHED)

# `output_…` describe the file that was last written, `fingerprint` and `source_…` the latest attempt. They differ while
# an output is being renewed: what was written before must still be known as ours if the run dies just then.
_SCHEMA = f"""
BEGIN;
CREATE TABLE outputs (
    target BLOB PRIMARY KEY,
    source BLOB NOT NULL,
    source_size INTEGER NOT NULL,
    source_mtime_ns INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at REAL NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    output_size INTEGER NOT NULL,
    output_mtime_ns INTEGER NOT NULL,
    output_fingerprint TEXT NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def ledger_path(root: str) -> str:
    """Return where the ledger of an output folder lies."""
    return os.path.join(root, PRIVATE_FOLDER, "ledger.sqlite")


class LedgerReader:
    """The ledger of an output folder, to be looked into. Nothing is written; without a ledger, nothing is known."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._fresh = False
        self._connection: sqlite3.Connection | None = None
        path = ledger_path(root)
        if os.path.exists(path):
            # Without a log beside it nobody writes, and SQLite need not put one there to read.
            mode = "mode=ro" if os.path.exists(path + "-wal") else "mode=ro&immutable=1"
            with _translated(root):
                self._connection = sqlite3.connect(f"file:{_quoted(path)}?{mode}", uri=True, isolation_level=None)
                try:
                    self._fresh = _check_version(self._connection, root) == 0
                except BaseException:
                    self._connection.close()
                    raise

    def get(self, target: str) -> Row | None:
        """Return what is known about a target, given as `key` returns it."""
        if self._connection is None or self._fresh:
            return None
        with _translated(self._root):
            found = self._connection.execute(
                f"SELECT {COLUMNS} FROM outputs WHERE target = ?",  # noqa: S608 - a constant
                (os.fsencode(target),),
            ).fetchone()
        return None if found is None else row_of(found)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Ledger(LedgerReader):
    """The ledger of an output folder, held by this run alone. Use it in a `with` block and from one thread.

    `durable` makes each write survive a power cut, not just the end of the process. `monotonic` and `wall` are the
    clocks. Raises `OutputLocked` if another run holds the folder, `BadOption` if it cannot be written, and `UsageError`
    for a ledger that is damaged or belongs to a newer imgpipe: it is never replaced.
    """

    def __init__(
        self,
        root: str,
        *,
        durable: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._root, self._monotonic, self.wall = root, monotonic, wall
        self._results: list[tuple[Any, ...]] = []
        self._oldest = 0.0
        self._fresh = False
        self._start = os.path.join(root, "")
        self._absolute_start = os.path.join(os.path.abspath(root), "")
        try:
            os.makedirs(os.path.join(root, PRIVATE_FOLDER), exist_ok=True)
            self._lock = FolderLock(os.path.join(root, PRIVATE_FOLDER, "lock"), root)
        except OSError as error:
            raise BadOption("output", root, f"a folder that can be written ({error.strerror})") from error
        try:
            with _translated(root):
                self._connection = _opened(ledger_path(root), root, durable=durable)
        except BaseException:
            self._lock.release()
            raise

    def key(self, target: str) -> str:
        """Return the name of a target in the ledger: relative to the output folder, or absolute outside of it."""
        if target.startswith(self._start):
            return target[len(self._start) :]
        whole = os.path.abspath(target)
        return whole.removeprefix(self._absolute_start)

    def put(self, rows: Iterable[Row]) -> None:
        """Write rows, in one transaction, before it returns. Tasks are handed out only after their rows are written."""
        marks = ",".join("?" * 12)
        self._write(
            f"INSERT OR REPLACE INTO outputs ({COLUMNS}) VALUES ({marks})",  # noqa: S608 - constants
            [values_of(row) for row in rows],
        )

    def record(self, result: Result) -> None:
        """Note what became of a task; it is written with the next batch. Of targets without a row nothing is noted."""
        if result.outcome is Outcome.SKIPPED:
            return
        key = os.fsencode(self.key(result.target))
        if result.outcome is Outcome.DONE:
            written = _written(result)
            state = State.PENDING if written is NO_FILE else State.DONE
            values: tuple[Any, ...] = (state, "", "", written.size, written.mtime_ns, 1, key)
        else:
            failure = result.failure
            # Of a worker that died nobody knows how far it came: what it may have written must still count as ours.
            died = result.outcome is Outcome.LOST or (failure is not None and failure.code in _DEATHS)
            state = State.PENDING if died else State.FAILED
            code, message = ("", "") if failure is None else (failure.code.value, failure.message)
            values = (state, code, storable(message), None, None, 0, key)
        if not self._results:
            self._oldest = self._monotonic()
        self._results.append(values)
        if len(self._results) >= _BATCH or self._monotonic() - self._oldest >= _BATCH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the results that wait."""
        results, self._results = self._results, []
        self._write(
            "UPDATE outputs SET state = ?, code = ?, message = ?,"
            " output_size = coalesce(?, output_size), output_mtime_ns = coalesce(?, output_mtime_ns),"
            " output_fingerprint = iif(?, fingerprint, output_fingerprint) WHERE target = ?",
            results,
        )

    def close(self) -> None:
        """Write what waits, then let other runs in."""
        try:
            self.flush()
        finally:
            super().close()
            self._lock.release()

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        assert self._connection is not None
        with _translated(self._root):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(statement, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise


def _opened(path: str, root: str, *, durable: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        if _check_version(connection, root) == 0:
            connection.executescript(_SCHEMA)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:  # a file system without shared memory
            connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, root: str) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        path = display_name(ledger_path(root))
        raise UsageError(f"{path} was written by a newer imgpipe: use that one, or another output folder")
    return version


def _written(result: Result) -> Identity:
    try:
        found = Identity.of(os.stat(result.target))
    except (OSError, ValueError):
        return NO_FILE
    # Somebody wrote there since it was published: keep the size that was ours, so that theirs is not taken for ours.
    return found if result.bytes_out in (0, found.size) else Identity(result.bytes_out, 0)


def _quoted(path: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - only readers need it

    return quote(os.fsencode(os.path.abspath(path)))


@contextlib.contextmanager
def _translated(root: str) -> Iterator[None]:
    """Say what SQLite's errors mean to the user."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        path = display_name(ledger_path(root))
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise OutputLocked(f"another program is using {path}: wait for it") from error
        if name.startswith("SQLITE_FULL"):
            raise UsageError(f"no space left to write {path}: free some, then run the same command again") from error
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM")):
            raise UsageError(f"{path} cannot be used ({error}): check the disk and its permissions") from error
        remedy = "move the file away; what lies in the folder then counts as not written by imgpipe"
        raise UsageError(f"{path} is damaged ({error}): {remedy}") from error
