"""worker: takes pictures from a queue on Redis and works on them, until it is told to end."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import re
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.interrupt import handled
from imgpipe_cli.modules import import_user_filters
from imgpipe_cli.options import BYTES, WORKERS
from imgpipe_cli.progress import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from imgpipe.children.sandbox import Sandbox
    from imgpipe.worker import Event, Summary, Worker, WorkerSettings

_SECONDS = click.FloatRange(0, min_open=True)


@click.command("worker", short_help="Work on pictures that others hand over through Redis.")
@click.option(
    "--capabilities",
    default="all",
    show_default=True,
    metavar="LABELS",
    help="What it can run: io, cpu, all (both), and labels of yours, with commas between them.",
)
@click.option("-j", "--workers", type=WORKERS, default="auto", show_default=True, help="How many pictures at once.")
@click.option(
    "--redis",
    "url",
    envvar="IMGPIPE_REDIS",
    required=True,
    metavar="URL",
    help="Where the queue is: redis://host:6379/0, rediss://… or unix:///path (or IMGPIPE_REDIS).",
)
@click.option("--namespace", default="default", show_default=True, envvar="IMGPIPE_NAMESPACE",
              help="Which queue of those that are there.")  # fmt: skip
@click.option("--name", help="What others see it by (default: the name of this machine).")
@click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="FOLDER",
    help="Touch pictures below this folder only; may be repeated (default: any that this user may).",
)
@click.option(
    "--lease",
    type=_SECONDS,
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="When nothing is heard of it for so long, others take over.",
)
@click.option(
    "--grace",
    type=_SECONDS,
    default=25.0,
    show_default=True,
    metavar="SECONDS",
    help="How long pictures in work may take when it is told to end.",
)
@click.option("--idle-exit", type=_SECONDS, metavar="SECONDS", help="End after so long without a picture.")
@click.option("--max-jobs", type=click.IntRange(1), metavar="N", help="End after N pictures.")
@click.option("--max-memory", type=BYTES, help="Memory for pictures in work, as 4G (default: 60 % of what is free).")
@click.option("--timeout", type=_SECONDS, metavar="SECONDS", help="End a picture that takes longer.")
@click.option("--sandbox", is_flag=True, help="Confine the processes that open pictures to the roots (Linux).")
@click.option(
    "--routing",
    type=click.Choice(["labels", "fifo"]),
    default="labels",
    show_default=True,
    help="fifo, for teaching, takes whatever comes and finds out afterwards that it cannot run it.",
)
@click.option("--import", "import_modules", multiple=True, metavar="MODULE", help="A module with filters of yours.")
@click.option("--json", "as_json", is_flag=True, help="Write events as JSON lines to stdout.")
def worker_command(url: str, namespace: str, as_json: bool, **given: Any) -> ExitCode:
    """Take pictures from the queue on a Redis server and work on them, each in a process of its own.

    It runs until it gets a signal. The first SIGTERM or Ctrl-C finishes what is in work and gives the rest back, the
    second gives back everything, the third ends it at once. SIGUSR1 finishes what is in work and stays; SIGQUIT shows
    what it is doing. If it dies, others do its work.

    \b
    imgpipe worker --redis redis://queue.example/0 --root /srv/pictures
    imgpipe worker --capabilities cpu -j 8 --redis unix:///run/redis.sock
    """  # noqa: D301 - click knows a paragraph that it must not wrap by this very character
    from imgpipe.queue import open_queue  # noqa: PLC0415 - with the next
    from imgpipe.worker import Worker  # noqa: PLC0415 - numpy and Pillow, which --help does not need

    import_user_filters(given["import_modules"])
    settings = _settings(given)
    tell = _tell_as_json if as_json else _tell
    worker = Worker(partial(open_queue, url, namespace=namespace), settings, tell=tell)
    with _signals(worker) as ending:
        tell(_start(settings, shown_url(url), namespace))
        summary = worker.run()
    tell(_end(summary))
    return ending.code


class _Ending:
    """Which signals have come, and with what code that ends."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._count = 0
        self.code = ExitCode.DONE

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Drain, then stop, then end."""
        del frame
        self._count += 1
        interrupted = number == signal.SIGINT
        if self._count == 1:
            self.code = ExitCode.INTERRUPTED if interrupted else ExitCode.DONE  # a server that drains has done well
            self._worker.drain()
        else:
            self.code = ExitCode.INTERRUPTED if interrupted else ExitCode.TERMINATED
            self._worker.stop()
        if self._count > 2:
            os._exit(self.code)  # the lease covers the rest

    def quiet(self, number: int, frame: FrameType | None) -> None:
        """Claim no more."""
        del number, frame
        self._worker.quiet()

    def ask_children(self, number: int, frame: FrameType | None) -> None:
        """Have the children show their stacks, when we have shown ours."""
        del frame
        for pid in self._worker.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


@contextlib.contextmanager
def _signals(worker: Worker) -> Iterator[_Ending]:
    """Listen to signals for the `with` block."""
    ending = _Ending(worker)
    handlers = {"SIGINT": ending.handle, "SIGTERM": ending.handle, "SIGUSR1": ending.quiet,
                "SIGQUIT": ending.ask_children}  # fmt: skip
    numbers = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
    with handled(numbers):
        if hasattr(signal, "SIGQUIT"):
            faulthandler.register(signal.SIGQUIT, file=2, chain=True)
        try:
            yield ending
        finally:
            if hasattr(signal, "SIGQUIT"):
                faulthandler.unregister(signal.SIGQUIT)


def _settings(given: dict[str, Any]) -> WorkerSettings:
    from imgpipe.machine import usable_cores  # noqa: PLC0415 - loads psutil
    from imgpipe.worker import WorkerSettings  # noqa: PLC0415 - numpy and Pillow, which --help does not need

    roots = tuple(given["roots"])
    return WorkerSettings(
        name=given["name"] or re.sub(r"[^A-Za-z0-9._:@-]", "-", socket.gethostname())[:80] or "worker",
        labels=labels_of(given["capabilities"]),
        slots=given["workers"] or usable_cores(),
        routing=given["routing"],
        lease_seconds=given["lease"],
        grace_seconds=given["grace"],
        idle_exit_seconds=given["idle_exit"],
        max_jobs=given["max_jobs"],
        roots=roots,
        max_memory_bytes=given["max_memory"],
        timeout_seconds=given["timeout"],
        sandbox=_sandbox(roots, given["import_modules"]) if given["sandbox"] else None,
    )


def labels_of(text: str) -> frozenset[str]:
    """Return the labels that `--capabilities` names; `all` is io and cpu. Raises `BadOption`."""
    from imgpipe.queue.values import ALL, check_labels  # noqa: PLC0415 - only what is used is loaded

    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise BadOption("capabilities", text, "io, cpu, all, or labels with commas between them")
    labels = frozenset(label for name in names for label in (ALL if name == "all" else (name,)))
    check_labels(labels)
    return labels


def kinds_of(capabilities: str) -> list[str]:
    """Return what each worker of a list can run, as `--capabilities` takes it. Raises `BadOption`."""
    kinds = [kind.strip().replace("+", ",") for kind in capabilities.split(",") if kind.strip()]
    if not kinds:
        raise BadOption("workers", capabilities, "a worker or more, as io,cpu,all")
    for kind in kinds:
        labels_of(kind)
    return kinds


def _sandbox(roots: tuple[str, ...], modules: tuple[str, ...]) -> Sandbox:
    """Let children read and write below the roots, and read the filters of `--import`."""
    from imgpipe.children.sandbox import Sandbox  # noqa: PLC0415 - only where it is asked for

    if not roots:
        raise BadOption("sandbox", "without --root", "--root FOLDER, outside of which nothing can be touched")
    files = (getattr(sys.modules[module], "__file__", None) for module in modules)
    return Sandbox(read=(*roots, *(os.path.dirname(file) for file in files if file)), write=roots)


def shown_url(url: str) -> str:
    """Return a URL without the name and the password in it."""
    parts = urlsplit(url)
    query = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key not in {"password", "username"}])
    where = (parts.netloc + parts.path).rpartition("@")[2]
    return (f"{parts.scheme}://" if parts.scheme else "") + where + (f"?{query}" if query else "")


def _start(settings: WorkerSettings, url: str, namespace: str) -> Event:
    from imgpipe.worker import Event  # noqa: PLC0415 - it is loaded by now

    labels = ",".join(sorted(settings.labels))
    where = f"{url} ({namespace})" if namespace != "default" else url
    fifo = ", takes whatever comes" if settings.routing == "fifo" else ""
    text = f"worker {settings.name}: {labels} x{settings.slots}{fifo}, {where}"
    if not settings.roots and not _is_local(url):
        text += "; whoever reaches that Redis can have it read and write any picture that this user may: see --root"
    details = {"name": settings.name, "labels": sorted(settings.labels), "slots": settings.slots, "redis": url,
               "namespace": namespace, "routing": settings.routing, "roots": list(settings.roots)}  # fmt: skip
    return Event("start", text, details)


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "unix" or (parts.hostname or "localhost") in {"localhost", "127.0.0.1", "::1"}


def _end(summary: Summary) -> Event:
    from dataclasses import asdict  # noqa: PLC0415 - with the next

    from imgpipe.worker import Event  # noqa: PLC0415 - it is loaded by now

    counts = [f"{summary.done} done"]
    for name in ("failed", "lost", "retried", "released", "late", "stale"):
        if number := getattr(summary, name):
            words = {"retried": "to be tried again", "released": "given back"}
            counts.append(f"{number} {words.get(name, name)}")
    return Event("summary", f"{summary.why}: {', '.join(counts)} in {summary.seconds:.1f} s", asdict(summary))


def _tell(event: Event) -> None:
    click.echo(f"imgpipe worker: {display_name(event.text)}", err=True)


def _tell_as_json(event: Event) -> None:
    # json escapes everything that is not ASCII, so no name can act on a terminal. One call, for there are threads.
    sys.stdout.write(json.dumps({"schema": SCHEMA, "type": event.kind, "text": event.text, **event.details}) + "\n")
    sys.stdout.flush()
