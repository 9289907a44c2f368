"""Overhead: what imgpipe adds to each picture, apart from the picture: tiny ones, in turns, in processors' time.

`python -m benchmarks.overhead` sends the same tasks through a bare loop over `run_task`, through each executor, through
the pools of the standard library that people would use instead, and through all of `process`, ledger and report
included. What a way takes more than the loop is its own cost.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.measure import adopt_orphans, seconds_of
from benchmarks.peers import ROOT
from imgpipe import process
from imgpipe.executors import create_executor
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.task import Outcome, Task
from imgpipe.work import run_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgpipe.task import Result

_PIPELINE = "brightness:1.1"


def main() -> None:
    """Measure, and print JSON: ms of processors' time per task, and above the loop, medians of the rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--tasks", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", help="run this one, once")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imgpipe-overhead-") as name:
        if asked.way:
            _run(asked.way, Path(name), asked.tasks)
            return
        adopt_orphans()  # children of a forkserver are not ours
        medians = {way: statistics.median(values) for way, values in _measured(asked, Path(name)).items()}
    found = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "tasks": asked.tasks,
        "rounds": asked.rounds,
        "load": round(os.getloadavg()[0], 1),
        "cpu_ms_per_task": {way: round(median, 3) for way, median in medians.items()},
        "own_ms_per_task": {
            way: round(median - medians["loop"], 3) for way, median in medians.items() if way != "loop"
        },
    }
    print(json.dumps(found, indent=1))


def _measured(asked: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """Return ms per task of each round: of many tasks less few, each in its own command: starts do not count."""
    few = max(asked.tasks // 10, 1)
    cpu: dict[str, list[float]] = {}
    for _ in range(asked.rounds):
        for way in _ways(folder, []):
            command = [sys.executable, "-m", "benchmarks.overhead", "--way", way, "--tasks"]
            short, long = (seconds_of([[*command, str(n)]], ROOT, os.environ).cpu for n in (few, asked.tasks))
            cpu.setdefault(way, []).append(1000 * (long - short) / (asked.tasks - few))
    return cpu


def _run(way: str, folder: Path, count: int) -> None:
    """Send tiny pictures one way."""
    (folder / "in").mkdir()
    Image.new("RGB", (16, 16), (200, 100, 50)).save(folder / "in" / "00000.jpg")
    for number in range(1, count):
        os.link(folder / "in" / "00000.jpg", folder / "in" / f"{number:05}.jpg")
    recipe = Recipe(Pipeline.parse(_PIPELINE))
    tasks = [
        Task(str(number), str(path), str(folder / "out" / path.name), recipe)
        for number, path in enumerate(sorted((folder / "in").iterdir()))
    ]
    (folder / "out").mkdir()
    _ways(folder, tasks)[way]()
    assert count == len(list((folder / "out").glob("*.jpg"))), f"{way} has not made all outputs"


def _ways(folder: Path, tasks: list[Task]) -> dict[str, Callable[[], None]]:
    ways: dict[str, Callable[[], None]] = {"loop": lambda: _all_done(map(run_task, tasks))}
    for name, workers in (("sequential", None), ("threads", 1), ("threads", 2), ("processes", 1), ("processes", 2)):
        ways[f"{name} x{workers or 1}"] = partial(_executed, name, workers, tasks)
    ways["ThreadPoolExecutor x2"] = partial(_pooled, ThreadPoolExecutor, tasks)
    ways["ProcessPoolExecutor x2"] = partial(_pooled, ProcessPoolExecutor, tasks)
    for name in ("threads", "processes"):
        ways[f"process(), {name} x2"] = partial(_processed, folder, name)
    return ways


def _executed(name: str, workers: int | None, tasks: list[Task]) -> None:
    with create_executor(name, workers=workers) as executor:
        _all_done(executor.run(tasks))


def _pooled(pool: type[ThreadPoolExecutor | ProcessPoolExecutor], tasks: list[Task]) -> None:
    with pool(2) as workers:
        _all_done(workers.map(run_task, tasks))


def _processed(folder: Path, name: str) -> None:
    with create_executor(name, workers=2) as executor:
        process(str(folder / "in"), _PIPELINE, str(folder / "out"), executor=executor)


def _all_done(results: Iterable[Result]) -> None:
    assert {Outcome.DONE} == {result.outcome for result in results}


if __name__ == "__main__":
    main()
