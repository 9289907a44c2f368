"""S1, S3: pictures of others, hostile ones among them, through every executor; and bombs, eight at once."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from PIL import Image

from benchmarks.measure import weight_bytes
from benchmarks.scorecard.row import MEBIBYTE, TESTS, Found, Weigher, started
from imgpipe.executors import create_executor
from running_tasks import classified, left_behind, recipe

if TYPE_CHECKING:
    from benchmarks.scorecard.row import Order

_WORK = recipe("resize:320x240 | blur:2")
_HANGS_SECONDS = 60.0  # for one file, on a busy machine
_EXECUTORS: dict[str, dict[str, Any]] = {
    "sequential": {},
    "threads": {"workers": 3},
    "processes": {"workers": 2, "timeout_seconds": _HANGS_SECONDS},
    "redis": {"workers": 2, "timeout_seconds": _HANGS_SECONDS, "redis": "embedded"},
}
_PARENTS = ("processes", "redis")  # decode elsewhere: here nothing may grow
_MOST_GROWN = 50 * MEBIBYTE
_MOST_PEAK = 800 * MEBIBYTE
_BUDGET = "400M"
_AT_ONCE = 8


def hostile(order: Order) -> Found:
    """S1: all files of a corpus; each is done or refused for a known reason, the same under every executor."""
    corpus = os.environ.get("IMGPIPE_CORPUS")
    if not corpus:
        return Found(skipped="IMGPIPE_CORPUS names no folder of pictures")
    sources = sorted(str(path) for path in Path(corpus).rglob("*") if path.is_file())
    sources = sources[:: order.size(1, 20)]
    answers, misses = {}, dict[str, Any]()
    grown = 0
    for name, options in _EXECUTORS.items():
        before = weight_bytes(psutil.Process())
        with create_executor(name, **options) as executor:
            answers[name] = classified(executor, sources, _WORK, order.work / name)
        if name in _PARENTS:
            grown = max(grown, weight_bytes(psutil.Process()) - before)
        if left := left_behind(order.work / name):
            misses[f"{name}: temporary files"] = len(left)
    first = answers["sequential"]
    for name, those in answers.items():
        others = [os.path.relpath(source, corpus) for source in sources if those.get(source) != first[source]]
        if others:
            example = [those.get(os.path.join(corpus, others[0])), first[os.path.join(corpus, others[0])]]
            misses[f"{name} is of another opinion"] = {"files": len(others), "such as": others[:3], "said": example}
    counts = Counter(code or outcome for outcome, code, _, _ in first.values())
    misses |= {
        "not classified": sum(counts[code] for code in ("INTERNAL", "CRASHED", "TIMEOUT")),
        "parent grown by more than 50 MB": grown / MEBIBYTE if grown > _MOST_GROWN else 0,
    }
    told = ", ".join(f"{number:,} {code}" for code, number in counts.most_common())
    facts = (
        f"{len(sources):,} files, {len(answers)} executors of the same opinion on each: {told}; "
        f"parents grew by {grown / MEBIBYTE:.0f} MB at most"
    )
    return Found(facts, misses)


def bombs(order: Order) -> Found:
    """S3: twenty bombs, eight at once; what all processes together need at most."""
    folder = order.work / "in"
    folder.mkdir()
    count = _make_bombs(folder, short=order.short)
    words = [
        "process", folder, "-o", order.work / "out", "-f", "resize:800x600", "--executor", "processes", "-j", _AT_ONCE,
        "--max-memory", _BUDGET, "--timeout", 120, "--json", "--json-items",
    ]  # fmt: skip
    with started(words, order.work / "log") as run, Weigher(run.pid) as weigher:
        assert run.stdout is not None
        events = [json.loads(line) for line in run.stdout]
    items = [event for event in events if event["type"] == "item"]
    told = Counter(item["failure"]["code"] if item["failure"] else item["outcome"] for item in items)
    misses = {
        "without a result": count - len(items),
        "peak above 800 MB": weigher.peak_bytes / MEBIBYTE if weigher.peak_bytes > _MOST_PEAK else 0,
        "ended by the system, or by a limit": sum(told[code] for code in ("CRASHED", "OUT_OF_MEMORY", "TIMEOUT")),
        "temporary files": len(left_behind(order.work / "out")),
    }
    answers = ", ".join(f"{number} {code}" for code, number in told.most_common())
    facts = (
        f"{count} bombs, {_AT_ONCE} at once, {_BUDGET} for pictures: {answers}; "
        f"all processes together {weigher.peak_bytes / MEBIBYTE:.0f} MB at most"
    )
    return Found(facts, misses)


def _make_bombs(folder: Path, *, short: bool) -> int:
    """Make those that the suite has, which lie in their headers, and some that are true: up to 177 megapixels."""
    sys.path.append(str(TESTS / "pictures"))
    made: dict[str, Any] = importlib.import_module("test_header").BOMBS
    for name, make in made.items():
        (folder / name).write_bytes(make())
    # In a child: the pictures that it makes are as large as those that they become again.
    large, giant = (2000, 3000) if short else (9400, 13_300)
    pid = os.fork()
    if not pid:
        os.nice(5)
        _save_true_ones(folder, large, giant)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    return len(os.listdir(folder))


def _save_true_ones(folder: Path, large: int, giant: int) -> None:
    grey, colour = Image.new("L", (large, large), 7), Image.new("RGB", (large, large), (9, 8, 7))
    grey.save(folder / "grey.png", compress_level=1)
    grey.save(folder / "grey.jpg")
    grey.save(folder / "grey.bmp")
    colour.save(folder / "colour.png", compress_level=1)
    colour.save(folder / "progressive.jpg", progressive=True)
    colour.save(folder / "colour.tiff", compression="tiff_lzw")
    Image.new("1", (giant, giant)).save(folder / "giant-bits.png")
    Image.new("L", (giant, giant)).save(folder / "giant-grey.tiff", compression="tiff_lzw")
    Image.new("RGB", (giant, giant)).save(folder / "giant-colour.png", compress_level=1)
