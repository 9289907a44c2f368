"""Tests of display: no text can act on the terminal that shows it."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.display import display_name

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)


@given(ANY_TEXT)
def test_nothing_acts(text):
    """Whatever the text, only visible characters and spaces come out, and they can be encoded."""
    shown = display_name(text)

    assert [] == [char for char in shown if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]
    assert shown == shown.encode("utf-8").decode("utf-8")


@given(st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs")), max_size=80))
def test_visible_text_stays(text):
    """Text that is visible as it is stays as it is, in every script."""
    assert text == display_name(text)


@given(ANY_TEXT, st.integers(-2, 40))
def test_width(text, width):
    """The result is never longer than asked for, and is cut only where it has to be."""
    whole, cut = display_name(text), display_name(text, width=width)

    assert len(cut) <= max(width, 0)
    assert cut == whole or len(whole) > width


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b]0;owned\x07.jpg", r"a\x1b]0;owned\x07.jpg"),
        ("line\nbreak\r\t", r"line\x0abreak\x0d\x09"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\x9b31m", r"\x9b31m"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\U000e0041", r"\U000e0041"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("größe 日本.jpg", "größe 日本.jpg"),
        ("[/] [link=x]", "[/] [link=x]"),
    ],
)
def test_examples(text, expected):
    """Escape sequences, line ends, overrides and undecodable bytes become visible; other text does not change."""
    assert expected == display_name(text)


def test_middle_is_cut():
    """Of a long name its beginning stays, and more of its end, where the extension is."""
    assert "aaa…cd.jpg" == display_name("a" * 30 + "bcd.jpg", width=10)


def test_takes_any_object():
    """Errors and paths can be shown as they are."""
    assert r"bad\x1b" == display_name(ValueError("bad\x1b"))
