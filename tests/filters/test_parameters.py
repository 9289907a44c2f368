"""Parameters: what is accepted, in which canonical form, and how a refusal reads."""

from __future__ import annotations

import dataclasses
import enum
import math
import types
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_samples import values_of
from imgpipe.errors import BadPipeline
from imgpipe.filters import Filter, Pattern, Range
from imgpipe.filters.blur import Blur
from imgpipe.filters.parameters import Parameter, shown, unknown_hint
from imgpipe.filters.resize import Resize
from imgpipe.frame import Frame  # noqa: TC001 - a filter's annotations are read when it is defined


def _parameter(*kinds: type, **more: Any) -> Parameter:
    return Parameter(**{"name": "n", "kinds": frozenset(kinds), "default": dataclasses.MISSING, **more})


NUMBER = _parameter(float, range=Range(0, 100))
WHOLE = _parameter(int, type(None), range=Range(1, 100), default=None)
SWITCH = _parameter(bool)
TEXT = _parameter(str)
CHOICE = _parameter(str, float, choices=("auto", "none"), range=Range(above=0))
COLOUR = _parameter(str, pattern=Pattern("#[0-9a-f]{6}", "a colour"))
ALL = [NUMBER, WHOLE, SWITCH, TEXT, CHOICE, COLOUR]


class Number(enum.IntEnum):
    """An int that is not an int."""

    ONE = 1


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (NUMBER, 3, 3.0),
        (NUMBER, 2.5, 2.5),
        (NUMBER, -0.0, 0.0),
        (WHOLE, 3, 3),
        (WHOLE, None, None),
        (SWITCH, True, True),
        (TEXT, "", ""),
        (TEXT, "none", "none"),
        (CHOICE, "auto", "auto"),
        (CHOICE, 1, 1.0),
        (COLOUR, "#00ff00", "#00ff00"),
    ],
)
def test_accepted(parameter: Parameter, value: object, expected: object) -> None:
    """A good value comes back in its canonical type."""
    clean, wrong = parameter.check(value)

    assert (expected, "") == (clean, wrong)
    assert type(expected) is type(clean)
    assert math.copysign(1, clean) == 1 if isinstance(clean, float) else True


@pytest.mark.parametrize("parameter", [NUMBER, WHOLE, CHOICE])
@pytest.mark.parametrize(
    "value",
    [
        True, "3", "", b"3", [3], {}, 10**400, -(10**5000), math.nan, math.inf, -math.inf, 1e308 * 10, 3 + 0j,
        Number.ONE, np.float64(3), np.int64(3), object(),
    ],
    ids=lambda value: f"{type(value).__name__}",
)  # fmt: skip
def test_not_a_number(parameter: Parameter, value: object) -> None:
    """Whatever only looks like a number is refused, in few words even if it is huge."""
    clean, wrong = parameter.check(value)

    assert clean is None
    assert wrong.startswith(f"expected {parameter.expected}, got ")
    assert len(wrong) < 250


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (WHOLE, 0),
        (WHOLE, 101),
        (WHOLE, 2.0),
        (NUMBER, 100.1),
        (NUMBER, None),
        (CHOICE, 0),
        (CHOICE, "Auto"),
        (SWITCH, 1),
        (SWITCH, "true"),
        (TEXT, 5),
        (TEXT, "half a pair \ud800"),
        (COLOUR, "#00FF00 "),
        (COLOUR, "#00ff00\n"),
        (COLOUR, "x" * 10**6),
    ],
)
def test_outside(parameter: Parameter, value: object) -> None:
    """Values of the right type but outside the range, the choices or the pattern are refused."""
    clean, wrong = parameter.check(value)

    assert clean is None
    assert wrong
    assert len(wrong) < 250


@pytest.mark.parametrize(
    ("parameter", "text", "expected"),
    [
        (NUMBER, "3", 3.0),
        (NUMBER, "+.5e1", 5.0),
        (NUMBER, "-2.", -2.0),
        (NUMBER, "nan", "nan"),
        (NUMBER, "infinity", "infinity"),
        (NUMBER, "1_000", "1_000"),
        (NUMBER, "１", "１"),
        (NUMBER, "0x10", "0x10"),
        (WHOLE, "7", 7),
        (WHOLE, "None", None),
        (WHOLE, "", None),
        (WHOLE, "9" * 5000, "9" * 5000),
        (WHOLE, "1.0", "1.0"),
        (SWITCH, "Yes", True),
        (SWITCH, "off", False),
        (SWITCH, "1", "1"),
        (TEXT, "true", "true"),
        (CHOICE, "none", "none"),
        (CHOICE, "2", 2.0),
    ],
)
def test_read_as_typed(parameter: Parameter, text: str, expected: object) -> None:
    """Text becomes the value that a person means; what is none stays text, for the check to refuse."""
    value = parameter.from_text(text)

    assert expected == value
    assert type(expected) is type(value)


