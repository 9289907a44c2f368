"""Benchmark of the queue, from the command line: in turns, as ratios, with the processors' time beside the clock's."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.chaos.fleet import leave_nothing_behind
from benchmarks.queue.million import million
from benchmarks.queue.pictures import pictures
from benchmarks.queue.rates import measured
from benchmarks.queue.systems import PEERS, ROOT, System, systems
from imgpipe.machine import usable_cores
from imgpipe.queue.server import RedisServer, binary_version, find_binary

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = ("noop", "million", "pictures")


def main() -> int:
    """Measure what the command line asks for."""
    asked = _arguments()
    leave_nothing_behind()
    work = asked.work.resolve()
    known = systems(asked.python)
    server = binary_version(find_binary() or "") or ()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "noop": lambda: _noop(asked, {name: known[name] for name in asked.systems or known}, work, server),
        "million": lambda: million(known["imgpipe"], asked.million, work),
        "pictures": lambda: pictures(work, asked.pictures, asked.rounds),
    }
    found: dict[str, Any] = {
        "schema": "imgpipe.benchmark-queue/1",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "redis": ".".join(map(str, server)),
    }
    for part in asked.parts or PARTS:
        load = os.getloadavg()[0]
        found[part] = parts[part]()
        found[part]["load"] = [round(load, 1), round(os.getloadavg()[0], 1)]
        print(json.dumps({part: found[part]}, indent=1), flush=True)
    if asked.results:
        asked.results.parent.mkdir(parents=True, exist_ok=True)
        asked.results.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(any(found.get("million", {}).get("misses", {}).values()))


def _noop(asked: argparse.Namespace, wanted: dict[str, System], work: Path, server: tuple[int, ...]) -> dict[str, Any]:
    versions = {name: system.version() for name, system in wanted.items()}
    absent = {name: "not installed" for name, version in versions.items() if not version}
    absent |= {
        name: f"needs Redis {system.needs_redis}" for name, system in wanted.items() if server < (system.needs_redis,)
    }
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted if name not in absent}
    for number in range(asked.rounds):
        for name, of in rounds.items():
            with RedisServer(tcp=True) as redis:
                measure = measured(wanted[name], round(asked.tasks * wanted[name].share), redis, work)
            of.append(measure)
            print(number + 1, name, measure, flush=True)
    medians = {
        name: {what: statistics.median(one[what] for one in of) for what in of[0]} for name, of in rounds.items()
    }
    return {"versions": versions, "absent": absent, "medians": medians, "rounds": rounds}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description=__doc__)
    parser.add_argument("parts", choices=PARTS, nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--tasks", type=int, default=10_000, help="no-op tasks; slow queues get fewer, fast ones more")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--systems", type=lambda text: text.split(","), help=f"some of {','.join(systems(''))}")
    parser.add_argument("--million", type=int, default=1_000_000, help="how many a million are")
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--python", default=str(PEERS / "bin" / "python"), help="where the peers are")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "bench" / "queue", help="folder for files")
    parser.add_argument("--results", type=Path, help="file to keep the results in")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
