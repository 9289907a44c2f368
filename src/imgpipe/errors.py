"""Every exception that imgpipe raises, and the codes of everything that can go wrong with a picture.

ImgpipeError
├─ UsageError              the caller can mend it now (exit code 2, HTTP 400)
│   ├─ BadPipeline         the text, JSON or TOML of a pipeline cannot be read; carries every problem at once
│   ├─ BadOption           an option has a value that makes no sense
│   ├─ NothingToDo         no input matched (exit code 4)
│   ├─ OutputCollision     two inputs would be written to one file
│   ├─ OutputExists        an output is there already, and the caller asked to be told
│   └─ OutputLocked        another run writes to the same output folder (exit code 8)
├─ PictureError            this picture's own fault: becomes a failed result, the batch goes on
├─ ExecutorError           the executor itself cannot go on
├─ BadPayload              what has come through the queue cannot be read
│   └─ UnknownHere         it can, but it is of a newer imgpipe, or needs filters that are not known here
├─ QueueUnavailable        the queue does not answer, or not now: worth another try
└─ QueueRefused            the queue answers that it will not: wrong password, old version, a server that evicts

Exceptions stay inside one process: what travels is a `Failure` value made from a `PictureError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class FailureCode(StrEnum):
    """Why a picture failed. The values are stable: reports, HTTP answers and scripts rely on them."""

    NOT_FOUND = "NOT_FOUND"
    NOT_A_FILE = "NOT_A_FILE"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    CHANGED = "CHANGED"
    READ_ERROR = "READ_ERROR"
    UNREADABLE = "UNREADABLE"
    FORMAT_NOT_ALLOWED = "FORMAT_NOT_ALLOWED"
    TRUNCATED = "TRUNCATED"
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY_FRAMES = "TOO_MANY_FRAMES"
    SIXTEEN_BIT = "SIXTEEN_BIT"
    MODE_UNSUPPORTED = "MODE_UNSUPPORTED"
    ANIMATED = "ANIMATED"
    FILTER_FAILED = "FILTER_FAILED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    CANNOT_ENCODE = "CANNOT_ENCODE"
    CANNOT_WRITE = "CANNOT_WRITE"
    TARGET_EXISTS = "TARGET_EXISTS"
    DISK_FULL = "DISK_FULL"
    TIMEOUT = "TIMEOUT"
    CRASHED = "CRASHED"
    LEASE_ENDED = "LEASE_ENDED"
    WORKER_CAPABILITY_MISMATCH = "WORKER_CAPABILITY_MISMATCH"
    BAD_PAYLOAD = "BAD_PAYLOAD"
    INTERNAL = "INTERNAL"

    @property
    def stops_the_run(self) -> bool:
        """True where every further picture would fail for the same reason."""
        return self is FailureCode.DISK_FULL


class ImgpipeError(Exception):
    """Base of everything that imgpipe raises on purpose."""


class UsageError(ImgpipeError):
    """The caller can mend it now; the message says how."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a pipeline: where it is, what is wrong, and what would be right."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class BadPipeline(UsageError):
    """Raised when a pipeline cannot be built; `problems` lists all that is wrong with it, not just the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class BadOption(UsageError):
    """Raised when an option outside the pipeline has an unusable value."""

    def __init__(self, option: str, value: object, expected: str) -> None:
        self.option, self.value, self.expected = option, value, expected
        super().__init__(f"{option}: got {value!r}, expected {expected}")


class NothingToDo(UsageError):
    """Raised when no input matched."""


class OutputCollision(UsageError):
    """Raised before the start when two inputs would be written to the same file.

    `pairs` holds (first source, second source, target) of the first collisions found.
    """

    def __init__(self, pairs: Sequence[tuple[str, str, str]], total: int, remedy: str) -> None:
        self.pairs, self.total = pairs, total
        lines = [f"{first} and {second} would both be written to {target}" for first, second, target in pairs]
        if total > len(pairs):
            lines.append(f"… and {total - len(pairs)} more")
        super().__init__("\n".join([*lines, remedy]))


class OutputExists(UsageError):
    """Raised before the start with `--on-exists error` when outputs are already there."""


class OutputLocked(UsageError):
    """Raised when another run holds the output folder."""


class PictureError(ImgpipeError):
    """One picture cannot be processed. `remedy` says what the user can do about it, where something can be done."""

    def __init__(self, code: FailureCode, message: str, remedy: str = "") -> None:
        self.code, self.message, self.remedy = code, message, remedy
        super().__init__(message)

    def __reduce__(self) -> tuple[type[PictureError], tuple[FailureCode, str, str]]:
        return type(self), (self.code, self.message, self.remedy)


class ExecutorError(ImgpipeError):
    """The executor is unusable; pictures without a result yet were not processed."""


class BadPayload(ImgpipeError):
    """A job, a task or a result that has come through the queue cannot be read, here or anywhere."""


class UnknownHere(BadPayload):
    """It is well formed, but of a newer imgpipe, or with filters that are not known here: another worker may do it."""


class QueueUnavailable(ImgpipeError):
    """The queue does not answer, or not now; what was asked of it may or may not have been done. Try again."""


class ServerUnavailable(QueueUnavailable):
    """The server that was to tell of the queue does not answer, or its queue does not."""


class QueueRefused(ImgpipeError):
    """The queue answers that it will not serve us, and will not change its mind; the message says what to change."""
