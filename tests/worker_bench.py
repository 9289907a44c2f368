"""A bench for workers: jobs with small pictures on any queue, real worker processes, and what became of both."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from PIL import Image

from imgpipe import Pipeline, Recipe, Task
from imgpipe.queue.payload import JobPayload, decode_result, encode_task, needs_of_recipe
from imgpipe.queue.values import Item, JobSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgpipe import Result
    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import JobStatus

PATIENCE_SECONDS = 30.0
TESTS = Path(__file__).parent


def until(condition: Callable[[], object], what: str = "it") -> None:
    """Wait until something is true, and fail if that takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} does not happen"
        pause.wait(0.02)


def let_pass(seconds: float) -> None:
    """Wait until so much time has passed, where a lease has to end by itself."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end)


@dataclass
class Bench:
    """Pictures in `folder`/in, results in `folder`/out, and a queue."""

    folder: Path
    queue: TaskQueue
    payloads: dict[str, JobPayload] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What `test.trace` writes to."""
        return self.folder / "log"

    @property
    def gate(self) -> Path:
        """What `test.trace` waits for."""
        return self.folder / "gate"

    def submit(
        self,
        pipeline: str,
        widths: Iterable[int],
        *,
        job: str = "j",
        in_place: bool = False,
        sealed: bool = True,
        **options: Any,
    ) -> None:
        """Hand over a job with one picture of each width; its number in the job is its place in `widths`.

        `options` are those of `JobSpec`, and of `JobPayload`.
        """
        of_payload = {name: options.pop(name) for name in ("timeout_seconds", "durable") if name in options}
        recipe = Recipe(Pipeline.parse(pipeline))
        target_root = self.folder / ("in" if in_place else "out")
        payload = JobPayload(
            recipe=recipe, source_root=str(self.folder / "in"), target_root=str(target_root), **of_payload
        )
        self.payloads[job] = payload
        self.queue.create(JobSpec(id=job, spec=payload.encode(), **({"needs": needs_of_recipe(recipe)} | options)))
        items = []
        for index, width in enumerate(widths):
            source = self.picture(width)
            task = Task("", str(source), str(target_root / source.name), recipe)
            items.append(Item(index, encode_task(task, payload)))
        self.queue.submit(job, items, last=sealed)

    def trace(self, wide: int = 0) -> str:
        """Return the filter that leaves a trace, and lets pictures from a width on wait at the gate."""
        return f'test.trace:log="{self.log}",gate="{self.gate}",wide={wide}'

    def picture(self, width: int) -> Path:
        """Return a picture of this width, made if it is not there."""
        path = self.folder / "in" / f"{width}.png"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            Image.linear_gradient("L").resize((width, 10)).convert("RGB").save(path)
        return path

    def open_gate(self) -> None:
        """Let pictures go on."""
        self.gate.touch()

    def traced(self, what: str) -> list[int]:
        """Return the widths of the pictures that have begun, or ended, in this order and as often as they did."""
        lines = self.log.read_text(encoding="ascii").splitlines() if self.log.exists() else []
        return [int(line.split()[1]) for line in lines if line.startswith(what)]

    def status(self, job: str = "j") -> JobStatus:
        """Return the counts of a job."""
        status = self.queue.status(job)
        assert status is not None
        return status

    def finish(self, job: str = "j") -> JobStatus:
        """Wait until a job is over; return its counts, which must be right."""
        until(lambda: self.status(job).is_over, f"the end of {job}")
        assert [] == self.queue.fsck(job)
        return self.status(job)

    def results(self, job: str = "j") -> dict[int, Result]:
        """Return the results by the number of the picture."""
        records = self.queue.results(job, 10_000).records
        assert len(records) == len({index for index, _, _ in records}), "a result came twice"
        return {index: decode_result(data, self.payloads[job]) for index, _, data in records if data}

    def outputs(self) -> dict[str, tuple[int, int, bytes]]:
        """Return inode, time and bytes of all results; no temporary file may be among them."""
        files = sorted((self.folder / "out").iterdir())
        assert [] == [file.name for file in files if file.name.endswith(".tmp")]
        return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns, file.read_bytes()) for file in files}


class WorkerProcess:
    """`imgpipe worker` as a process group of its own, which is killed at the end of the block; its events are kept."""

    def __init__(self, url: str, *options: str, name: str = "worker-1", lease: float = 1.0) -> None:
        command = [sys.executable, "-m", "imgpipe", "worker", "--redis", url, "--name", name, "--lease", str(lease)]
        command += ["--json", "--import", "worker_filters", "--import", "deadly_filters", *options]
        self.name = name
        self.events: list[dict[str, Any]] = []
        self.errors = b""
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._error_reader = threading.Thread(target=self._read_errors)
        self._error_reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.signal(signal.SIGKILL, group=True)
        self._process.wait()
        self._reader.join()
        self._error_reader.join()
        assert self._process.stdout
        assert self._process.stderr
        story = "\n".join(json.dumps(event) for event in self.events)
        sys.stderr.write(f"{self.name}:\n{story}\n{self.errors.decode(errors='replace')}\n")  # shown where a test fails
        self._process.stdout.close()
        self._process.stderr.close()

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the supervisor, or to all its processes."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self._process.pid, number)

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        until(lambda: self._process.poll() is not None, f"the end of {self.name}")
        self._reader.join()
        self._error_reader.join()
        code: int = self._process.returncode
        return code

    def kinds(self) -> list[str]:
        """Return the kinds of the events so far."""
        return [event["type"] for event in self.events]

    def wait_for(self, kind: str, count: int = 1) -> None:
        """Wait for events of a kind."""
        until(lambda: self.kinds().count(kind) >= count, f"{count} x {kind} in {self.name}")

    def summary(self) -> dict[str, Any]:
        """Return the last event, once the process has ended."""
        return self.events[-1]

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.events.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self.errors += line
