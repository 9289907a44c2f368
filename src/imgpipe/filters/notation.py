"""Notation: reads filters from text and from JSON-like data, and reports all that is wrong with them at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadPipeline, Problem
from imgpipe.filters.base import Filter
from imgpipe.filters.parameters import check_all, shown, unknown_hint
from imgpipe.filters.registry import find

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FILTERS = 32

_KEYS = ("filters", "filter", "filter_params", "version")


def filters_from_text(text: str) -> list[Filter]:
    """Read filters separated by `|`, as in `resize:800x600 | blur:radius=3`."""
    steps = _split(text, "|") if text.strip() else []
    return _all_of([partial(_from_text, step, {}) for step in steps])


def filters_from_data(data: Any) -> list[Filter]:
    """Read `{"filters": [...], "filter_params": {name: {...}}}` or a bare list of filters.

    Each filter is a name, a text as in `filters_from_text`, `{"name": ..., "params": {...}}`, or
    `{"name": ..., parameter: value, ...}`. What a filter says itself goes before `filter_params`.
    """
    filters: Any = data
    shared: Any = {}
    if isinstance(data, Mapping):
        unknown = [
            Problem("pipeline", f"no key {shown(key)}", unknown_hint(key, _KEYS)) for key in data if key not in _KEYS
        ]
        if unknown:
            raise BadPipeline(unknown)
        filters = data.get("filters", data.get("filter", ()))
        shared = {} if data.get("filter_params") is None else data["filter_params"]
    if isinstance(filters, (str, bytes)) or not isinstance(filters, Sequence):
        raise BadPipeline([Problem("pipeline", "expected a list of filters", 'as {"filters": ["resize", "blur"]}')])
    if not isinstance(shared, Mapping):
        raise BadPipeline([Problem("filter_params", "expected parameters by filter", 'as {"blur": {"radius": 3}}')])
    problems = _problems_of_shared(shared, [_name_of(item) for item in filters])
    usable = {name: params for name, params in shared.items() if isinstance(params, Mapping)}
    return _all_of([partial(_from_item, item, usable) for item in filters], problems)


def _all_of(makers: list[Callable[[], Filter]], problems: Sequence[Problem] = ()) -> list[Filter]:
    """Make every filter, gathering the problems of all of them."""
    if len(makers) > MAX_FILTERS:
        raise BadPipeline([Problem("pipeline", f"has {len(makers)} filters, at most {MAX_FILTERS} are allowed")])
    filters: list[Filter] = []
    problems = list(problems)
    for number, make in enumerate(makers, 1):
        try:
            filters.append(make())
        except BadPipeline as error:
            problems.extend(Problem(f"filter {number}, {p.where}", p.what, p.hint) for p in error.problems)
    if problems:
        raise BadPipeline(problems)
    return filters


def _problems_of_shared(shared: Mapping[Any, Any], used: list[str]) -> list[Problem]:
    problems = []
    for name, params in shared.items():
        if name not in used:
            problems.append(Problem("filter_params", f"{shown(name)} is not in filters", unknown_hint(name, used)))
        elif not isinstance(params, Mapping):
            problems.append(Problem(f"filter_params.{name}", f"expected parameters by name, got {shown(params)}"))
    return problems


def _name_of(item: Any) -> str:
    if isinstance(item, Filter):
        return item.spec.name
    name = item.get("name") if isinstance(item, Mapping) else item
    return name.partition(":")[0].strip() if isinstance(name, str) else ""


def _from_item(item: Any, shared: Mapping[str, Mapping[str, Any]]) -> Filter:
    if isinstance(item, Filter):
        return item
    if isinstance(item, str):
        return _from_text(item, shared)
    nested = item.get("params", {}) if isinstance(item, Mapping) else None
    if not isinstance(nested, Mapping) or not isinstance(item.get("name"), str):
        raise BadPipeline([Problem("filter", f"expected a name and parameters, got {shown(item)}")])
    flat = {key: value for key, value in item.items() if key not in {"name", "params"}}
    twice = [Problem(f"{item['name']}.{key}", "given twice") for key in flat if key in nested]
    if twice:
        raise BadPipeline(twice)
    return _make(item["name"], {**flat, **nested}, shared)


def _from_text(step: str, shared: Mapping[str, Mapping[str, Any]]) -> Filter:
    name, _, rest = (part.strip() for part in step.partition(":"))
    if not name:
        raise BadPipeline([Problem("filter", f"no name in {shown(step)}", "as resize:800x600 | blur:radius=3")])
    cls = find(name)
    positional: list[str] = []
    given: dict[str, object] = {}
    problems = []
    for word in _split(rest, ",") if rest else ():
        key, equals, value = _partition(word)
        if not equals:
            if given:
                problems.append(Problem(name, f"{shown(word.strip())} has no name but stands after one that has"))
            positional.append(_unquoted(name, word))
            continue
        if key in given:
            problems.append(Problem(f"{name}.{key[:80]}", "given twice"))
        parameter = cls.parameters().get(cls.aliases.get(key, key))
        text = _unquoted(name, value)
        # What stands in quotes is text, whatever it looks like.
        given[key] = text if value.startswith('"') or parameter is None else parameter.from_text(text)
    first = cls.from_positional(positional) if positional else {}
    problems.extend(Problem(f"{name}.{key}", "given twice") for key in given if cls.aliases.get(key, key) in first)
    if problems:
        raise BadPipeline(problems)
    return _make(name, {**first, **given}, shared)


def _make(name: str, given: Mapping[str, object], shared: Mapping[str, Mapping[str, Any]]) -> Filter:
    cls = find(name)
    own, problems = _by_field(cls, given)
    common, more = _by_field(cls, shared.get(name, {}))
    values = {**common, **own}
    parameters = cls.parameters()
    clean, wrong = check_all(name, parameters, values, also_known=cls.aliases)
    problems = [*problems, *more, *wrong]
    if problems:
        raise BadPipeline(problems)
    return cls(**clean)


def _by_field(cls: type[Filter], given: Mapping[str, object]) -> tuple[dict[str, object], list[Problem]]:
    """Replace aliases by the names of fields."""
    values: dict[str, object] = {}
    problems = []
    for key, value in given.items():
        field = cls.aliases.get(key, key)
        if field in values:
            problems.append(Problem(f"{cls.spec.name}.{field}", "given twice"))
        values[field] = value
    return values, problems


def _split(text: str, separator: str) -> list[str]:
    """Split at `separator` outside double quotes; in one pass, since the text may come from anybody."""
    parts = []
    start = 0
    quoted = escaped = False
    for place, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == '"':
            quoted = not quoted
        elif quoted:
            escaped = character == "\\"
        elif character == separator:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _partition(word: str) -> tuple[str, bool, str]:
    key, *values = _split(word, "=")
    return key.strip(), bool(values), "=".join(values).strip()


def _unquoted(where: str, text: str) -> str:
    text = text.strip()
    if not text.startswith('"'):
        return text
    try:
        value = json.loads(text, strict=False)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, str):
        raise BadPipeline([Problem(where, f"{shown(text)} is not a quoted text")])
    return value
