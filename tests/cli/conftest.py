"""Fixtures of the command line's tests: the filters of other tests are not there."""

from __future__ import annotations

import pytest

from imgpipe.filters import registry


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with the built-in filters; what a test registers, no other test sees."""
    names = [name for name in registry.names() if not name.startswith("test.")]
    monkeypatch.setattr(registry, "_filters", {name: registry.find(name) for name in names})
