"""Strict JSON: reads a body that may come from anybody: what JSON does not say, or says twice, is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from imgpipe.filters.parameters import shown, unknown_hint
from imgpipe.web.problems import Fault, Refused, bad_body

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_VALUES = 10_000


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. Raises `Refused`."""
    try:
        data = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_without_repetition,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(400, "bad-json", detail) from error
    _check_size(data)
    if not isinstance(data, dict):
        raise Refused(422, "bad-body", f"expected an object, got {shown(data)}")
    return data


def check_keys(data: dict[str, Any], known: tuple[str, ...]) -> None:
    """Raise `Refused` for keys that nobody would read."""
    faults = [
        Fault(f"no key {shown(key)}", pointer(key), suggestion=unknown_hint(key, known))
        for key in data
        if key not in known
    ]
    if faults:
        raise Refused(422, "bad-body", "; ".join(fault.detail for fault in faults), *faults)


def whole_number(data: dict[str, Any], key: str, low: int, high: int, default: int) -> int:
    """Return a whole number of the object, or `default` without it. Raises `Refused`."""
    value = data.get(key, default)
    if type(value) is not int or not low <= value <= high:
        raise bad_body(pointer(key), f"{key}: expected a whole number from {low} to {high}, got {shown(value)}")
    return value


def pointer(*parts: str | int) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _check_size(data: Any) -> None:
    """Refuse what is nested deeply or has many values; without recursion, for it may come from anybody."""
    level, values = [data], 0
    for _ in range(MAX_DEPTH):
        inner = [one for value in level for one in _inside(value)]
        values += len(inner)
        if values > MAX_VALUES:
            raise Refused(400, "bad-json", f"it has more than {MAX_VALUES} values")
        level = [one for one in inner if isinstance(one, (dict, list))]
        if not level:
            return
    raise Refused(400, "bad-json", f"it is nested more than {MAX_DEPTH} deep")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, value in pairs:
        if name in data:
            raise ValueError(f"the key {shown(name)} is given twice")
        data[name] = value
    return data


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{shown(text)} is too large a number")
    return value
