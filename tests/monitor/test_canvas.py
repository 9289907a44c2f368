"""Canvas, words and trend: the parts that frames are made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fleet_samples import QUEUE, SNAPSHOT
from imgpipe.display import display_name
from imgpipe.monitor.values import Percentiles
from imgpipe_cli.dashboard import words
from imgpipe_cli.dashboard.canvas import ASCII, BLOCK, bar, box, column, fit, line, name, spark
from imgpipe_cli.dashboard.trend import Trend

NUMBERS = st.one_of(st.none(), st.floats(), st.integers(-(10**30), 10**30).map(float))


@given(st.text(max_size=30), st.integers(0, 40))
def test_lines_and_names_have_exactly_their_width(text: str, width: int):
    """Whatever they hold: wide characters, none, or those that act on terminals."""
    assert width == cell_len(fit(line(text), width).plain)
    assert width == cell_len(name(text, width))
    assert name(text, width) == display_name(name(text, width))


def test_long_names_lose_their_middle():
    """The beginning and the end of a path say most."""
    assert "a/b…0091.jpg" == name("a/b/c/d/e/f/0091.jpg", 12)


def test_long_numbers_are_marked():
    """What is cut says so."""
    assert ("12345…", "  12", "ab  ") == (column("1234567", 6), column("12", 4), column("ab", 4, right=False))


def test_box_has_its_size():
    """Lines that do not fit are left out, missing ones are empty."""
    for height in (2, 3, 5):
        lines = box(line("title"), [line("one"), line("two")], 20, height, BLOCK)

        assert [20] * height == [cell_len(each.plain) for each in lines]
    assert "╭─ title ──────────╮" == lines[0].plain


@given(NUMBERS, st.integers(0, 30))
def test_bars_have_their_width(share: float | None, width: int):
    """A share that is none is an empty bar, one above 1 a full one."""
    assert width == len(bar(share, width, BLOCK)) == len(bar(share, width, ASCII))


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, "░░░░"), (0.5, "██░░"), (1.0, "████"), (2.0, "████"), (None, "░░░░"), (0.28, "█▏░░")]
)
def test_bar(share, expected):
    """Its parts are eighths of a cell."""
    assert expected == bar(share, 4, BLOCK)


def test_sparkline_scales_to_its_largest_complete_value():
    """The last column is not complete, and its height says nothing yet; unknown ones are empty."""
    assert "▁▄█ ░" == spark([0.0, 5.0, 10.0, None, 99.0], BLOCK, is_partial=True)
    assert "▁▄█" == spark([0.0, 5.0, 10.0], BLOCK, is_partial=False)
    assert "▁▁" == spark([0.0, 0.0], BLOCK, is_partial=False)
    assert "  " == spark([None, float("nan")], BLOCK, is_partial=True)


@given(NUMBERS)
def test_numbers_stay_within_their_width(value: float | None):
    """Columns never burst."""
    for write, most in ((words.count, 9), (words.rate, 7), (words.seconds, 8), (words.percent, 8), (words.size, 7)):
        assert 1 <= len(write(value)) <= most


@pytest.mark.parametrize(
    ("write", "value", "expected"),
    [
        (words.count, 6_841_204, "6 841 204"),
        (words.count, 10_000_000, "10 M"),
        (words.count, None, "–"),
        (words.rate, 0.0, "0"),
        (words.rate, 3.14159, "3.1"),
        (words.rate, 401.7, "402"),
        (words.rate, 123_456, "123 k"),
        (words.seconds, 0.0412, "41 ms"),
        (words.seconds, 9.8, "9.8 s"),
        (words.seconds, 27.4, "27 s"),
        (words.seconds, 132, "2:12"),
        (words.seconds, 17_190, "4:46:30"),
        (words.seconds, 40 * 86_400, "40 d"),
        (words.seconds, float("inf"), "–"),
        (words.seconds, -1.0, "–"),
        (words.percent, 0.684, "68 %"),
        (words.size, 812_000_000, "812 M"),
        (words.size, 12, "12 B"),
    ],
)
def test_numbers_in_words(write, value, expected):
    """They read as people say them."""
    assert expected == write(value)


def test_percentile_above_all_bounds():
    """That it is longer than the largest bound is known, if so many were."""
    times = Percentiles(p50=1.0, count=100, beyond=8)

    assert ("1.0 s", "–", "> 2:00") == (
        words.duration(times, "p50"), words.duration(times, "p90"), words.duration(times, "p95")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        ({"current_workers": 12, "recommended_workers": 17}, "12 → 17 workers"),
        ({"current_workers": 1, "recommended_workers": 1}, "1 worker"),
        ({"current_workers": 3}, "3 workers"),
        ({}, "– workers"),
        ({"current_workers": "x", "recommended_workers": float("nan")}, "– workers"),
    ],
)
def test_change_of_workers(advice, expected):
    """It may come from a file, and be anything."""
    assert expected == words.change(advice)


def trend_of(*totals: tuple[float, int]) -> Trend:
    """Return the trend of totals at some seconds."""
    trend = Trend()
    for at, total in totals:
        trend.add(replace(SNAPSHOT, wall_seconds=at, queues=(replace(QUEUE, completed_total=total),)))
    return trend


def test_trend_spreads_what_happened_over_its_columns():
    """Between two looks the speed is taken to be even, however many columns that is."""
    trend = trend_of((1000.0, 0), (1030.0, 60), (1060.0, 60))

    assert [2.0, 2.0, 0.0, 0.0] == trend.done(60.0, 4)


def test_trend_does_not_know_what_was_before():
    """Columns from before the first look are empty."""
    trend = trend_of((1000.0, 5), (1015.0, 20))

    assert [None, None, None, 1.0] == trend.done(60.0, 4)
    assert [None, None] == trend_of((1000.0, 5)).done(60.0, 2)
    assert [None, None] == Trend().done(60.0, 2)


def test_trend_of_another_queue_begins_anew():
    """Totals that go down belong to another queue."""
    trend = trend_of((1000.0, 500), (1010.0, 510), (1020.0, 3), (1030.0, 13))

    assert [None, None, 1.0] == trend.done(30.0, 3)


def test_marks_stay_where_they_were():
    """A mark moves to the left as time goes on."""
    trend = trend_of((1000.0, 0))
    trend.mark()
    trend.add(replace(SNAPSHOT, wall_seconds=1030.0, queues=(QUEUE,)))
    trend.mark()

    assert {2, 3} == trend.marks(60.0, 4)
    assert {3} == trend.marks(10.0, 4)
    assert set() == Trend().marks(10.0, 4)
