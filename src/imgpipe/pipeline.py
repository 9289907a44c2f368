"""Pipeline: the order of filters, in Python, text, JSON and TOML; all forms say the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadPipeline, FailureCode, PictureError, Problem
from imgpipe.filters import Filter, find, run_filter
from imgpipe.filters.parameters import check_all, unknown_hint

if TYPE_CHECKING:
    from imgpipe.filters.base import Kind
    from imgpipe.filters.parameters import Value
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo

MAX_FILTERS = 32

PipelineLike = "Pipeline | Filter | str | Sequence[Any] | Mapping[str, Any]"
"""Everything that `Pipeline.of` understands."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Filters in the order in which they are applied. The empty pipeline leaves pictures as they are.

    Make one from filters (`Pipeline([Resize(800, 600), Blur(3)])`), from
    text (`Pipeline.parse("resize:800x600 | blur:radius=3")`) or from JSON-like data (`Pipeline.from_data`).
    `BadPipeline` lists everything that is wrong at once.
    """

    filters: tuple[Filter, ...] = ()

    def __init__(self, filters: Sequence[Filter] = ()) -> None:
        object.__setattr__(self, "filters", tuple(filters))
        wrong = [f for f in self.filters if not isinstance(f, Filter)]
        if wrong:
            raise BadPipeline([Problem("pipeline", f"{wrong[0]!r} is not a filter")])
        if len(self.filters) > MAX_FILTERS:
            raise BadPipeline(
                [Problem("pipeline", f"has {len(self.filters)} filters, at most {MAX_FILTERS} are allowed")]
            )

    @classmethod
    def of(cls, source: Any) -> Pipeline:
        """Return the pipeline that a text, a filter, JSON-like data or a pipeline describes."""
        if isinstance(source, Pipeline):
            return source
        if isinstance(source, Filter):
            return cls([source])
        if isinstance(source, str):
            return cls.parse(source)
        if isinstance(source, Sequence) and all(isinstance(item, Filter) for item in source):
            return cls(source)
        return cls.from_data(source)

    @classmethod
    def parse(cls, text: str) -> Pipeline:
        """Read the text form: filters separated by `|`, each `name`, `name:value,…` or `name:parameter=value,…`.

        Values with spaces or any of `,|=:"` stand in double quotes, as in JSON.
        """
        return _build(_from_text(step) for step in _split(text, "|") if step.strip())

    @classmethod
    def from_data(cls, data: Any) -> Pipeline:
        """Read the JSON and TOML forms.

        Accepted: `{"filters": [...], "filter_params": {name: {...}}}` and a bare list of filters. Each filter is a
        name, a text as in `parse`, `{"name": ..., "params": {...}}`, or `{"name": ..., parameter: value, ...}`.
        """
        filters, shared = data, {}
        if isinstance(data, Mapping):
            unknown = set(data) - {"filters", "filter", "filter_params", "version"}
            if unknown:
                raise BadPipeline(
                    [Problem("pipeline", f"no key {sorted(unknown)[0]!r}", "known: filters, filter_params")]
                )
            filters, shared = data.get("filters", data.get("filter", ())), data.get("filter_params") or {}
        if isinstance(filters, str) or not isinstance(filters, Sequence) or not isinstance(shared, Mapping):
            raise BadPipeline([Problem("pipeline", "expected a list of filters", 'as {"filters": ["resize", "blur"]}')])
        return _build(_steps_from_data(filters, shared))

    @classmethod
    def from_json(cls, text: str) -> Pipeline:
        """Read the JSON form from a string."""
        try:
            return cls.from_data(json.loads(text))
        except (json.JSONDecodeError, RecursionError) as error:
            raise BadPipeline([Problem("pipeline", f"not JSON: {error}")]) from error

    def to_data(self) -> dict[str, Any]:
        """Return the JSON form: every parameter of every filter, defaults included."""
        return {"filters": [{"name": step.spec.name, "params": step.params()} for step in self.filters]}

    def to_json(self) -> str:
        """Return the JSON form as a string."""
        return json.dumps(self.to_data())

    def to_toml(self) -> str:
        """Return the TOML form: one `[[filters]]` table per filter."""
        blocks = []
        for step in self.filters:
            # JSON's strings and numbers are TOML's as well; TOML has no null, so what is None is left out.
            lines = [f"{name} = {json.dumps(value)}" for name, value in step.params().items() if value is not None]
            blocks.append("\n".join(["[[filters]]", f"name = {json.dumps(step.spec.name)}", *lines]))
        return "\n\n".join(blocks) + "\n" if blocks else "filters = []\n"

    def __str__(self) -> str:
        return " | ".join(str(step) for step in self.filters)

    def __or__(self, other: Filter | Pipeline) -> Pipeline:
        return Pipeline((*self.filters, *Pipeline.of(other).filters))

    @property
    def kinds(self) -> frozenset[Kind]:
        """What a worker must be capable of to run this pipeline."""
        return frozenset(step.spec.kind for step in self.filters)

    @property
    def fingerprint(self) -> str:
        """A hash that changes when the pixels would: names, versions and every parameter, not the way it was written."""
        steps = [[step.spec.name, step.spec.version, sorted(step.params().items())] for step in self.filters]
        return hashlib.sha256(json.dumps(steps, separators=(",", ":")).encode()).hexdigest()[:16]

    def stages(self, info: ImageInfo) -> list[ImageInfo]:
        """Return the picture as it is before the first filter and after each one, from the header alone."""
        stages = [info]
        for step in self.filters:
            stages.append(step.plan(stages[-1]))
        return stages

    def check_size(self, info: ImageInfo, max_pixels: int) -> None:
        """Raise `PictureError` TOO_LARGE if a filter would make a picture of more than `max_pixels`."""
        for step, after in zip(self.filters, self.stages(info)[1:], strict=True):
            if after.pixels > max_pixels:
                message = f"{step} would make {after.width}x{after.height} pixels, more than {max_pixels / 1e6:g} MP"
                raise PictureError(FailureCode.TOO_LARGE, message, "ask for a smaller picture or raise --max-pixels")

    def is_identity(self, info: ImageInfo) -> bool:
        """Whether every filter would leave such a picture exactly as it is."""
        return all(step.is_identity(info) for step in self.filters)

    def apply(self, frame: Frame) -> Frame:
        """Send a frame through all filters."""
        for step in self.filters:
            frame = run_filter(step, frame)
        return frame


def _build(steps: Any) -> Pipeline:
    """Make every filter, gathering the problems of all of them."""
    filters: list[Filter] = []
    problems: list[Problem] = []
    for number, make in enumerate(steps, 1):
        try:
            filters.append(make())
        except BadPipeline as error:
            problems.extend(Problem(f"filter {number}, {p.where}", p.what, p.hint) for p in error.problems)
    if problems:
        raise BadPipeline(problems)
    return Pipeline(filters)


def _make(name: str, given: Mapping[str, object]) -> Filter:
    cls = find(name)
    values: dict[str, object] = {}
    problems = []
    for key, value in given.items():
        field = cls.aliases.get(key, key)
        if field in values:
            problems.append(Problem(f"{name}.{field}", "given twice"))
        values[field] = value
    clean, wrong = check_all(name, cls.parameters(), values)
    problems.extend(wrong)
    if problems:
        raise BadPipeline(problems)
    return cls(**clean)


def _steps_from_data(filters: Sequence[Any], shared: Mapping[str, Any]) -> Any:
    used = set()
    for item in filters:
        if isinstance(item, Mapping):
            flat = {key: value for key, value in item.items() if key not in {"name", "params"}}
            nested = item.get("params", {})
            name, params = item.get("name"), {**flat, **nested} if isinstance(nested, Mapping) else nested
        elif isinstance(item, str) and (":" in item or item not in shared):
            yield _from_text(item)
            continue
        else:
            name, params = item, {}
        if isinstance(name, str) and isinstance(params, Mapping):
            used.add(name)
            yield _bound(name, {**_params(shared.get(name, {})), **params})
        else:
            yield _refusing(Problem("filter", f"expected a name and parameters, got {str(item)[:80]!r}"))
    for name in shared:
        if name not in used:
            yield _refusing(
                Problem("filter_params", f"{name!r} is not in filters", unknown_hint(name, map(str, filters)))
            )


def _params(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"": value}


def _bound(name: str, params: Mapping[str, object]) -> Any:
    return lambda: _make(name, params)


def _refusing(problem: Problem) -> Any:
    def refuse() -> Filter:
        raise BadPipeline([problem])

    return refuse


def _from_text(step: str) -> Any:
    def make() -> Filter:
        name, _, rest = step.strip().partition(":")
        name = name.strip()
        cls = find(name)
        positional: list[str] = []
        named: dict[str, object] = {}
        for word in _split(rest, ",") if rest.strip() else ():
            key, equals, value = _partition(word)
            if not equals:
                if named:
                    raise BadPipeline([Problem(name, f"{word.strip()!r} has no name but stands after one that has")])
                positional.append(str(_unquoted(name, word)))
                continue
            if key in named:
                raise BadPipeline([Problem(f"{name}.{key}", "given twice")])
            parameter = cls.parameters().get(cls.aliases.get(key, key))
            text = _unquoted(name, value)
            quoted = value.strip().startswith('"')
            named[key] = parameter.from_text(text) if parameter and not quoted else text
        first = cls.from_positional(positional) if positional else {}
        twice = [key for key in named if cls.aliases.get(key, key) in first]
        if twice:
            raise BadPipeline([Problem(f"{name}.{twice[0]}", "given twice")])
        return _make(name, {**first, **named})

    return make


_QUOTED_OR_CHAR = re.compile(r'"(?:[^"\\]|\\.)*"|.', re.DOTALL)


def _split(text: str, separator: str) -> list[str]:
    """Split at `separator` outside double quotes."""
    parts = [""]
    for token in _QUOTED_OR_CHAR.findall(text):
        if token == separator:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def _partition(word: str) -> tuple[str, bool, str]:
    key, *values = _split(word, "=")
    return key.strip(), bool(values), "=".join(values)


def _unquoted(where: str, text: str) -> str:
    text = text.strip()
    if not text.startswith('"'):
        return text
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, str):
        raise BadPipeline([Problem(where, f"{text} is not a quoted text")])
    return value
