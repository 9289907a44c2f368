"""Journal: writes one line for every result to a file, as JSON lines or CSV, while the run goes on."""

from __future__ import annotations

import csv
import json
import os
from typing import TYPE_CHECKING, Any, Self

from imgpipe.errors import BadOption

if TYPE_CHECKING:
    from types import TracebackType

    from imgpipe.task import Result

_COLUMNS = (
    "source", "target", "outcome", "code", "message", "remedy", "format", "width", "height", "megapixels",
    "bytes_in", "bytes_out", "seconds", "notes", "worker", "attempt",
)  # fmt: skip


class Journal:
    r"""A report file. Each line is flushed when it is written, so that a killed run leaves what it has done.

    An existing file is replaced. File names that are not valid text keep their bytes as `\udcNN` in JSON (as Python's
    `surrogateescape`) and in CSV. Raises `BadOption` for a name that ends with neither .jsonl nor .csv, or a file that
    cannot be written.
    """

    def __init__(self, path: str) -> None:
        kind = os.path.splitext(path)[1].lower()
        if kind not in (".jsonl", ".ndjson", ".csv"):
            raise BadOption("report", path, "a file name that ends with .jsonl or .csv")
        try:
            self._file = open(path, "w", encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115 - closed by close
        except OSError as error:
            raise BadOption("report", path, f"a file that can be written ({error.strerror})") from error
        self._csv = csv.DictWriter(self._file, _COLUMNS) if kind == ".csv" else None
        if self._csv:
            self._csv.writeheader()

    def add(self, result: Result) -> None:
        """Write one result."""
        if self._csv:
            self._csv.writerow(_flat(result))
        else:
            self._file.write(json.dumps(result.to_data()) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _flat(result: Result) -> dict[str, Any]:
    failure = result.failure
    return {
        **{name: value for name, value in result.to_data().items() if name in _COLUMNS},
        "code": failure.code if failure else "",
        "message": failure.message if failure else "",
        "remedy": failure.remedy if failure else "",
        "seconds": round(result.total_seconds, 6),
        "notes": " ".join(result.notes),
    }
