"""The laws: known parameters are found again, and nobody is told what was not measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.compare.model import BEYOND, fit

COUNTS = (1, 2, 4, 8, 12, 16, 24)


def law(sigma: float, kappa: float, counts: tuple[int, ...]) -> dict[int, float]:
    """Return the speed-ups that universal scalability gives."""
    return {n: n / (1 + sigma * (n - 1) + kappa * n * (n - 1)) for n in counts}


def test_amdahl_by_hand():
    """A tenth that goes on alone lets two workers reach 1.818, and four 3.077."""
    found = fit({1: 1.0, 2: 2 / 1.1, 4: 4 / 1.3})

    assert found is not None
    assert ("Amdahl", 3, 4) == (found.law, found.points, found.largest)
    assert pytest.approx(0.1) == found.sigma
    assert 0.0 == found.kappa
    assert pytest.approx(1.0) == found.r_squared
    assert found.peak_workers is None


@given(sigma=st.floats(0, 1), scale=st.floats(0.5, 2))
def test_amdahl_is_found_again(sigma, scale):
    """Whatever one worker's own speed-up is, the share is that which made the numbers."""
    speedups = {n: scale * speedup for n, speedup in law(sigma, 0.0, (1, 2, 4)).items()}

    found = fit(speedups)

    assert found is not None
    assert pytest.approx(sigma, abs=1e-9) == found.sigma


@given(sigma=st.floats(0, 0.5), kappa=st.floats(0.0001, 0.05))
def test_usl_is_found_again(sigma, kappa):
    """From six counts on, both parameters are those that made the numbers, and so is the peak."""
    found = fit(law(sigma, kappa, COUNTS))

    assert found is not None
    assert "USL" == found.law
    assert pytest.approx(sigma, abs=1e-7) == found.sigma
    assert pytest.approx(kappa, abs=1e-7) == found.kappa
    assert pytest.approx(((1 - sigma) / kappa) ** 0.5, rel=1e-3) == found.peak_workers


def test_two_counts_say_nothing_about_the_fit():
    """One number is put through one point: there is no R²."""
    found = fit({1: 1.0, 2: 1.5})

    assert found is not None
    assert found.r_squared is None
    assert pytest.approx(1 / 3) == found.sigma


def test_points_off_the_law_are_seen():
    """R² is below 1 where the law does not go through the points: by hand, sigma is 14/45."""
    found = fit({1: 1.0, 2: 1.5, 4: 2.0})

    assert found is not None
    assert found.r_squared is not None
    assert pytest.approx((1 / 3 + 3) / 10) == found.sigma
    assert pytest.approx(1 - ((1.5 - 1.5) ** 2 + 0.0) / 0.125) == found.r_squared


@pytest.mark.parametrize("speedups", [{}, {1: 1.0}, {2: 1.5}, {2: 1.5, 4: 3.0}])
def test_too_little_for_a_fit(speedups):
    """Without one worker, or with nothing beside, there is no fit."""
    assert fit(speedups) is None


@pytest.mark.parametrize("counts", [(1, 2, 4), COUNTS])
def test_better_than_ideal_is_ideal(counts):
    """No share is below zero, even where workers help each other."""
    found = fit({n: 1.2 * n if n > 1 else 1.0 for n in counts})

    assert found is not None
    assert (0.0, 0.0) == (found.sigma, found.kappa)


def test_nothing_far_beyond_what_was_measured():
    """Twice the largest count is the end."""
    found = fit(law(0.1, 0.0, (1, 2, 4)))

    assert found is not None
    assert pytest.approx(8 / 1.7) == found.speedup(BEYOND * 4)
    assert found.speedup(BEYOND * 4 + 1) is None
