"""Parameters: a filter's fields, described once, checked everywhere: in Python, text, JSON, TOML, HTTP and Redis."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, Union

from imgpipe.errors import Problem

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

Value = int | float | bool | str | None
"""What a parameter can hold; it survives text, JSON and TOML unchanged."""


class Range(NamedTuple):
    """The numbers that a parameter accepts, both ends included unless `above` is set instead of `low`."""

    low: float | None = None
    high: float | None = None
    above: float | None = None

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, (int, float))
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )

    def __str__(self) -> str:
        parts = [
            "" if self.above is None else f"above {self.above:g}",
            "" if self.low is None else f"at least {self.low:g}",
            "" if self.high is None else f"at most {self.high:g}",
        ]
        return " and ".join(part for part in parts if part)


class Pattern(NamedTuple):
    """The texts that a parameter accepts: a regular expression that must match the whole, and words that say so."""

    regex: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One field of a filter: its name, what it accepts, its default and one sentence about it."""

    name: str
    kinds: frozenset[type]
    choices: tuple[str, ...] = ()
    range: Range | None = None
    pattern: Pattern | None = None
    default: Any = dataclasses.MISSING
    help: str = ""

    @property
    def required(self) -> bool:
        """Whether the parameter has no default."""
        return self.default is dataclasses.MISSING

    @property
    def expected(self) -> str:
        """What the parameter accepts, in words."""
        words = []
        limits = f" {self.range}" if self.range else ""
        if bool in self.kinds:
            words.append("true or false")
        if float in self.kinds:
            words.append(f"a number{limits}")
        elif int in self.kinds:
            words.append(f"a whole number{limits}")
        if self.choices:
            words.append("one of " + ", ".join(self.choices) if len(self.choices) > 1 else self.choices[0])
        elif str in self.kinds:
            words.append(self.pattern.meaning if self.pattern else "text")
        if type(None) in self.kinds:
            words.append("nothing")
        return " or ".join(words)

    def check(self, value: object) -> tuple[Value, str]:
        """Return the value in its canonical type and "" if it is acceptable, else the value and what is wrong."""
        kind = type(value)
        if kind is int and int not in self.kinds and float in self.kinds:
            value, kind = _as_float(typing.cast("int", value)), float
        wrong = f"expected {self.expected}, got {value!r}"
        if kind not in self.kinds:
            return None, wrong
        if isinstance(value, float) and not math.isfinite(value):
            return None, wrong
        if kind in (int, float) and self.range is not None and value not in self.range:
            return None, wrong
        if isinstance(value, str):
            if self.choices and value not in self.choices:
                return None, wrong + _did_you_mean(value, self.choices)
            if self.pattern and not re.fullmatch(self.pattern.regex, value):
                return None, wrong
        # -0.0 equals 0.0 but is written differently: one value, one text, one fingerprint.
        return (0.0 if value == 0 and kind is float else typing.cast("Value", value)), ""

    def from_text(self, text: str) -> object:
        """Read a value as a person types it; text that fits no kind is returned as it is, for `check` to refuse."""
        lowered = text.lower()
        if bool in self.kinds and lowered in _BOOLEANS:
            return _BOOLEANS[lowered]
        if text in self.choices:
            return text
        if type(None) in self.kinds and lowered in {"none", ""}:
            return None
        if int in self.kinds and re.fullmatch(r"[+-]?\d{1,18}", text):
            return int(text)
        if float in self.kinds:
            try:
                return float(text)
            except ValueError:
                return text
        return text


_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@lru_cache(maxsize=256)
def parameters_of(cls: type) -> Mapping[str, Parameter]:
    """Return the parameters of a dataclass by name, in the order of its fields."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return types.MappingProxyType(
        {field.name: _parameter(field, hints[field.name]) for field in dataclasses.fields(cls) if field.init}
    )


def check_all(
    where: str, parameters: Mapping[str, Parameter], values: Mapping[str, object]
) -> tuple[dict[str, Value], list[Problem]]:
    """Check named values against parameters; return the canonical values and every problem found."""
    clean: dict[str, Value] = {}
    problems: list[Problem] = []
    for name, value in values.items():
        if name not in parameters:
            problems.append(Problem(where, f"no parameter {name!r}", unknown_hint(name, parameters)))
            continue
        clean[name], wrong = parameters[name].check(value)
        if wrong:
            problems.append(Problem(f"{where}.{name}", wrong))
    problems.extend(
        Problem(f"{where}.{name}", f"missing, expected {parameter.expected}")
        for name, parameter in parameters.items()
        if parameter.required and name not in values
    )
    return clean, problems


def unknown_hint(name: str, known: Iterable[str]) -> str:
    """Return "did you mean …" where a known name is close, else the list of known names."""
    known = sorted(known)
    return _did_you_mean(name, known).lstrip(";, ") or ("known: " + ", ".join(known) if known else "it takes none")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name)[:80], list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _parameter(field: dataclasses.Field[Any], hint: Any) -> Parameter:
    extras: tuple[Any, ...] = ()
    if typing.get_origin(hint) is Annotated:
        hint, *rest = typing.get_args(hint)
        extras = tuple(rest)
    kinds: set[type] = set()
    choices: list[str] = []
    for member in typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,):
        if typing.get_origin(member) is Literal:
            choices.extend(typing.get_args(member))
            kinds.add(str)
        elif member in (int, float, bool, str, type(None)):
            kinds.add(member)
        else:
            raise TypeError(
                f"{field.name}: a parameter cannot be of type {member!r}; use int, float, bool, str or Literal"
            )
    return Parameter(
        name=field.name,
        kinds=frozenset(kinds),
        choices=tuple(choices),
        range=next((extra for extra in extras if isinstance(extra, Range)), None),
        pattern=next((extra for extra in extras if isinstance(extra, Pattern)), None),
        default=field.default,
        help=next((extra for extra in extras if isinstance(extra, str)), ""),
    )
