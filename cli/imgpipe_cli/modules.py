"""Modules: imports the filters that users have written, from the current folder as well."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def import_user_filters(modules: Sequence[str]) -> None:
    """Import the modules of `--import`. Raises `BadOption` for one that cannot be imported."""
    if not modules:
        return
    from imgpipe.filters import import_filters  # noqa: PLC0415 - numpy and Pillow, which --help does not need

    # A script that pip installed does not look where the user is; `python -m` would.
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    import_filters(modules)
