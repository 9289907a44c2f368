"""The probe: work that holds the GIL is told from work that lets it go; shares are only compared, not measured."""

from __future__ import annotations

import hashlib
import threading

import pytest

from imgpipe.compare.probe import GilProbe, has_gil, probe_gil

DATA = bytes(2_000_000)


def computes_in_python() -> None:
    """Hold the GIL."""
    sum(number * number for number in range(20_000))


def computes_in_c() -> None:
    """Let the GIL go for nearly all of the time."""
    hashlib.sha256(DATA).digest()


@pytest.mark.skipif(not has_gil(), reason="nobody holds what is not there")
def test_tells_holding_from_letting_go():
    """Pure Python is found to hold the GIL far more often than a hash of much data, however busy the machine is."""
    holding, letting_go = probe_gil(computes_in_python, 0.3), probe_gil(computes_in_c, 0.3)

    assert holding.looks == letting_go.looks > 100
    assert letting_go.interval[1] < holding.interval[0]
    assert holding.share > 0.5


def test_waiting_holds_nothing():
    """A thread that waits for an event needs no GIL."""
    never = threading.Event()

    found = probe_gil(lambda: never.wait(0.05), 0.2)

    assert found.share < 0.2


def test_trouble_in_the_work_is_raised():
    """An error does not end a thread in silence."""

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        probe_gil(fail, 0.2)


@pytest.mark.parametrize(
    ("held", "looks", "share", "low", "high"),
    [(0, 100, 0.0, 0.0, 0.037), (50, 100, 0.5, 0.404, 0.596), (100, 100, 1.0, 0.963, 1.0), (0, 0, 0.0, 0.0, 1.0)],
)
def test_interval(held, looks, share, low, high):
    """Wilson's interval, as tables have it; without a look, everything is possible."""
    probe = GilProbe(held, looks)

    assert share == probe.share
    assert pytest.approx((low, high), abs=0.001) == probe.interval
