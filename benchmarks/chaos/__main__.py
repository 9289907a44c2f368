"""Chaos, from the command line: plays scenarios, prints a line of verdict for each, and fails if one has missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from benchmarks.chaos import peers, scenarios
from benchmarks.chaos.fleet import leave_nothing_behind
from benchmarks.chaos.scene import Asked
from benchmarks.queue.systems import PEERS, ROOT
from imgpipe import __version__
from imgpipe.queue.server import binary_version, find_binary

if TYPE_CHECKING:
    from collections.abc import Callable

SCENARIOS: dict[str, tuple[int, float]] = {  # tasks, lease in seconds
    "kill": (10_000, 5.0),
    "zombie": (20_000, 0.5),
    "redis": (10_000, 5.0),
}


def main() -> int:
    """Play what the command line asks for."""
    asked = _arguments()
    leave_nothing_behind()
    if asked.scenario == "peers":
        return _peers(asked)
    found = {}
    for name in SCENARIOS if asked.scenario == "all" else (asked.scenario,):
        tasks, lease_seconds = SCENARIOS[name]
        to_play = Asked(
            asked.tasks or tasks, asked.workers, asked.seed, asked.lease or lease_seconds, asked.work.resolve()
        )
        load = os.getloadavg()[0]
        played = _player(name, asked)(to_play)
        found[name] = played | {
            "tasks": to_play.tasks, "workers": to_play.workers, "seed": to_play.seed,
            "lease seconds": to_play.lease_seconds, "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        }  # fmt: skip
        print(verdict(name, found[name]), flush=True)
    if asked.results:
        _keep(asked.results, {"scenarios": found})
    return int(any(is_missed(played) for played in found.values()))


def _peers(asked: argparse.Namespace) -> int:
    """Send the peers through the kills, with defaults and with their best settings; what they lose is no error here."""
    rows = []
    for name in asked.peers:
        for best in (False, True):
            to_play = Asked(asked.tasks or 3000, asked.workers, asked.seed, asked.lease or 5.0, asked.work.resolve())
            load = os.getloadavg()[0]
            row = peers.peer(
                name, to_play, python=asked.python, best=best, kills=asked.least_kills, patience_seconds=asked.patience
            )
            rows.append(row | {"load": [round(load, 1), round(os.getloadavg()[0], 1)]})
            print(json.dumps(rows[-1]), flush=True)
    if asked.results:
        _keep(asked.results, {"peers": rows})
    return 0


def is_missed(played: dict[str, Any]) -> bool:
    """Whether anything is wrong."""
    return any(played["misses"].values())


def verdict(name: str, played: dict[str, Any]) -> str:
    """Return all in one line."""
    misses = {what: count for what, count in played["misses"].items() if count}
    parts = [
        f"{name}: {'MISSED ' + json.dumps(misses) if misses else 'ok'}",
        f"seed {played['seed']}",
        f"{played['tasks']:,} pictures, {played['workers']} workers, lease {played['lease seconds']:g} s",
    ]
    if name == "kill":
        parts += [
            f"{played['kills']} kills, {played['tasks held']:,} tasks in dead hands",
            f"{played['run again']} run again ({played['run again'] / max(played['kills'], 1):.2f} per kill)",
            f"back in the queue {_times(played['back'])}, claimed anew {_times(played['recovery'])}",
        ]
    elif name == "zombie":
        said = played["said"]
        parts += [
            f"{played['stops']} stops, half of them until all was done",
            f"{said['late']} late, {said['stale']} stale",
        ]
    else:
        parts += [
            f"{kind} x{played['faults'][kind]}: again {_times(times)}"
            for kind, times in played["results again"].items()
        ]
    parts += played["not done"]
    parts += [f"{played['seconds']} s", f"load {played['load'][0]} to {played['load'][1]}", versions()]
    return " · ".join(parts)


def versions() -> str:
    """Return what was tested."""
    server = find_binary()
    version = binary_version(server) if server else None
    number = ".".join(map(str, version or ()))
    return f"imgpipe {__version__}, Redis {number}, redis-py {redis.__version__}, Python {platform.python_version()}"


def _times(times: dict[str, Any]) -> str:
    return "–" if not times["count"] else f"p50 {times['p50']:.2f}, p99 {times['p99']:.2f}, max {times['max']:.2f} s"


def _player(name: str, asked: argparse.Namespace) -> Callable[[Asked], dict[str, Any]]:
    players: dict[str, Callable[[Asked], dict[str, Any]]] = {
        "kill": lambda scene: scenarios.kill(scene, least=asked.least_kills, most=asked.most_kills),
        "zombie": lambda scene: scenarios.zombie(scene, stops=asked.stops),
        "redis": lambda scene: scenarios.redis_away(
            scene, kills=asked.redis_kills, pauses=asked.pauses, fulls=asked.fulls, pause_seconds=asked.pause_seconds
        ),
    }
    return players[name]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("scenario", choices=[*SCENARIOS, "peers", "all"], nargs="?", default="all")
    parser.add_argument("--tasks", type=int, help="pictures: 10,000, or 20,000 for zombies")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 16))
    parser.add_argument("--lease", type=float, help="seconds: 5, or 0.5 for zombies")
    parser.add_argument("--least-kills", type=int, default=60)
    parser.add_argument("--most-kills", type=int, default=200)
    parser.add_argument("--stops", type=int, default=200, help="frozen workers")
    parser.add_argument("--redis-kills", type=int, default=20)
    parser.add_argument("--pauses", type=int, default=8)
    parser.add_argument("--pause-seconds", type=float, default=10.0)
    parser.add_argument("--fulls", type=int, default=5, help="times at which Redis is full")
    parser.add_argument("--peers", type=lambda text: text.split(","), default=peers.NAMES)
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to wait for what peers have not done")
    parser.add_argument("--python", default=str(PEERS / "bin" / "python"), help="where the peers are")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "chaos", help="folder for pictures")
    parser.add_argument("--results", type=Path, help="file to keep the results in")
    return parser.parse_args()


def _keep(path: Path, found: dict[str, Any]) -> None:
    kept = {"schema": "imgpipe.chaos/1", "date": time.strftime("%Y-%m-%d", time.gmtime()), "versions": versions()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept | found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
