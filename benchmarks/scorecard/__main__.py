"""Scorecard, from the command line: runs rows, prints a line for each, keeps the figures, fails if one has missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import sys
import time
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.chaos.__main__ import versions
from benchmarks.chaos.fleet import leave_nothing_behind
from benchmarks.scorecard.row import ROOT, TESTS, Found, Order

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS: dict[str, tuple[str, str]] = {  # id to title, and the function that plays it
    "R1": ("kill", "distributed:killed"),
    "R2": ("pool", "local:children_killed"),
    "R3": ("zombie", "distributed:frozen"),
    "R4": ("redis", "distributed:redis_away"),
    "R5": ("fail-points", "points:points"),
    "R6": ("poison", "local:poison"),
    "R7": ("resume", "local:resumed"),
    "R8": ("million", "distributed:million"),
    "S1": ("hostile", "pictures:hostile"),
    "S2": ("parameters", "parameters:odd_pipelines"),
    "S3": ("bombs", "pictures:bombs"),
    "S4": ("http", "http:http_"),
    "S5": ("names", "names:nasty_names"),
    "S6": ("sandbox", "attacks:sandboxed"),
    "S7": ("payloads", "attacks:payloads"),
    "S8": ("secrets", "attacks:secrets"),
    "L1": ("leak", "leak:one_worker"),
}
_LIBRARIES = ("pillow", "opencv-python-headless", "numpy")


def main() -> int:
    """Play the rows that the command line asks for."""
    asked = _arguments()
    leave_nothing_behind()
    sys.path.append(str(TESTS))  # filters and helpers of the suite are used again
    played = {name: _played(name, asked) for name in asked.only or ROWS}
    if asked.results:
        _keep(asked.results, played)
    missed = [name for name, row in played.items() if row["missed"]]
    if missed:
        print(f"missed: {', '.join(missed)}", flush=True)
    return int(bool(missed))


def line(name: str, row: dict[str, Any]) -> str:
    """Return all about a row in one line."""
    load = f"load {row['load'][0]} to {row['load'][1]}"
    state = "skipped" if row["skipped"] else "MISSED" if row["missed"] else "ok"
    what = row["skipped"] or row["facts"]
    missed = f"; missed: {json.dumps(row['missed'], ensure_ascii=False)}" if row["missed"] else ""
    return f"{name} {row['title']:11}  {state:7}  {what}{missed} (seed {row['seed']}, {row['seconds']:.0f} s, {load})"


def _played(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    title, place = ROWS[name]
    module, function = place.split(":")
    work = asked.work.resolve() / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    play: Callable[[Order], Found] = getattr(import_module(f"benchmarks.scorecard.{module}"), function)
    start, load = time.monotonic(), os.getloadavg()[0]
    try:
        found = play(Order(asked.seed, asked.short, work))
    except Exception as error:  # noqa: BLE001 - the other rows are played all the same
        found = Found("it did not come to its end", {"broken": f"{type(error).__name__}: {error}"})
    row = {
        "title": title, "facts": found.facts, "missed": found.missed, "skipped": found.skipped, "seed": asked.seed,
        "short": asked.short, "seconds": round(time.monotonic() - start, 1),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
    }  # fmt: skip
    print(line(name, row), flush=True)
    return row


def _keep(path: Path, played: dict[str, Any]) -> None:
    """Put the rows that were played beside those that are kept."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": {}}
    rows = kept["rows"] | played
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    found = {
        "schema": "imgpipe.scorecard/1",
        "versions": f"{versions()}, {libraries}, Linux {platform.release().split('-')[0]}, {os.cpu_count()} cores",
        "rows": {name: rows[name] for name in ROWS if name in rows},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _names(text: str) -> list[str]:
    names = text.upper().split(",")
    if unknown := [name for name in names if name not in ROWS]:
        raise argparse.ArgumentTypeError(f"there is no {unknown[0]}; there are {', '.join(ROWS)}")
    return names


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scorecard", description=__doc__)
    parser.add_argument("--only", type=_names, help=f"some of {','.join(ROWS)}")
    parser.add_argument("--short", action="store_true", help="smaller numbers, for a first look")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 16))
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "scorecard", help="folder for files")
    parser.add_argument("--results", type=Path, help="file to keep the figures in, beside those that it has")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
