"""Fixtures for tests of filters: a registry that forgets."""

from __future__ import annotations

import pytest

from imgpipe.filters import names, registry


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test register filters that no other test sees."""
    names()
    monkeypatch.setattr(registry, "_filters", dict(registry._filters))
