"""Filter: what a filter is. Subclass it, give it fields and one method, and it has a name in every pipeline."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping  # noqa: TC003 - read at run time, with the hints of every subclass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, dataclass_transform

from imgpipe.errors import BadPipeline, Problem
from imgpipe.filters import registry
from imgpipe.filters.parameters import Parameter, Value, check_all, parameters_of

if TYPE_CHECKING:
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo

Kind = Literal["io", "cpu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSpec:
    """What is true of every instance of a filter.

    - `kind`: which workers may run it (`io` or `cpu`).
    - `backend`: the buffer that `apply` wants.
    - `modes`: the layouts without alpha that it understands; others are converted to RGB before it.
    - `alpha`: `native` (it gets alpha and deals with it), `premultiply` (colour comes multiplied by alpha),
      `separate` (alpha is taken off before and put back after; the filter must not change the size).
    - `gil`: whether its work lets other Python threads run.
    - `scratch`: temporary memory, in multiples of its larger side, input or output; see `Filter.scratch`.
    - `version`: raised whenever the same parameters begin to give other pixels.
    """

    name: str
    kind: Kind
    backend: Literal["pillow", "numpy"]
    modes: frozenset[str]
    alpha: Literal["native", "premultiply", "separate"]
    gil: Literal["releases", "holds"]
    scratch: float
    version: int


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
class Filter(ABC):
    """A step of a pipeline: a frozen value whose fields are its parameters.

    A subclass becomes a frozen dataclass and is registered under its name:

        class Posterize(Filter, name="posterize"):
            bits: Annotated[int, Range(1, 8), "bits kept per channel"] = 4

            def apply(self, frame: Frame) -> Frame:
                return frame.with_image(ImageOps.posterize(frame.image, self.bits))

    Fields may be int, float, bool, str, `Literal[...]` and `None`, with a `Range`, a `Pattern` and a sentence of help
    in `Annotated`. They are checked whenever an instance is made; `BadPipeline` lists all that is wrong.
    """

    # Subclasses are frozen but have no slots: `slots=True` would make a second class, and the registry would hold the
    # first (docs/decisions/0002).
    spec: ClassVar[FilterSpec]
    aliases: ClassVar[Mapping[str, str]] = {}
    """Other names for parameters, as in other tools: alias to field."""

    def __init_subclass__(
        cls,
        *,
        name: str = "",
        kind: Kind = "cpu",
        backend: Literal["pillow", "numpy"] = "pillow",
        modes: tuple[str, ...] = ("L", "RGB"),
        alpha: Literal["native", "premultiply", "separate"] = "separate",
        gil: Literal["releases", "holds"] = "holds",
        scratch: float = 2.0,
        version: int = 1,
    ) -> None:
        """Make the subclass a frozen dataclass and register it; a subclass without a name is a base for others."""
        super().__init_subclass__()
        dataclass(frozen=True)(cls)
        if not name:
            return
        cls.spec = FilterSpec(
            name=name,
            kind=kind,
            backend=backend,
            modes=frozenset(modes),
            alpha=alpha,
            gil=gil,
            scratch=scratch,
            version=version,
        )
        # What is wrong with the fields is said now, to their author, and not in the first pipeline.
        unusable = _RESERVED & {field.name for field in dataclasses.fields(cast("Any", cls))}
        if unusable:
            raise TypeError(f"{name}: a parameter cannot be named {min(unusable)}")
        cls.parameters()
        registry.register(cls)

    def __post_init__(self) -> None:
        """Check every parameter, and put each into its canonical type."""
        values = {name: getattr(self, name) for name in self.parameters()}
        clean, problems = check_all(self.spec.name, self.parameters(), values)
        if problems:
            raise BadPipeline(problems)
        for name, value in clean.items():
            object.__setattr__(self, name, value)
        wrong = self.validate()
        if wrong:
            raise BadPipeline([Problem(self.spec.name, wrong)])

    def validate(self) -> str:
        """Return what is wrong with the parameters taken together, or ""."""
        return ""

    def plan(self, info: ImageInfo) -> ImageInfo:
        """Return what the picture will be after this filter, from its header alone. The size stays by default."""
        return info

    @abstractmethod
    def apply(self, frame: Frame) -> Frame:
        """Return a new frame; the given one must not be changed."""

    def is_identity(self, info: ImageInfo) -> bool:
        """Whether this filter would leave such a picture exactly as it is."""
        del info
        return False

    def scratch(self, info: ImageInfo) -> float:
        """Return the temporary memory for such a picture; a filter that needs very different amounts says so here."""
        del info
        return self.spec.scratch

    @classmethod  # noqa: B027 - most filters need nothing more
    def warm_up(cls) -> None:
        """Load what `apply` needs beside its own module, so that the first picture does not wait for it."""

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        """Return the parameters by name."""
        return parameters_of(cls)

    @classmethod
    def from_positional(cls, words: list[str]) -> dict[str, object]:
        """Read the values that a text gives without names; by default they are the parameters in their order."""
        named = list(cls.parameters().values())
        if len(words) > len(named):
            raise BadPipeline([Problem(cls.spec.name, f"takes {len(named)} values, got {len(words)}")])
        return {parameter.name: parameter.from_text(word) for parameter, word in zip(named, words, strict=False)}

    def params(self) -> dict[str, Value]:
        """Return every parameter with its value."""
        return {name: getattr(self, name) for name in self.parameters()}

    def __str__(self) -> str:
        """Return the text form: only what differs from the defaults, as a pipeline would be typed."""
        given = [
            f"{name}={self.parameters()[name].to_text(value)}"
            for name, value in self.params().items()
            if self.parameters()[name].required or value != self.parameters()[name].default
        ]
        return self.spec.name + (":" + ",".join(given) if given else "")


_RESERVED = frozenset({"name", "spec", *(word for word in vars(Filter) if not word.startswith("_"))})
