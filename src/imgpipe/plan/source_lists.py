"""FileList: reads the names of files from a list, a JSON-lines manifest or a CSV manifest, as often as needed."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from imgpipe.display import display_name
from imgpipe.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPOOL_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 16
_LONGEST_BYTES = 1 << 23
_MARK = b"\xef\xbb\xbf"


class FileList:
    """A list of file names. Iterating gives (place, name), where place says which line of which list it was.

    The ending of its name decides how a list is read: `.jsonl` and `.ndjson` hold an object with the key `source` on
    each line, `.csv` has a column `source`; anything else is one name per line. Raises `UsageError` at a bad line.
    """

    def __init__(self, name: str, content: str | BinaryIO, *, null_separated: bool = False) -> None:
        self.name = display_name(name)
        self._content = content
        if not isinstance(content, str):
            weakref.finalize(self, content.close)
        self._ending = b"\0" if null_separated else b"\n"
        self._kind = os.path.splitext(name)[1].lower()

    @classmethod
    def of_file(cls, path: str, *, null_separated: bool = False) -> FileList:
        """Return the list in a file. A pipe is read at once, since it can be read only once."""
        if not os.path.exists(path):
            raise NothingToDo(f"the list {display_name(path)} does not exist")
        if os.path.isdir(path):
            raise UsageError(f"the list {display_name(path)} is a folder; name it without the @")
        if os.path.isfile(path):
            return cls(path, path, null_separated=null_separated)
        with _opened(path) as pipe:
            return cls(path, spooled(pipe), null_separated=null_separated)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        with self._open() as file:
            if self._kind in (".jsonl", ".ndjson"):
                yield from self._json_lines(file)
            elif self._kind == ".csv":
                yield from self._csv_rows(file)
            else:
                yield from self._plain(file)

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if isinstance(self._content, str):
            with _opened(self._content) as file:
                yield file
        else:
            self._content.seek(0)
            yield self._content

    def _plain(self, file: BinaryIO) -> Iterator[tuple[str, str]]:
        for number, raw in enumerate(self._lines(file, self._ending), 1):
            line = raw.removeprefix(_MARK) if number == 1 else raw
            line = line.removesuffix(b"\r") if self._ending == b"\n" else line
            if not line:
                continue
            place = f"{self.name}, line {number}"
            if b"\0" in line:
                raise UsageError(f"{place}: a NUL character; if NUL separates the names, say so with --null")
            yield place, os.fsdecode(line)

    def _json_lines(self, file: BinaryIO) -> Iterator[tuple[str, str]]:
        for number, raw in enumerate(self._lines(file, b"\n"), 1):
            line = raw.removeprefix(_MARK) if number == 1 else raw
            if not line.strip():
                continue
            place = f"{self.name}, line {number}"
            try:
                entry = json.loads(line.decode("utf-8", "surrogateescape"))
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{place}: not JSON ({error})") from error
            if isinstance(entry, dict) and "source" not in entry and "type" in entry:
                continue  # a line of a report that is about no picture
            yield place, self._checked(place, entry.get("source") if isinstance(entry, dict) else None, "an object")

    def _csv_rows(self, file: BinaryIO) -> Iterator[tuple[str, str]]:
        text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")
        try:
            if text.read(1) != "\ufeff":
                text.seek(0)
            rows = csv.DictReader(text, strict=True)
            if "source" not in (rows.fieldnames or ()):
                raise UsageError(f"{self.name}, line 1: no column 'source' (found: {', '.join(rows.fieldnames or ())})")
            for row in rows:
                place = f"{self.name}, line {rows.line_num}"
                yield place, self._checked(place, row["source"], "a row")
        except csv.Error as error:
            raise UsageError(f"{self.name}: not CSV ({error})") from error
        finally:
            text.detach()

    def _lines(self, file: BinaryIO, ending: bytes) -> Iterator[bytes]:
        """Split at `ending`, holding one block and one line at a time."""
        rest = b""
        while block := file.read(_BLOCK_BYTES):
            *whole, rest = (rest + block).split(ending)
            yield from whole
            if len(rest) > _LONGEST_BYTES:
                raise UsageError(f"{self.name} is no list: it has a line of more than {_LONGEST_BYTES >> 20} MB")
        if rest:
            yield rest

    @staticmethod
    def _checked(place: str, name: object, kind: str) -> str:
        if not isinstance(name, str) or not name or "\0" in name:
            raise UsageError(f"{place}: expected {kind} with the name of a file as 'source'")
        return name


def spooled(stream: BinaryIO) -> BinaryIO:
    """Copy a stream that can be read once into a temporary file, which vanishes when it is no longer used."""
    copy = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - lives as long as the list
    shutil.copyfileobj(stream, copy)
    return cast("BinaryIO", copy)


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise UsageError(f"the list {display_name(path)} cannot be read: {error.strerror}") from error
