"""Every registered filter keeps the contract."""

from __future__ import annotations

import pytest

from contracts.filter_contract import FilterContract, IdentityContract
from filter_samples import MODES, frame_of, samples
from imgpipe.filters import Filter, registry

_IDENTITIES = [step for step in samples() if all(step.is_identity(frame_of(mode, 23, 17).info) for mode in MODES)]


class TestEveryFilter(FilterContract):
    """The contract, for all samples."""

    @pytest.fixture(params=samples(), ids=str)
    def step(self, request: pytest.FixtureRequest) -> Filter:
        """Give each sample in turn."""
        sample: Filter = request.param
        return sample


class TestEveryIdentity(IdentityContract):
    """The contract of those that change nothing."""

    @pytest.fixture(params=_IDENTITIES, ids=str)
    def step(self, request: pytest.FixtureRequest) -> Filter:
        """Give each sample that leaves every picture of 23x17 alone."""
        sample: Filter = request.param
        return sample


def test_no_filter_is_left_out() -> None:
    """The samples cover all filters that there are."""
    expected = set(registry._BUILT_IN)

    covered = {sample.spec.name for sample in samples()}

    assert expected == covered
