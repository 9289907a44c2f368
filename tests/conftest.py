"""Fixtures that every test has: a clean environment, no thread left behind, small pictures, and the corpus."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["redis_fixtures"]

_SECONDS_FOR_THREADS_TO_END = 5.0


class MakePicture(Protocol):
    """Writes a small picture and returns its path."""

    def __call__(self, folder: Path, name: str, *, size: tuple[int, int] = ..., mode: str = ..., **save: Any) -> str:
        """Save `folder`/`name` with Pillow's arguments `save`."""


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches them, but the place of the corpus."""
    for name in os.environ:
        if name.startswith("IMGPIPE_") and name != "IMGPIPE_CORPUS":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Every thread that a test started ends with it."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + _SECONDS_FOR_THREADS_TO_END
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(max(deadline - time.monotonic(), 0))
    assert [] == [thread.name for thread in left if thread.is_alive()]


@pytest.fixture
def corpus() -> Path:
    """Return the folder of real pictures that IMGPIPE_CORPUS names."""
    folder = os.environ.get("IMGPIPE_CORPUS")
    if not folder:
        pytest.skip("IMGPIPE_CORPUS names no folder of pictures")
    return Path(folder)


@pytest.fixture
def picture_file() -> MakePicture:
    """Return a function that writes a small picture, always the same for the same arguments.

    The format follows the name's extension unless `format=` says otherwise; further arguments go to Pillow's `save`.
    """

    def make(folder: Path, name: str, *, size: tuple[int, int] = (48, 32), mode: str = "RGB", **save: Any) -> str:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = size
        across, down = np.linspace(0, 255, width), np.linspace(0, 255, height)
        slopes = np.stack(
            [np.broadcast_to(across, (height, width)), np.broadcast_to(down[:, None], (height, width)),
             (across + down[:, None]) / 2, 255 - (across + down[:, None]) / 3], axis=2,
        )  # fmt: skip
        noise = np.random.RandomState(width * 1000 + height).uniform(-20, 20, slopes.shape)
        Image.fromarray(np.clip(slopes + noise, 0, 255).astype(np.uint8), "RGBA").convert(mode).save(path, **save)
        return str(path)

    return make
