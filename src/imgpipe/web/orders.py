"""Orders: reads what a batch is to do from a request's body: which pictures, which filters, how many workers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadPipeline
from imgpipe.filters.parameters import shown
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.web.folders import all_pictures, find_picture
from imgpipe.web.problems import Fault, Refused, bad_body
from imgpipe.web.strict_json import check_keys, pointer, read_object, whole_number

if TYPE_CHECKING:
    from imgpipe.errors import Problem
    from imgpipe.web.settings import WebSettings

KEYS = ("filters", "filter_params", "images")
MOST_WORKERS = 64
DEFAULT_SIZE = {"width": 800, "height": 600}

_OF_FILTER = re.compile(r"filter ([0-9]+), (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Order:
    """What a request asks for; `data` is the whole body, `workers` are 0 where it has no say in that."""

    sources: tuple[str, ...]
    recipe: Recipe
    workers: int
    data: dict[str, Any]


def read_order(body: bytes, settings: WebSettings, *, cores: int = 0, more_keys: tuple[str, ...] = ()) -> Order:
    """Read a body: `filters` (names, or names with parameters), `filter_params` by filter, `images`, `workers`.

    Without `images` it is about all pictures in the image folder; without `workers` about a worker for each of `cores`.
    Without these, it cannot name workers. Raises `Refused`.
    """
    data = read_object(body)
    check_keys(data, KEYS + (("workers",) if cores else ()) + more_keys)
    recipe = Recipe(_pipeline(data), limits=settings.limits)
    workers = whole_number(data, "workers", 1, MOST_WORKERS, cores) if cores else 0
    return Order(_sources(data, settings), recipe, workers, data)


def pipeline_code(error: BadPipeline) -> str:
    """Return the code of the problem that a pipeline has."""
    return "unknown-filter" if any(one.what == "unknown filter" for one in error.problems) else "bad-pipeline"


def _pipeline(data: dict[str, Any]) -> Pipeline:
    if not isinstance(data.get("filters"), list) or not data["filters"]:
        raise bad_body("/filters", 'filters: expected a list of filters, as ["resize", "blur"]')
    known: dict[str, Any] = {key: data[key] for key in ("filters", "filter_params") if key in data}
    try:
        return Pipeline.from_data(known | {"filters": [_sized(item, known) for item in known["filters"]]})
    except BadPipeline as error:
        faults = [_fault(problem, data) for problem in error.problems]
        raise Refused(422, pipeline_code(error), str(error), *faults) from error


def _sized(item: Any, data: dict[str, Any]) -> Any:
    """Give a `resize` that says no size at all the usual one: the endpoints take it so. The answer names it."""
    bare = item in ("resize", {"name": "resize"}, {"name": "resize", "params": {}})
    shared = data.get("filter_params")
    return (
        {"name": "resize", **DEFAULT_SIZE} if bare and not (isinstance(shared, dict) and shared.get("resize")) else item
    )


def _fault(problem: Problem, data: dict[str, Any]) -> Fault:
    """Say where in the body a problem of the pipeline lies."""
    match = _OF_FILTER.fullmatch(problem.where)
    if match is None:
        place = pointer(*problem.where.split(".", 1)) if problem.where.startswith("filter_params") else "/filters"
        return Fault(problem.what, place, suggestion=problem.hint)
    index, where = int(match[1]) - 1, match[2]
    item = data["filters"][index]
    return Fault(f"{where}: {problem.what}", _place(index, item, where, data), suggestion=problem.hint)


def _place(index: int, item: Any, where: str, data: dict[str, Any]) -> str:
    """Return the pointer to a parameter where it was given: with the filter, or in `filter_params`."""
    name: Any = item.get("name") if isinstance(item, dict) else item
    if isinstance(item, str):
        name = item.partition(":")[0].strip()
    if not isinstance(name, str) or not where.startswith(f"{name}."):
        return pointer("filters", index)
    parameter = where[len(name) + 1 :]
    if isinstance(item, dict):
        nested = item.get("params")
        if isinstance(nested, dict) and parameter in nested:
            return pointer("filters", index, "params", parameter)
        if parameter in item:
            return pointer("filters", index, parameter)
    shared = (data.get("filter_params") or {}).get(name)
    if isinstance(shared, dict) and parameter in shared:
        return pointer("filter_params", name, parameter)
    return pointer("filters", index)


def _sources(data: dict[str, Any], settings: WebSettings) -> tuple[str, ...]:
    names = data.get("images")
    if names is None:
        sources = all_pictures(settings, settings.max_pictures + 1)
    elif isinstance(names, list) and all(isinstance(name, str) for name in names):
        sources = list(dict.fromkeys(find_picture(settings, name) for name in names))
    else:
        raise bad_body("/images", f"images: expected a list of names, got {shown(names)}")
    if not sources:
        raise Refused(404, "nothing-to-do", "there is no picture; put some into the image folder")
    if len(sources) > settings.max_pictures:
        raise bad_body("/images", f"there are more than {settings.max_pictures} pictures; name some of them in images")
    return tuple(sources)