def test_infinite_text_is_refused() -> None:
    """A number too large for a float is read and then refused."""
    clean, wrong = NUMBER.check(NUMBER.from_text("1e999"))

    assert (None, "expected a number at least 0 and at most 100, got inf") == (clean, wrong)


@given(st.data())
def test_text_reads_back(data: st.DataObject) -> None:
    """Every acceptable value is written so that the same one is read."""
    parameter = data.draw(st.sampled_from(ALL))
    value, wrong = parameter.check(data.draw(values_of(parameter)))
    text = parameter.to_text(value)

    assert wrong == ""
    if not text.startswith('"'):  # quoted text is for the notation to unwrap
        assert value == parameter.from_text(text)
        assert not set(text) & set(' ,|=:"\\\n')


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (NUMBER, "a number at least 0 and at most 100"),
        (WHOLE, "a whole number at least 1 and at most 100 or nothing"),
        (SWITCH, "true or false"),
        (TEXT, "text"),
        (CHOICE, "a number above 0 or one of auto, none"),
        (COLOUR, "a colour"),
    ],
)
def test_expected_in_words(parameter: Parameter, expected: str) -> None:
    """A parameter says what it accepts."""
    assert expected == parameter.expected


def test_hints() -> None:
    """A near miss is named; otherwise the choice is shown."""
    assert unknown_hint("widht", ["width", "height"]) == "did you mean width?"
    assert unknown_hint("zzz", ["width", "height", "width"]) == "known: height, width"
    assert unknown_hint(5, []) == "it takes none"
    assert CHOICE.check("aut")[1].endswith("; did you mean auto?")


def test_shown_is_short() -> None:
    """Error messages do not repeat megabytes, and never fail themselves."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    assert shown("cat") == "'cat'"
    assert len(shown("x" * 10**6)) == 80
    assert shown(10**5000) == "a huge int"
    assert shown(deep) == "a huge list"


def test_constructor_checks_everything() -> None:
    """A filter made in Python is checked like any other, and reports all problems together."""
    with pytest.raises(BadPipeline) as caught:
        Resize(width="800", height=-1, fit="covr")  # type: ignore[arg-type]

    assert ["resize.width", "resize.height", "resize.fit"] == [problem.where for problem in caught.value.problems]


def test_filters_are_values() -> None:
    """Filters with equal parameters are equal, have one hash, and cannot be changed."""
    assert Blur(3) == Blur(3.0)
    assert hash(Blur(3)) == hash(Blur(3.0))
    assert Blur(3) != Blur(4)
    with pytest.raises(AttributeError):
        Blur(3).radius = 4  # type: ignore[misc]


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    ("hint", "default", "message"),
    [
        (list[int], None, "cannot be list"),
        (Literal[1, 2], 1, "Literal of texts"),
        (int | float, 1, "use float"),
        (int | None, 5, "has None as its default"),
        (Annotated[int, Range(1, 9)], 10, "the default is wrong: expected a whole number"),
    ],
)
def test_unusable_fields_fail_at_once(hint: Any, default: object, message: str) -> None:
    """A filter with a parameter that cannot travel is refused where it is defined."""
    body: dict[str, Any] = {"__annotations__": {"x": hint}, "x": default, "apply": lambda self, frame: frame}

    with pytest.raises(TypeError, match=message):
        types.new_class("Odd", (Filter,), {"name": "odd"}, lambda namespace: namespace.update(body))


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("field", ["name", "params", "plan", "apply", "spec"])
def test_reserved_names(field: str) -> None:
    """A parameter cannot take the name of something that every filter has."""
    body: dict[str, Any] = {"__annotations__": {field: int}}

    with pytest.raises(TypeError, match=f"cannot be named {field}"):
        types.new_class("Odd", (Filter,), {"name": "odd"}, lambda namespace: namespace.update(body))


@pytest.mark.usefixtures("own_registry")
def test_a_filter_without_name_is_a_base() -> None:
    """A class without a name is not registered; its subclasses inherit its parameters."""

    class Base(Filter):
        strength: Annotated[float, Range(0, 1)] = 0.5

        def apply(self, frame: Frame) -> Frame:
            return frame

    class Child(Base, name="child"):
        pass

    assert Child(0.25).params() == {"strength": 0.25}
