"""R5: at seven points of a task's way its process is killed, hangs, or meets an error, under each executor."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.chaos.scene import digest
from benchmarks.scorecard.row import Found, environment, started
from imgpipe.samples import make_samples

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.scorecard.row import Order

POINTS = ("open", "decode", "filter", "write", "name", "named", "told")
"""Before the file is opened; before and after it is decoded; when it is encoded; before and after its output gets its
name; before the result is told."""
DEEDS = ("kill", "raise", "hang")
EXECUTORS = ("sequential", "threads", "processes", "redis")
_OWN_HANGS = ("processes", "redis")
"""Executors that end what hangs; from others it is killed from outside, with the run, and the next one does it."""
_PIPELINE = "scorecard.points | resize:64x64"
_INNOCENT = 6
_MOST_RUNS = 40
_LOOK_SECONDS = 0.05


def points(order: Order) -> Found:
    """R5: every point, deed and executor, a picture for each, and innocents among them."""
    executors = ("processes",) if order.short else EXECUTORS
    misses: dict[str, Any] = {}
    right = runs = 0
    for executor in executors:
        folder = order.work / executor
        expected = _lay_out(folder)
        told, count = _run_until_done(folder, executor)
        runs += count
        for name in expected:
            wrong = _wrong(executor, folder, name, expected[name], told.get(name, "nothing"))
            right += not wrong and not name.startswith("innocent")
            if wrong:
                misses[f"{executor} {name}"] = wrong
        litter = [entry.name for entry in os.scandir(folder / "out") if entry.name.endswith(".tmp")]
        if litter:
            misses[f"{executor} temporary files"] = len(litter)
    cells = len(executors) * len(POINTS) * len(DEEDS)
    facts = f"{right}/{cells} ({len(POINTS)} points, {len(DEEDS)} deeds, {len(executors)} executors), {runs} runs"
    return Found(facts, misses)


def _lay_out(folder: Path) -> dict[str, str]:
    """Make the same picture under each name; return the digests of what should become of them."""
    for name in ("in", "signs", "out"):
        (folder / name).mkdir(parents=True)
    (painted,) = make_samples(str(folder), 1, 96, 64)
    names = [f"{point}-{deed}" for deed in DEEDS for point in POINTS] + [f"innocent-{n}" for n in range(_INNOCENT)]
    for name in names:
        os.link(painted, folder / "in" / f"{name}.jpg")
    from imgpipe import process

    process(painted, "resize:64x64", folder / "expected", executor="sequential")
    expected = digest(folder / "expected" / os.path.basename(painted))
    return {f"{name}.jpg": expected for name in names}


def _run_until_done(folder: Path, executor: str) -> tuple[dict[str, str], int]:
    """Run, again and again while it is ended; return what was told of each picture last, and how many runs it took."""
    told: dict[str, str] = {}
    words = [
        "process", folder / "in", "-o", folder / "out", "--import", "benchmarks.scorecard.fail_points",
        "-f", _PIPELINE, "--executor", executor, "--json", "--json-items",
    ]  # fmt: skip
    words += {"sequential": [], "threads": ["-j", 2], "processes": ["-j", 2, "--timeout", 1]}.get(
        executor, ["-j", 2, "--timeout", 1, "--redis", "embedded"]
    )
    hangs = "own" if executor in _OWN_HANGS else ""
    for count in range(1, _MOST_RUNS):
        events = folder / f"run-{count}.jsonl"
        with (
            events.open("wb") as output,
            started(
                words, folder / f"run-{count}.log", stdout=output,
                env=environment(SCORECARD_POINTS="1", SCORECARD_HANGS=hangs),
            ) as run,
        ):  # fmt: skip
            before = set(os.listdir(folder / "signs"))
            while run.poll() is None:
                new = set(os.listdir(folder / "signs")) - before
                if not hangs and any(name.endswith("-hang") for name in new):
                    run.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    run.wait(_LOOK_SECONDS)
        event: dict[str, Any] = {"type": ""}
        for event in map(json.loads, events.read_text(encoding="utf-8").splitlines()):
            if event["type"] == "item" and event["outcome"] != "skipped":
                failure = event["failure"]
                told[os.path.basename(event["source"])] = failure["code"] if failure else event["outcome"]
        if event["type"] == "summary" and not event["stopped"]:
            return told, count
    return told, _MOST_RUNS


def _wrong(executor: str, folder: Path, name: str, expected: str, told: str) -> str:
    """Return what is wrong with a picture: done and whole, or failed and not there; "" if nothing is."""
    point, _, deed = name.partition(".")[0].partition("-")
    path = folder / "out" / name
    found = "nothing" if not path.exists() else "whole" if digest(path) == expected else "broken"
    if deed == "raise" and point != "told":
        # After its name, what is told may change: another run finds an output that nobody has told of.
        code = {"filter": "FILTER_FAILED", "named": ""}.get(point, "INTERNAL")
        right = (code, "whole" if point == "named" else "nothing")
    elif deed == "hang" and executor in _OWN_HANGS:
        right = ("TIMEOUT", "whole" if point in ("named", "told") else "nothing")
    else:
        # Of what was published when its run was killed, nobody may have told.
        right = ("done" if executor in _OWN_HANGS and point != "told" else "", "whole")
    return "" if right[1] == found and right[0] in ("", told) else f"told {told}, output {found}"
