"""Pipeline: the order of filters, in Python, text, JSON and TOML; all forms say the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from imgpipe.errors import BadPipeline, FailureCode, PictureError, Problem
from imgpipe.filters.base import Filter
from imgpipe.filters.notation import MAX_FILTERS, filters_from_data, filters_from_text
from imgpipe.filters.parameters import shown
from imgpipe.filters.running import filter_bytes, plan_filter, run_filters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.filters.base import Kind
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo

PipelineLike: TypeAlias = "Pipeline | Filter | str | Sequence[Any] | Mapping[str, Any]"
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
        given: tuple[object, ...] = self.filters
        wrong = [step for step in given if not isinstance(step, Filter)]
        if wrong:
            raise BadPipeline([Problem("pipeline", f"{shown(wrong[0])} is not a filter")])
        if len(self.filters) > MAX_FILTERS:
            problem = f"has {len(self.filters)} filters, at most {MAX_FILTERS} are allowed"
            raise BadPipeline([Problem("pipeline", problem)])

    @classmethod
    def of(cls, source: Any) -> Pipeline:
        """Return the pipeline that a text (also of JSON), a filter, JSON-like data or a pipeline describes."""
        if isinstance(source, Pipeline):
            return source
        if isinstance(source, Filter):
            return cls([source])
        if isinstance(source, str):
            return cls.from_json(source) if source.lstrip().startswith(("{", "[")) else cls.parse(source)
        return cls.from_data(source)

    @classmethod
    def parse(cls, text: str) -> Pipeline:
        """Read the text form: filters separated by `|`, each `name`, `name:value,…` or `name:parameter=value,…`.

        Values with spaces or any of `,|=:"` stand in double quotes, as in JSON.
        """
        return cls(filters_from_text(text))

    @classmethod
    def from_data(cls, data: Any) -> Pipeline:
        """Read the JSON and TOML forms.

        Accepted: `{"filters": [...], "filter_params": {name: {...}}}` and a bare list of filters. Each filter is a
        name, a text as in `parse`, `{"name": ..., "params": {...}}`, or `{"name": ..., parameter: value, ...}`.
        """
        return cls(filters_from_data(data))

    @classmethod
    def from_json(cls, text: str) -> Pipeline:
        """Read the JSON form from a string."""
        try:
            return cls.from_data(json.loads(text))
        except (ValueError, RecursionError) as error:  # ValueError alone: a number of more than 4300 digits
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
            # TOML has no null: what is None is left out, and None is then the default (`Parameter` sees to that).
            lines = [f"{name} = {_toml(value)}" for name, value in step.params().items() if value is not None]
            blocks.append("\n".join(["[[filters]]", f"name = {_toml(step.spec.name)}", *lines]))
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
    def homebound(self) -> tuple[str, ...]:
        """The names of filters that are defined in the program itself: no other process can import them."""
        return tuple(step.spec.name for step in self.filters if type(step).__module__ == "__main__")

    @property
    def fingerprint(self) -> str:
        """A hash that changes when the pixels would: of names, versions and parameters, however they were written."""
        steps = [[step.spec.name, step.spec.version, sorted(step.params().items())] for step in self.filters]
        return hashlib.sha256(json.dumps(steps, separators=(",", ":")).encode()).hexdigest()[:16]

    def stages(self, info: ImageInfo) -> list[ImageInfo]:
        """Return the picture as it is before the first filter and after each one, from the header alone."""
        stages = [info]
        for step in self.filters:
            stages.append(plan_filter(step, stages[-1]))
        return stages

    def memory_bytes(self, info: ImageInfo) -> int:
        """Estimate the most memory that the pixels of one frame need at once, from the header alone.

        That is the costliest filter's input, output and scratch; reading and writing the file is not part of it.
        """
        peak, backend = info.frame_bytes, "pillow"
        for step, before in zip(self.filters, self.stages(info), strict=False):
            if not step.is_identity(before):
                peak = max(peak, filter_bytes(step, before, crosses=step.spec.backend != backend))
                backend = step.spec.backend
        return peak

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
        return run_filters(self.filters, frame)


def _toml(value: object) -> str:
    """Write a value as TOML. Its numbers and strings are JSON's, but DEL is escaped and nothing else need be."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
