"""A plugin for pytest: the queue takes its scripts from the folder that OTHER_SCRIPTS names."""

from __future__ import annotations

import os
from pathlib import Path

from imgpipe.queue import connection


class _Folders:
    @staticmethod
    def files(_package: str) -> Path:
        """Return a folder with a folder `scripts`."""
        return Path(os.environ["OTHER_SCRIPTS"])


vars(connection)["resources"] = _Folders()
