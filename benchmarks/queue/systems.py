"""Systems: the table of queues: how each submits and works, and how to learn whether it is here."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parent.parent.parent
PEERS = ROOT / "build" / "bench"
_APPS = "benchmarks.queue.apps"


@dataclass(frozen=True)
class System:
    """A queue. `worker` makes the command of one worker process for a job; it does `share` of the no-op tasks."""

    title: str
    app: str
    worker: Callable[[str, str, str], list[str]]  # python, job, name
    python: str
    package: str
    share: float = 1.0
    needs_redis: int = 6
    path: str = ""

    def version(self) -> str:
        """Return the version, or an empty text if it is not here."""
        look = f"from importlib.metadata import version; import {self.package}; print(version({self.package!r}))"
        return self._output([self.python, "-c", look])

    def environment(self, url: str, folder: Path, *, best: bool = False) -> dict[str, str]:
        """Return the environment of its processes."""
        path = os.pathsep.join(
            [*([self.path] if self.path else []), *(str(ROOT / part) for part in ("src", "cli", "."))]
        )
        return {"PYTHONPATH": path, "BENCH_URL": url, "BENCH_FOLDER": str(folder), "BENCH_BEST": str(int(best))}

    def submit(self, job: str, names: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
        """Hand over a job for each name; return the seconds that it took, and those of the processor."""
        command = [self.python, "-m", f"{_APPS}.{self.app}", job]
        run = subprocess.run(
            command,
            input="\n".join(names),
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
            check=False,
        )
        if run.returncode:
            raise SystemExit(f"{self.title} cannot submit:\n{run.stderr[-2000:]}")
        wall, cpu = run.stdout.split()[-2:]
        return float(wall), float(cpu)

    def _output(self, command: list[str]) -> str:
        environment = {**os.environ, **self.environment("", ROOT)}
        run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        return run.stdout.strip() if run.returncode == 0 else ""


def systems(python: str) -> dict[str, System]:
    """Return all queues; the peers live in the environment of `python`, but arq, which wants an older redis-py."""
    peers = {
        "imgpipe": System("**imgpipe**", "imgpipe_app", _own("imgpipe_app"), sys.executable, "imgpipe", share=3),
        "huey": System("huey", "huey_app", _huey, python, "huey"),
        "dramatiq": System("Dramatiq", "dramatiq_app", _dramatiq, python, "dramatiq"),
        "arq": System("arq", "arq_app", _arq, python, "arq", share=0.5, path=str(PEERS / "arq")),
        "streaq": System("streaQ", "streaq_app", _streaq, python, "streaq", needs_redis=7),
        "celery": System("Celery", "celery_app", _celery, python, "celery", share=0.5),
        "rq": System("RQ", "rq_app", _own("rq_app"), python, "rq", share=0.25),
    }
    return {name: peers[name] for name in peers}


def _own(app: str) -> Callable[[str, str, str], list[str]]:
    return lambda python, job, _: [python, "-m", f"{_APPS}.{app}", "work", job]


def _huey(python: str, job: str, name: str) -> list[str]:
    del job, name
    return [python, "-m", "huey.bin.huey_consumer", f"{_APPS}.huey_app.huey", "-k", "process", "-w", "1", "-q"]


def _dramatiq(python: str, job: str, name: str) -> list[str]:
    del name
    threads = "8" if job == "noop" else "1"  # 8 is the default
    return [python, "-m", "dramatiq", f"{_APPS}.dramatiq_app", "-p", "1", "-t", threads]


def _arq(python: str, job: str, name: str) -> list[str]:
    del job, name
    return [python, "-m", "arq", f"{_APPS}.arq_app.WorkerSettings"]


def _streaq(python: str, job: str, name: str) -> list[str]:
    del job, name
    return [python, "-m", "streaq", "run", f"{_APPS}.streaq_app:worker"]


def _celery(python: str, job: str, name: str) -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "--loglevel", "ERROR"]
    pool = ["--pool", "solo"] if job == "noop" else ["--pool", "prefork", "--concurrency", "1"]
    return [python, "-m", "celery", "-A", f"{_APPS}.celery_app", "worker", "-n", f"{name}@%h", *pool, *quiet]
