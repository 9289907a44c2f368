"""Security page: the code and the tests that it names are there, so that no promise points at nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(
    set(re.findall(r"`((?:src|cli|tests|benchmarks|requirements)/[^`]+|docker-compose\.yml|Dockerfile)`", PAGE))
)


@pytest.mark.parametrize("named", NAMED)
def test_what_is_named_is_there(named: str):
    """A file, or a test in a file."""
    path, _, test = named.partition("::")

    assert (ROOT / path).exists()
    assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_every_row_has_code_and_a_test():
    """Each surface says where its rule is and who holds imgpipe to it, or that nobody does."""
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line][1:]

    assert len(rows) > 15
    assert [] == [
        row[0] for row in rows if len(row) != 5 or "`" not in row[3] or not ("`" in row[4] or "none" in row[4])
    ]
