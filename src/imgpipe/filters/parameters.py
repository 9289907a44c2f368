"""Parameters: a filter's fields, described once, checked everywhere: in Python, text, JSON, TOML, HTTP and Redis."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import types
import typing
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, Union

from imgpipe.errors import Problem

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    default: Any = dataclasses.MISSING  # which dataclasses read as: must be given
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
        """Return the value in its canonical type and "" if it is acceptable, else None and what is wrong."""
        if type(value) is int and int not in self.kinds and float in self.kinds:
            value = _as_float(value)
        if self._accepts(value):
            # -0.0 equals 0.0 but is written differently: one value, one text, one fingerprint.
            return (0.0 if type(value) is float and value == 0 else typing.cast("Value", value)), ""
        near = _did_you_mean(value, self.choices) if isinstance(value, str) else ""
        return None, f"expected {self.expected}, got {shown(value)}{near}"

    def _accepts(self, value: object) -> bool:
        # The exact type: True is an int to Python, but nobody means 1 pixel by it.
        if type(value) not in self.kinds:
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
        if type(value) in (int, float):
            return self.range is None or value in self.range
        if isinstance(value, str):
            if self.choices:
                return value in self.choices
            return _is_unicode(value) and (self.pattern is None or bool(re.fullmatch(self.pattern.regex, value)))
        return True

    def from_text(self, text: str) -> object:
        """Read a value as a person types it; text that fits no kind is returned as it is, for `check` to refuse."""
        lowered = text.lower()
        if bool in self.kinds and lowered in _BOOLEANS:
            return _BOOLEANS[lowered]
        if text in self.choices:
            return text
        if type(None) in self.kinds and lowered in {"none", ""}:
            return None
        if int in self.kinds and re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            return int(text)
        if float in self.kinds and re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
            return float(text)
        return text

    def to_text(self, value: Value) -> str:
        """Write a value so that `from_text` reads the same one; what it would misread stands in quotes, as in JSON."""
        if isinstance(value, str):
            return value if _PLAIN.fullmatch(value) and self.from_text(value) == value else json.dumps(value)
        if value is None or isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return repr(value)


_PLAIN = re.compile(r"[!#-+\-.-9;<>-\[\]-{}~]+")
"""Printable ASCII without spaces, quotes, backslashes and what separates values: , | = :"""
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@lru_cache(maxsize=256)
def parameters_of(cls: type) -> Mapping[str, Parameter]:
    """Return the parameters of a dataclass by name, in the order of its fields."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return types.MappingProxyType(
        {field.name: _parameter(field, hints[field.name]) for field in dataclasses.fields(cls) if field.init}
    )


def check_all(
    where: str, parameters: Mapping[str, Parameter], values: Mapping[str, object], also_known: Iterable[str] = ()
) -> tuple[dict[str, Value], list[Problem]]:
    """Check named values against parameters; return the canonical values and every problem found.

    `also_known` are names, aliases for example, that a misspelt one may have meant.
    """
    clean: dict[str, Value] = {}
    problems: list[Problem] = []
    for name, value in values.items():
        if name not in parameters:
            problems.append(
                Problem(where, f"no parameter {shown(name)}", unknown_hint(name, [*parameters, *also_known]))
            )
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


def unknown_hint(name: object, known: Iterable[str]) -> str:
    """Return "did you mean …" where a known name is close, else the first of the known names."""
    known = sorted(set(known))
    more = ", …" if len(known) > _MOST_SHOWN else ""
    listed = "known: " + ", ".join(known[:_MOST_SHOWN]) + more if known else "it takes none"
    return _did_you_mean(name, known).lstrip(";, ") or listed


_MOST_SHOWN = 16


def shown(value: object) -> str:
    """Return a value as an error message shows it: short, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python does not write numbers of more than 4300 digits
        return f"a huge {type(value).__name__}"
    return text if len(text) <= 80 else text[:79] + "…"


def _did_you_mean(name: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name)[:80], list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair cannot be stored as UTF-8
        return False
    return True


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
    kinds, choices = _kinds_and_choices(field.name, hint)
    parameter = Parameter(
        name=field.name,
        kinds=kinds,
        choices=choices,
        range=next((extra for extra in extras if isinstance(extra, Range)), None),
        pattern=next((extra for extra in extras if isinstance(extra, Pattern)), None),
        default=field.default,
        help=next((extra for extra in extras if isinstance(extra, str)), ""),
    )
    if type(None) in kinds and field.default is not None:
        raise TypeError(f"{field.name}: a parameter that may be None has None as its default, since TOML cannot say it")
    wrong = "" if parameter.required else parameter.check(field.default)[1]
    if wrong:
        raise TypeError(f"{field.name}: the default is wrong: {wrong}")
    return parameter


def _kinds_and_choices(name: str, hint: Any) -> tuple[frozenset[type], tuple[str, ...]]:
    kinds: set[type] = set()
    choices: list[str] = []
    for member in typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,):
        if typing.get_origin(member) is Literal and all(isinstance(choice, str) for choice in typing.get_args(member)):
            choices.extend(typing.get_args(member))
            kinds.add(str)
        elif member in (int, float, bool, str, type(None)):
            kinds.add(member)
        else:
            raise TypeError(f"{name}: a parameter cannot be {member!r}; use int, float, bool, str or Literal of texts")
    if {int, float} <= kinds:
        raise TypeError(f"{name}: use float, which takes whole numbers as well")
    return frozenset(kinds), tuple(choices)
