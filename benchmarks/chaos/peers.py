"""Peers: the same pictures, killer and server for other queues, with a job of a few lines that writes a ledger."""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from benchmarks.chaos import scenarios
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.recovery import spread
from benchmarks.chaos.scene import LARGER, lay_out
from benchmarks.queue.systems import systems
from imgpipe.queue.server import RedisServer

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.chaos.fleet import Member
    from benchmarks.chaos.scene import Asked

NAMES = ("imgpipe", "dramatiq", "celery", "rq", "huey")
_TICK_SECONDS = 0.02
_DEFAULT_LEASE_SECONDS = 15.0


@dataclass
class Ledger:
    """What jobs have written down, read on from where it was."""

    path: Path
    at: int = 0
    begun: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    ended: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    at_work: dict[str, str] = field(default_factory=dict)
    """The job that a worker has begun and not ended, "" if it is between two."""
    heard: float = field(default_factory=time.monotonic)

    def read(self) -> None:
        """Take in new lines. Each was written by one call, so that none is mixed with another."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self.at)
            text = file.read()
            self.at += len(text)
            for line in text.decode("ascii").splitlines():
                what, name, worker, moment = line.split()
                entries = self.begun if what == "begin" else self.ended
                entries.setdefault(name, []).append((float(moment), worker))
                self.at_work[worker] = name if what == "begin" else ""
                self.heard = time.monotonic()


def peer(name: str, asked: Asked, *, python: str, best: bool, kills: int, patience_seconds: float) -> dict[str, Any]:
    """Run one queue through the kills; then wait until all is done, or nothing has happened for too long."""
    asked = replace(asked, size=LARGER)
    system = systems(python)[name]
    told = {"name": name, "title": system.title, "version": system.version(), "best": best, "seed": asked.seed}
    if name == "imgpipe":
        lease_seconds = asked.lease_seconds if best else _DEFAULT_LEASE_SECONDS
        return told | _imgpipe(replace(asked, lease_seconds=lease_seconds), kills)
    folder = asked.work / f"peer-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    names = sorted(path.name for path in lay_out(asked, folder).iterdir())
    (folder / "out").mkdir()
    ledger = Ledger(folder / "ledger")
    with RedisServer(persist=True, tcp=True) as server:
        environment = system.environment(server.url, folder, best=best)
        system.submit("thumbnail", names, environment)
        fleet = Fleet(
            asked.workers,
            lambda worker: system.worker(system.python, "thumbnail", worker),
            folder / "logs",
            environment=environment,
        )
        with fleet:
            struck = _run(fleet, ledger, asked, len(names), kills, patience_seconds)
    return told | _found(names, ledger, struck, folder / "out", patience_seconds)


def _run(
    fleet: Fleet, ledger: Ledger, asked: Asked, count: int, kills: int, patience_seconds: float
) -> list[tuple[float, str]]:
    """Return the moment of each kill, and the job that the worker had in work."""
    chance, pause = random.Random(asked.seed), threading.Event()  # noqa: S311 - to be repeated
    struck: list[tuple[float, str]] = []
    due, waits_since = 0.0, time.monotonic()
    while len(ledger.ended) < count and time.monotonic() < max(ledger.heard, waits_since) + patience_seconds:
        fleet.fill()
        ledger.read()
        if len(struck) < kills and time.monotonic() >= due:
            due = time.monotonic() + scenarios.EVERY_SECONDS
            member: Member = chance.choice(fleet.members)
            if member.name in ledger.at_work:
                fleet.kill(member)
                moment = waits_since = time.monotonic()
                ledger.read()
                struck.append((moment, ledger.at_work[member.name]))
        pause.wait(_TICK_SECONDS)
    return struck


def _found(
    names: list[str], ledger: Ledger, struck: list[tuple[float, str]], target: Path, patience_seconds: float
) -> dict[str, Any]:
    torn = [(moment, name) for moment, name in struck if name]
    again = [min((at - moment for at, _ in ledger.begun[name] if at > moment), default=None) for moment, name in torn]
    there = {path.name for path in target.iterdir() if path.suffix != ".part"}
    begun, ended = (sum(map(len, entries.values())) for entries in (ledger.begun, ledger.ended))
    return {
        "tasks": len(names),
        "kills": len(struck),
        "in work": len(torn),
        "not back": len(names) - len(ledger.ended),
        "patience seconds": patience_seconds,
        "corrupt": sum(not _is_whole(target / name) for name in there),
        "begun again": begun - len(ledger.begun),
        "done twice": ended - len(ledger.ended),
        "litter": sum(path.suffix == ".part" for path in target.iterdir()),
        "recovery": spread([seconds for seconds in again if seconds is not None]),
        "never begun again": sum(seconds is None for seconds in again),
    }


def _imgpipe(asked: Asked, kills: int) -> dict[str, Any]:
    found = scenarios.kill(asked, least=0, most=kills)
    counted, misses = found["counted"], found["misses"]
    return {
        "tasks": asked.tasks,
        "lease seconds": asked.lease_seconds,
        "kills": found["kills"],
        "in work": found["with tasks"],
        "not back": misses["lost"] + counted["lost"],
        "corrupt": misses["corrupt"],
        "begun again": found["run again"],
        "done twice": counted["late"] + counted["duplicates"],
        "litter": misses["litter"],
        "recovery": found["recovery"],
        "never begun again": misses["not recovered"],
    }


def _is_whole(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
    except OSError:
        return False
    return True
