"""Fields: frozen values as JSON objects and back, checked field by field; `_seconds` is written `_s`."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadOption

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the annotation of a plain field allows; anything else is for the caller to read.
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a text"),
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number from 0 on"),
    "float": ((int, float), "a number from 0 on"),
}


def to_json(value: Any) -> Any:
    """Return a value as what JSON has, its fields' names with `_s` for seconds; `task_class` is `capability`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_key(field.name): to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_json(part) for part in value]
    return value.value if isinstance(value, Enum) else value


def read_fields(cls: type[Any], data: Any, where: str, parts: Mapping[str, type[Any]] | None = None) -> dict[str, Any]:
    """Return the arguments for `cls` that an object of JSON holds; `parts` names lists of other values.

    Unknown keys are ignored. Raises `BadOption` for what is missing, of another type, negative or not finite.
    """
    if not isinstance(data, dict):
        raise BadOption(where, data, "an object")
    values: dict[str, Any] = {}
    for field in fields(cls):
        key = _key(field.name)
        if key not in data:
            if field.default is MISSING:
                raise BadOption(f"{where}.{key}", None, "a value: it is missing")
            continue
        value = data[key]
        if parts and field.name in parts:
            values[field.name] = _read_list(parts[field.name], value, f"{where}.{key}")
        else:
            values[field.name] = _checked(str(field.type), value, f"{where}.{key}")
    return values


def _read_list(cls: type[Any], data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise BadOption(where, data, "a list")
    return tuple(cls(**read_fields(cls, entry, f"{where}[{number}]")) for number, entry in enumerate(data))


def _checked(annotation: str, value: Any, where: str) -> Any:
    kind, _, optional = annotation.partition(" | ")
    if value is None and optional == "None":
        return None
    types, expected = _KINDS.get(kind, ((), ""))
    if not types:
        return value
    good = type(value) in types and (isinstance(value, (str, bool)) or (math.isfinite(value) and value >= 0))
    if not good:
        raise BadOption(where, value, f"{expected} or null" if optional else expected)
    return float(value) if kind == "float" else value


def _key(name: str) -> str:
    return "capability" if name == "task_class" else name.replace("_seconds", "_s")
