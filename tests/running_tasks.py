"""Running tasks: sends pictures through run_task as executors do, and looks closely at what comes out."""

from __future__ import annotations

import hashlib
import os
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from imgpipe.pictures.options import Limits, ReadOptions, WriteOptions
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.task import Result, Task
from imgpipe.work import run_task

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgpipe.executors.base import Executor

MAKER_NOTE = b"Maker\0" + bytes(range(200))
THUMBNAIL = b"\xff\xd8" + b"what was cut away" * 9 + b"\xff\xd9"
PLACE = struct.pack("<6I", 48, 1, 51, 1, 30, 1)

Row = tuple[int, int, int, bytes]  # tag, kind, count, value


def recipe(pipeline: str = "", *, limits: Limits | None = None, **options: Any) -> Recipe:
    """Make a recipe of a pipeline's text and of options for reading and writing, by their names."""
    reading = {
        name: options.pop(name) for name in ("frames", "allow_8bit", "engine", "decode_quality") if name in options
    }
    return Recipe(Pipeline.parse(pipeline), ReadOptions(**reading), WriteOptions(**options), limits or Limits())


def run(source: str | Path, target: str | Path, pipeline: str = "", **options: Any) -> Result:
    """Run one task."""
    return run_task(Task("1", str(source), str(target), recipe(pipeline, **options)))


def done(source: str | Path, target: str | Path, pipeline: str = "", **options: Any) -> Result:
    """Run one task that has to succeed."""
    result = run(source, target, pipeline, **options)
    assert result.failure is None, result.failure
    return result


def code_of(result: Result) -> str:
    """Return the code of a failure, or "" if there is none."""
    return result.failure.code.value if result.failure else ""


def picture(mode: str = "RGB", size: tuple[int, int] = (48, 32), seed: int = 0) -> Image.Image:
    """Return slopes with grain; alpha goes from left to right."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    channels = np.stack([across, down, (across + down) / 2, 255 - across], axis=2)
    grain = np.random.default_rng(seed).normal(0, 12, channels.shape)
    pixels = np.clip(channels + grain, 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels, "RGBA")
    return image.convert("RGB").convert(mode) if mode == "P" else image.convert(mode)


def pixels_of(path: str | Path, mode: str = "") -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return the pixels of a file, in its own mode or another one."""
    with Image.open(path) as image:
        return np.asarray(image.convert(mode) if mode else image).astype(np.int16)


def shown(path: str | Path) -> list[tuple[np.ndarray[Any, np.dtype[np.int16]], float]]:
    """Return what an animation shows, frame by frame, as RGBA with black where nothing is, and for how long."""
    frames = []
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            pixels = np.asarray(image.convert("RGBA")).astype(np.int16)
            pixels[pixels[..., 3] == 0] = 0
            frames.append((pixels, float(image.info.get("duration") or 0)))
    return frames


def left_behind(folder: Path) -> list[str]:
    """Return the temporary files in a folder and those below it."""
    return [name for _, _, names in os.walk(folder) for name in names if name.endswith(".tmp")]


def classified(
    executor: Executor, sources: Iterable[str], work: Recipe, folder: Path
) -> dict[str, tuple[str, str, tuple[str, ...], str]]:
    """Run all sources and return for each its outcome, its code, its notes and a hash of its result's bytes.

    Two executors agree if they give equal answers, each with a folder of its own.
    """
    tasks = {str(number): source for number, source in enumerate(sources)}
    answers = {}
    made = (Task(number, source, str(folder / f"{number}.out"), work) for number, source in tasks.items())
    for result in executor.run(made):
        digest = ""
        if result.ok:
            with open(result.target, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.unlink(result.target)
        answers[tasks[result.task_id]] = (result.outcome.value, code_of(result), result.notes, digest)
    return answers


def raw_exif(orientation: int = 1, *, order: str = "<") -> bytes:
    """Make EXIF with orientation, names, MakerNote, GPS and a thumbnail, without Pillow's help."""

    def main(details_at: int, gps_at: int) -> list[Row]:
        return [
            (274, 3, 1, struct.pack(order + "H", orientation)),
            (315, 2, 7, b"Artist\0"),
            (33432, 2, 10, b"(c) Owner\0"),
            (34665, 4, 1, struct.pack(order + "I", details_at)),
            (34853, 4, 1, struct.pack(order + "I", gps_at)),
        ]

    details_at = 8 + len(directory(order, main(0, 0), 8))
    details = directory(order, [(37500, 7, len(MAKER_NOTE), MAKER_NOTE)], details_at)
    gps_at = details_at + len(details)
    gps = directory(order, [(1, 2, 2, b"N\0"), (2, 5, 3, PLACE)], gps_at)
    second_at = gps_at + len(gps)
    rows: list[Row] = [(513, 4, 1, bytes(4)), (514, 4, 1, struct.pack(order + "I", len(THUMBNAIL)))]
    rows[0] = (513, 4, 1, struct.pack(order + "I", second_at + len(directory(order, rows, second_at))))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    second = directory(order, rows, second_at) + THUMBNAIL
    return head + directory(order, main(details_at, gps_at), 8, second_at) + details + gps + second


def directory(order: str, rows: list[Row], at: int, following: int = 0) -> bytes:
    """Serialise one directory at an offset, its values behind it."""
    table, values = b"", b""
    values_at = at + 2 + 12 * len(rows) + 4
    for tag, kind, count, value in rows:
        inline = value.ljust(4, b"\0")
        if len(value) > 4:
            inline = struct.pack(order + "I", values_at + len(values))
            values += value + bytes(len(value) % 2)
        table += struct.pack(order + "HHI", tag, kind, count) + inline
    return struct.pack(order + "H", len(rows)) + table + struct.pack(order + "I", following) + values
