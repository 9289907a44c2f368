"""The registry: finds a filter class by its name, the built-in ones, those of plugins and those of your modules."""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from imgpipe.errors import BadOption, BadPipeline, Problem
from imgpipe.filters.parameters import shown, unknown_hint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgpipe.filters.base import Filter

ENTRY_POINT_GROUP = "imgpipe.filters"

_BUILT_IN = {  # name to module
    **{
        name: name
        for name in (
            "resize", "crop", "pad", "rotate", "flip",
            "blur", "sharpen", "edges",
            "brightness", "contrast", "gamma", "grayscale",
        )
    },
    "teach.pyblur": "teach",
    "teach.iowait": "teach",
}  # fmt: skip
_filters: dict[str, type[Filter]] = {}


def register(cls: type[Filter]) -> None:
    """Add a filter class. A name belongs to one class; loading the same module again replaces it."""
    name = cls.spec.name
    known = _filters.get(name)
    if not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
        raise ValueError(f"a filter cannot be named {name!r}: use letters, digits, -, _ and .")
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"filter {name!r} is already defined by {known.__module__}.{known.__qualname__}")
    _filters[name] = cls


def find(name: str) -> type[Filter]:
    """Return the filter class of that name. Raises `BadPipeline` with the nearest name if there is none."""
    _load_built_in()
    if name not in _filters:
        _load_plugins()
    if name not in _filters:
        where = name if name.isprintable() and len(name) <= 80 else shown(name)
        raise BadPipeline([Problem(where, "unknown filter", unknown_hint(name, _filters))])
    return _filters[name]


def names() -> list[str]:
    """Return the names of all filters: the built-in ones first, in the order of the documentation."""
    _load_built_in()
    _load_plugins()
    return [*_BUILT_IN, *sorted(set(_filters) - set(_BUILT_IN))]


def import_filters(modules: Iterable[str]) -> None:
    """Import modules that define filters (`--import`). Raises `BadOption` for one that cannot be imported."""
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            raise BadOption("import", module, f"a module that can be imported ({error})") from error


@cache
def _load_built_in() -> None:
    for module in dict.fromkeys(_BUILT_IN.values()):
        importlib.import_module(f"imgpipe.filters.{module}")


@cache
def _load_plugins() -> None:
    for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            entry_point.load()
        except Exception as error:  # noqa: BLE001 - a broken plugin must not take the other filters with it
            warnings.warn(f"the filter plugin {entry_point.value} cannot be loaded: {error}", stacklevel=2)
