"""Rows: what the ledger knows about one target, as a value and as it is stored."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

COLUMNS = (
    "target, source, source_size, source_mtime_ns, fingerprint, state, started_at, code, message,"
    " output_size, output_mtime_ns, output_fingerprint"
)

_MESSAGE_CHARACTERS = 500


class State(StrEnum):
    """How far a picture has come."""

    PENDING = "pending"
    """Handed out; if no run is at work, the run that did so was killed."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a file is known again: size in bytes and time of the last change. `NO_FILE` where there is none."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result | None) -> Identity:
        """Return the identity that a file's status gives."""
        return NO_FILE if status is None else cls(status.st_size, status.st_mtime_ns)


NO_FILE = Identity(-1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the ledger knows about one target.

    `source`, `source_identity`, `fingerprint` and `started_at` (seconds since 1970) are those of the latest attempt;
    `output` and `output_fingerprint` belong to the file that was last written, by that attempt or an earlier one.
    """

    target: str
    source: str
    source_identity: Identity
    fingerprint: str
    state: State
    started_at: float
    code: str = ""
    message: str = ""
    output: Identity = NO_FILE
    output_fingerprint: str = ""


def values_of(row: Row) -> tuple[Any, ...]:
    """Return a row in the order of `COLUMNS`."""
    return (
        os.fsencode(row.target),
        os.fsencode(row.source),
        row.source_identity.size,
        row.source_identity.mtime_ns,
        row.fingerprint,
        row.state,
        row.started_at,
        row.code,
        storable(row.message),
        row.output.size,
        row.output.mtime_ns,
        row.output_fingerprint,
    )


def row_of(found: tuple[Any, ...]) -> Row:
    """Return the row that the values of `COLUMNS` make."""
    target, source, source_size, source_mtime_ns, fingerprint, state, started_at, code, message, *output = found
    return Row(
        target=os.fsdecode(target),
        source=os.fsdecode(source),
        source_identity=Identity(source_size, source_mtime_ns),
        fingerprint=fingerprint,
        state=State(state),
        started_at=started_at,
        code=code,
        message=message,
        output=Identity(output[0], output[1]),
        output_fingerprint=output[2],
    )


def storable(message: str) -> str:
    """Make a text storable: SQLite takes no half characters."""
    return message[:_MESSAGE_CHARACTERS].encode("utf-8", "backslashreplace").decode()
