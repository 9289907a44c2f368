"""Scene: pictures, a Redis server, workers of imgpipe and a client that hands them a run; then what came of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.chaos.fleet import Fleet
from imgpipe import Pipeline, Recipe, process
from imgpipe.api import run
from imgpipe.executors.queued import QueuedExecutor, QueuedOptions
from imgpipe.plan.plan import PlanOptions, make_plan
from imgpipe.queue import open_queue
from imgpipe.queue.server import RedisServer
from imgpipe.samples import make_samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from imgpipe.queue.base import TaskQueue
    from imgpipe.report import Report
    from imgpipe.task import Result

PIPELINE = "resize:256x256"
SMALL, LARGER = (480, 320), (1200, 800)
_PAINTED = 48
_TICK_SECONDS = 0.02


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    tasks: int
    workers: int
    seed: int
    lease_seconds: float
    work: Path
    size: tuple[int, int] = SMALL


@dataclass
class Seen:
    """What the client has seen: each result, with inode and mtime of its file at that moment."""

    results: dict[str, list[Result]] = field(default_factory=dict)
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    count: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, result: Result) -> None:
        """Write down a result."""
        name = os.path.basename(result.target)
        with contextlib.suppress(OSError):
            self.files[name] = identity(result.target)
        self.results.setdefault(name, []).append(result)
        with self.changed:
            self.count += 1
            self.changed.notify_all()

    def wait_for_more(self, than: int, seconds: float) -> float | None:
        """Wait until there are more results than that; return how long it took, None if it did not happen."""
        start = time.monotonic()
        with self.changed:
            return time.monotonic() - start if self.changed.wait_for(lambda: self.count > than, seconds) else None


@dataclass
class Scene:
    """A run that is on its way. `queue` is for looking on; the client has a connection of its own."""

    asked: Asked
    server: RedisServer
    queue: TaskQueue
    fleet: Fleet
    seen: Seen
    executor: QueuedExecutor
    source: Path
    target: Path
    _future: Future[Report]
    _start: float = field(default_factory=time.monotonic)

    @property
    def job(self) -> str:
        """The job's id, "" before its first task."""
        return self.executor.job

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._start

    def ticks(self) -> Iterator[None]:
        """Come back every now and then, until the client has all results."""
        while not self._future.done():
            yield
            wait([self._future], _TICK_SECONDS)

    def report(self) -> Report:
        """Return the client's report; raise what has ended it."""
        return self._future.result()

    def summaries(self) -> list[dict[str, Any]]:
        """End the workers and return their last words."""
        words = [member.log.read_text(encoding="utf-8").splitlines() for member in self.fleet.end()]
        events = [json.loads(lines[-1]) for lines in words if lines and lines[-1].startswith("{")]
        return [event for event in events if event["type"] == "summary"]


@contextlib.contextmanager
def played(asked: Asked, name: str, *, persist: bool = False) -> Iterator[Scene]:
    """Set a scene, begin the run, and tidy up at the end; what the workers wrote stays after a failure."""
    folder = asked.work / name
    shutil.rmtree(folder, ignore_errors=True)
    source, target = lay_out(asked, folder), folder / "out"
    recipe = Recipe(Pipeline.parse(PIPELINE))
    plan = make_plan([str(source)], recipe, PlanOptions(), output=str(target))
    plan.check()
    seen = Seen()
    with RedisServer(persist=persist) as server, contextlib.ExitStack() as stack:
        options = QueuedOptions(key=name, source_root=str(source), target_root=str(target))
        executor = QueuedExecutor(open_queue(server.url), options, owned=True)
        stack.callback(executor.close)
        queue = open_queue(server.url)
        stack.callback(queue.close)
        command = [sys.executable, "-m", "imgpipe", "worker", "--redis", server.url, "--capabilities", "all"]
        command += ["-j", "1", "--lease", str(asked.lease_seconds), "--json", "--name"]
        fleet = stack.enter_context(Fleet(asked.workers, lambda worker: [*command, worker], folder / "logs"))
        client = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(executor.leave)
        future = client.submit(run, plan, executor, each=seen.take)
        yield Scene(asked, server, queue, fleet, seen, executor, source, target, future)


def lay_out(asked: Asked, folder: Path) -> Path:
    """Fill folder/in with links to a few dozen painted pictures, over and over; return it."""
    painted = painted_pictures(asked)
    source = folder / "in"
    source.mkdir(parents=True)
    for number in range(asked.tasks):
        original = painted[number % len(painted)]
        os.link(original, source / f"{number:06d}{os.path.splitext(original)[1]}")
    return source


def painted_pictures(asked: Asked) -> list[str]:
    """Return pictures that look like photographs, some upright, one with alpha; those that are there are kept."""
    folder = asked.work / f"painted-{asked.size[0]}"
    folder.mkdir(parents=True, exist_ok=True)
    return make_samples(str(folder), _PAINTED, *asked.size)


def expected_digests(asked: Asked) -> list[str]:
    """Return what a sequential run makes of the painted pictures, in their order."""
    folder = asked.work / "expected"
    shutil.rmtree(folder, ignore_errors=True)
    painted = painted_pictures(asked)
    report = process(painted, PIPELINE, folder, executor="sequential")
    assert report.done == len(painted)
    return [digest(folder / os.path.basename(path)) for path in painted]


def digest(path: Path) -> str:
    """Return what tells a file's bytes from others."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def identity(path: str) -> tuple[int, int]:
    """Return inode and mtime (ns): one of them changes if the file is written again."""
    status = os.stat(path)
    return status.st_ino, status.st_mtime_ns
