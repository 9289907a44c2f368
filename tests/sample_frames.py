"""Sample frames: writes the frames that tests expect anew: `python tests/sample_frames.py`; look at them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fleet_samples import SNAPSHOT
from imgpipe_cli.dashboard.frame import render
from imgpipe_cli.dashboard.scene import Scene
from imgpipe_cli.dashboard.trend import Trend
from imgpipe_cli.dashboard.view import View

FOLDER = Path(__file__).parent / "monitor" / "frames"
SIZES = ((160, 45), (100, 30), (80, 24), (60, 15), (39, 5))


def sample_scene(**fields: Any) -> Scene:
    """Return the fleet of the samples after ten minutes, or with other fields."""
    trend = Trend()
    for second in range(0, 601, 5):
        done = SNAPSHOT.queues[0].completed_total - 400 * (600 - second) + (second % 100) * 20
        first = replace(SNAPSHOT.queues[0], completed_total=done)
        trend.add(replace(SNAPSHOT, wall_seconds=SNAPSHOT.wall_seconds - 600 + second, queues=(first,)))
    scene = Scene(snapshot=SNAPSHOT, view=View(), trend=trend, clock="14:03:21", status="live 1.0 s")
    return replace(scene, **fields)


def frame(scene: Scene, width: int, height: int) -> list[str]:
    """Return a frame as text."""
    return [line.plain for line in render(scene, width, height)]


def text(width: int, height: int) -> str:
    """Return what is in the file of a size."""
    return "".join(f"{line.rstrip()}\n" for line in frame(sample_scene(), width, height))


if __name__ == "__main__":
    for columns, lines in SIZES:
        (FOLDER / f"{columns}x{lines}.txt").write_text(text(columns, lines), encoding="utf-8")
