"""Fields: reads and writes one JSON object, strictly: each field is taken once, with its type, and none is left."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from imgpipe.errors import BadPayload

_LARGEST = 1e18  # infinity is not below it, and neither is what is no number


class Fields:
    """The fields of one JSON object, each of which has to be taken exactly once, with the type that it must have."""

    def __init__(self, data: bytes, most_bytes: int, what: str) -> None:
        self._what = what
        if len(data) > most_bytes:
            raise BadPayload(f"{what}: {len(data)} bytes are more than {most_bytes}")
        try:
            fields = json.loads(data.decode("utf-8"), parse_constant=_no_number)
        except (ValueError, RecursionError) as error:  # of these is UnicodeDecodeError, too
            raise BadPayload(f"{what}: not JSON: {short(str(error), 200)}") from error
        if not isinstance(fields, dict):
            raise BadPayload(f"{what}: expected an object, got {type(fields).__name__}")
        self._fields: dict[str, Any] = fields

    def take(self, key: str, kind: type, default: Any = ...) -> Any:
        """Return the value of a key, which has to be there unless there is a default."""
        if key not in self._fields and default is not ...:
            return default
        value = self._fields.pop(key, ...)
        if not is_a(value, kind) and not (value is None and default is None):
            self.refuse(key, value)
        return value

    def end(self) -> None:
        """Refuse keys that nobody has taken: they may change what all others mean."""
        for key, value in self._fields.items():
            self.refuse(key, value)

    def refuse(self, key: str, value: object) -> NoReturn:
        """Raise `BadPayload` for a value."""
        found = "nothing" if value is ... else short(repr(value), 200)
        raise BadPayload(f"{self._what}: {short(key, 80)!r} cannot be {found}")


def is_a(value: object, kind: type) -> bool:
    """Say whether JSON has given such a value; true and false are no numbers."""
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
    return type(value) is kind


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def written(data: dict[str, Any], most_bytes: int, what: str) -> bytes:
    """Return an object as compact JSON, the same bytes for the same object. Raises `BadPayload` if it is too large."""
    # Not UTF-8 but ASCII: file names that are no text travel as surrogate escapes.
    text = json.dumps(data, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
    if len(text) > most_bytes:
        raise BadPayload(f"{what}: {len(text)} bytes are more than {most_bytes}")
    return text


def short(text: str, most: int) -> str:
    """Return a text with its middle replaced by … if it is longer than `most` characters."""
    if len(text) <= most:
        return text
    head = most * 2 // 3
    return f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"
