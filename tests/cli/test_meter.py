"""Meter: speed and remaining time, from results and a clock that the test moves."""

from __future__ import annotations

import pytest

from imgpipe import Failure, FailureCode, Outcome, Result
from imgpipe_cli.meter import Meter, duration


def result(source: str, megapixels: float, size: int, outcome: Outcome = Outcome.DONE) -> Result:
    """Return the result of a picture."""
    failure = Failure(FailureCode.UNREADABLE, "x") if outcome is Outcome.FAILED else None
    return Result("1", source, "", outcome, megapixels=megapixels, bytes_in=size, failure=failure)


def test_knows_nothing_at_first():
    """Without a result there is no speed and no estimate."""
    meter = Meter(10, {".jpg": 1000}, start=5.0)

    assert meter.remaining_seconds(6.0) is None
    assert "0/10  " == meter.line(6.0)


def test_remaining_time_counts_pixels_not_files():
    """A small file of a dense format can hold as many pixels as a large one of another."""
    meter = Meter(4, {".jpg": 200, ".png": 1600}, start=0.0)
    meter.add(result("a.jpg", 8.0, 100), 1.0)
    meter.add(result("b.png", 8.0, 800), 2.0)

    assert (1.0, 8.0) == meter.rates(2.0)
    assert pytest.approx(2.0) == meter.remaining_seconds(2.0)


def test_files_of_a_kind_not_seen_yet_count_by_the_average():
    """Before the first PNG is done, its bytes are taken for average ones."""
    meter = Meter(2, {".jpg": 100, ".png": 300}, start=0.0)
    meter.add(result("a.jpg", 1.0, 100), 1.0)

    assert pytest.approx(3.0) == meter.remaining_seconds(1.0)


def test_skipped_pictures_leave_the_speed_alone():
    """What had not to be done is no sign of speed, but it is no longer ahead either."""
    meter = Meter(3, {".jpg": 300}, start=0.0)
    meter.add(result("a.jpg", 1.0, 100), 1.0)
    meter.add(result("b.jpg", 0.0, 100, Outcome.SKIPPED), 1.0)

    assert (1, 1, 2) == (meter.done, meter.skipped, meter.count)
    assert pytest.approx(1.0) == meter.remaining_seconds(1.0)


def test_speed_is_that_of_the_last_half_minute():
    """A slow start is forgotten."""
    meter = Meter(1000, {".jpg": 10**6}, start=0.0)
    meter.add(result("a.jpg", 1.0, 100), 100.0)
    for second in range(101, 161):
        meter.add(result("a.jpg", 1.0, 100), float(second))

    assert pytest.approx(1.0, rel=0.05) == meter.rates(160.0)[0]


def test_line_names_failures():
    """Failures are on the line as soon as there is one."""
    meter = Meter(4, {".jpg": 400}, start=0.0)
    meter.add(result("a.jpg", 2.0, 100), 1.0)
    meter.add(result("b.jpg", 0.0, 100, Outcome.FAILED), 2.0)

    assert "2/4  1.0 pictures/s  1 MP/s  1 failed  ETA 2.0 s" == meter.line(2.0)


def test_data_form_has_null_for_what_is_not_known():
    """No estimate is null, not zero."""
    assert Meter(3, {}, start=0.0).to_data(1.0)["remaining_seconds"] is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (41.2, "41 s"), (61, "1:01"), (3600, "1:00:00"), (7325, "2:02:05")],
)
def test_durations(seconds, text):
    """Times read as people say them."""
    assert text == duration(seconds)
