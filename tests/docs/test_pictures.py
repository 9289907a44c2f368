"""Pictures of docs/pictures: as the program draws them today, small, and dark on light."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
STALE = "run `make docs`, look at docs/pictures, and commit them"
DRAWINGS = ("advice.svg", "dashboard.svg")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Return a folder with all pictures drawn anew."""
    folder: Path = tmp_path_factory.mktemp("pictures")
    subprocess.run([sys.executable, "docs/draw.py", str(folder)], cwd=ROOT, check=True, capture_output=True)
    return folder


def test_all_are_drawn(drawn):
    """Nothing lies in the folder that the program has not drawn, but for the recording."""
    assert sorted(file.name for file in PICTURES.iterdir()) == sorted(
        ["dashboard.jsonl", *(file.name for file in drawn.iterdir())]
    )


@pytest.mark.parametrize("name", DRAWINGS)
def test_dashboard_is_fresh(drawn, name):
    """What the page shows is what the program shows."""
    assert (drawn / name).read_bytes() == (PICTURES / name).read_bytes(), STALE


def test_filters_are_fresh(drawn):
    """What the page shows is what the filters do; codecs of other machines may differ by a little."""
    before, after = (
        np.asarray(Image.open(folder / "filters.webp").convert("RGB"), dtype=float) for folder in (PICTURES, drawn)
    )

    assert before.shape == after.shape, STALE
    assert np.abs(before - after).mean() < 1, STALE


def test_they_are_small():
    """Nobody waits for them."""
    assert (PICTURES / "filters.webp").stat().st_size < 150_000


@pytest.mark.parametrize("name", DRAWINGS)
def test_letters_can_be_read_on_white(name):
    """Each colour of letters has a contrast of 4.5 to white at least, as accessibility guidelines ask."""
    colours = re.findall(r"\.imgpipe-r\d+ { fill: #(\w{6})", (PICTURES / name).read_text(encoding="utf-8"))
    letters = {colour for colour in colours if colour != "ffffff"}  # that is the ground, for letters on a bar

    assert len(letters) >= 2
    assert {} == {colour: contrast for colour in letters if (contrast := _contrast(colour)) < 4.5}


def _contrast(colour: str) -> float:
    """Return the contrast to white by WCAG 2."""
    shares = (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
