"""Collisions: equal names are found in a few bytes each, and named only if they are really equal."""

from __future__ import annotations

import tracemalloc
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.plan.collisions import Marks, folded, named_pairs


def marks_of(names):
    """Return a bag with these names."""
    marks = Marks()
    for name in names:
        marks.add(name)
    return marks


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a/B.JPG", "a/b.jpg"),
        ("Caf\u00e9.png", "cafe\u0301.PNG"),
        ("STRASSE.png", "straße.png"),
        ("\u212b.png", "å.png"),
        ("ΣΑΣ.png", "σας.png"),
    ],
)
def test_names_that_some_file_system_confuses_are_equal(first, second):
    """Case and Unicode forms do not tell results apart, because the folder may be copied anywhere."""
    assert folded(first) == folded(second)


@pytest.mark.parametrize(("first", "second"), [("a.png", "b.png"), ("a/b.png", "a_b.png"), ("e.png", "é.png")])
def test_names_that_differ_stay_different(first, second):
    """Folding removes case and form, no more."""
    assert folded(first) != folded(second)


@given(st.text())
def test_folding_is_stable_and_blind_to_unicode_forms(text):
    """Folding twice changes nothing, and the composed and decomposed form fold alike."""
    once = folded(text)

    assert once == folded(once)
    assert once == folded(unicodedata.normalize("NFD", text))
    assert once == folded(unicodedata.normalize("NFC", text))


@given(st.lists(st.text(max_size=3), max_size=40))
def test_repeated_counts_what_came_again(names):
    """The number of repeated names is right for any names, undecodable ones included."""
    marks = marks_of(names)

    assert len(names) - len(set(names)) == marks.repeated()
    assert all(name in marks for name in names)
    assert "not there" not in marks


def test_undecodable_names_are_names():
    """Bytes that are not text, as file names keep them, are hashed like any other."""
    assert 1 == marks_of(["\udcff.jpg", "\udcff.jpg", "\udcfe.jpg"]).repeated()


def test_an_empty_bag_has_nothing():
    """Nothing was added, nothing is found."""
    marks = Marks()

    assert 0 == marks.repeated()
    assert frozenset() == marks.twice()
    assert "a" not in marks


def test_a_bag_may_grow_after_it_was_asked():
    """Asking sorts; what is added later is found all the same."""
    marks = marks_of(["b", "a"])
    assert "a" in marks

    marks.add("0")
    marks.add("a")

    assert "0" in marks
    assert 1 == marks.repeated()


def test_two_bags_of_a_kind_can_be_compared():
    """Siblings give equal names equal hashes; bags made apart do not."""
    inputs = marks_of(["a", "b"])
    outputs = inputs.sibling()
    outputs.add("b")
    outputs.add("c")

    assert frozenset({inputs.mark("b")}) == inputs.common(outputs)
    assert frozenset() == inputs.common(marks_of(["b"]))


def test_pairs_are_named_in_order_and_not_beyond_the_limit():
    """The first pairs are named, each later source against the first of its name."""
    planned = [(f"in{i}/x.jpg", "out/x.jpg", "x") for i in range(5)]
    marks = marks_of("x" * 5)

    assert [("in0/x.jpg", "in1/x.jpg", "out/x.jpg"), ("in0/x.jpg", "in2/x.jpg", "out/x.jpg")] == named_pairs(
        planned, marks, most=2
    )


def test_equal_hashes_of_different_names_are_no_collision(monkeypatch):
    """Names are compared themselves before a collision is reported."""
    monkeypatch.setattr(Marks, "mark", lambda self, name: 7)
    marks = marks_of(["a", "b"])

    assert 1 == marks.repeated()
    assert [] == named_pairs([("1", "t", "a"), ("2", "t", "b")], marks)


def test_a_bag_costs_a_few_bytes_per_name():
    """100,000 names cost less than 4 MB, sorting included."""
    tracemalloc.start()
    marks = Marks()
    for number in range(100_000):
        marks.add(f"some/folder/with/a/name/{number}.jpg")
    marks.repeated()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4e6
