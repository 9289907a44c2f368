"""look: what a picture file is, for tests that compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


def look(path: Path) -> tuple[str | None, int, int, str]:
    """Return format, width, height and mode of a picture."""
    with Image.open(path) as image:
        return image.format, image.width, image.height, image.mode
