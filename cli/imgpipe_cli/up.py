"""up: a queue, its Redis server, its workers and an HTTP server on this machine, in one terminal, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.interrupt import ENDS, handled
from imgpipe_cli.options import WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from imgpipe.queue.server import RedisServer
    from imgpipe_cli.parts import Workers

_GRACE_SECONDS = 30.0  # the workers' own time of grace is shorter
_OURS = "up"


@click.command("up", short_help="Start Redis, workers and an HTTP server here, in one terminal.")
@click.option(
    "--workers",
    "capabilities",
    default="io,cpu,all",
    show_default=True,
    metavar="LIST",
    help="One worker for each item: io, cpu, all, or labels of yours joined by +.",
)
@click.option(
    "-j",
    "--slots",
    type=WORKERS,
    default="auto",
    show_default=True,
    help="Pictures that each worker has at once (auto: the cores, shared).",
)
@click.option(
    "--redis",
    "url",
    default="embedded",
    show_default=True,
    metavar="URL|embedded",
    help="Use a server that is there instead of starting one.",
)
@click.option(
    "--redis-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Let the server listen on this port of the loopback (default: on a socket that only you reach).",
)
@click.option("--namespace", default="default", show_default=True, help="Which queue of those on that server.")
@click.option(
    "--routing",
    type=click.Choice(["labels", "fifo"]),
    default="labels",
    show_default=True,
    help="As of `imgpipe worker`: fifo is for teaching.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port of the HTTP server, which serves this machine only; 0 takes a free one.",
)
@click.option("--no-http", is_flag=True, help="Start no HTTP server.")
@click.option("--images", default="static/images", show_default=True, metavar="FOLDER", help="As of `imgpipe serve`.")
@click.option(
    "--processed", default="static/processed", show_default=True, metavar="FOLDER", help="As of `imgpipe serve`."
)
@click.option("--root", "roots", multiple=True, metavar="FOLDER", help="As of `imgpipe worker` and `imgpipe serve`.")
@click.option("--import", "import_modules", multiple=True, metavar="MODULE", help="A module with filters of yours.")
def up_command(
    capabilities: str, slots: int | None, url: str, redis_port: int | None, namespace: str, **more: Any
) -> ExitCode:
    """Start Redis, workers and an HTTP server on this machine, show what they say, and start again what dies.

    Ctrl-C lets the workers finish what they have, then ends everything; a second one does not wait. Nothing is kept:
    when the server ends, its jobs are gone. Pictures are not.
    """  # fmt: skip
    from imgpipe_cli.parts import OwnServer, Workers  # noqa: PLC0415 - only what is used is loaded

    if url != "embedded" and redis_port is not None:
        raise BadOption("redis-port", redis_port, "none together with --redis: that server has its own")
    serves = not more["no_http"]
    planned = _planned(capabilities, slots, namespace, more)
    if serves:
        more["port"] = _port(more["port"])
        for name in ("images", "processed"):
            _make_folder(name, more[name])
    with _Stopping().listening() as stopping, contextlib.ExitStack() as stack:
        server = stack.enter_context(_server(redis_port)) if url == "embedded" else None
        where = url if server is None else server.url
        # What is stopped first is started last.
        workers = Workers(where, _say)
        stack.callback(workers.close)
        for name, arguments in planned.items():
            workers.start(name, arguments)
        if serves:
            workers.start("http", _serving(namespace, more), OwnServer)
        _say_what_to_do(where, namespace, workers, more["port"] if serves else None)
        is_well = _tend(workers, server, stopping)
        if is_well:
            _say(_OURS, "stopping: the workers finish what they have (Ctrl-C again to end at once)")
        workers.drain(_GRACE_SECONDS, lambda: stopping.count > 1)
    _say(_OURS, "everything has ended")
    return stopping.code if is_well else ExitCode.UNEXPECTED


class _Stopping:
    """How many signals have come, and the code of the first."""

    def __init__(self) -> None:
        self.count, self.code = 0, ExitCode.DONE

    @contextlib.contextmanager
    def listening(self) -> Iterator[_Stopping]:
        """Handle SIGINT and SIGTERM for the `with` block."""
        with handled(dict.fromkeys(ENDS, self._handle)):
            yield self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if not self.count and number == signal.SIGINT:
            self.code = ExitCode.INTERRUPTED
        self.count += 1


def _planned(capabilities: str, slots: int | None, namespace: str, more: dict[str, Any]) -> dict[str, list[str]]:
    """Return the workers by name, with their arguments."""
    from imgpipe.machine import usable_cores  # noqa: PLC0415 - loads psutil
    from imgpipe_cli.worker import kinds_of  # noqa: PLC0415 - the same

    kinds = kinds_of(capabilities)
    each = slots or max(usable_cores() // len(kinds), 1)
    common = ["-j", str(each), "--namespace", namespace, "--routing", more["routing"]]
    roots = list(more["roots"])
    if roots and not more["no_http"]:
        roots += [more["images"], more["processed"]]  # or what comes over HTTP would be refused
    common += [word for root in roots for word in ("--root", root)]
    common += [word for module in more["import_modules"] for word in ("--import", module)]
    return {f"worker-{number}": ["--capabilities", kind, *common] for number, kind in enumerate(kinds, start=1)}


def _make_folder(name: str, folder: str) -> None:
    """Make a folder of the HTTP server: workers that are confined to it look for it when they start."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise BadOption(name, folder, f"a folder that can be made ({error.strerror})") from error


def _port(port: int) -> int:
    """Return a port that is free now; the server itself says so if it is not any more."""
    try:
        with socket.create_server(("127.0.0.1", port)) as free:
            return int(free.getsockname()[1])
    except OSError as error:
        raise BadOption("port", port, f"a port that can be had ({error.strerror}), or --no-http") from error


def _serving(namespace: str, more: dict[str, Any]) -> list[str]:
    """Return the arguments of the HTTP server."""
    arguments = ["--port", str(more["port"]), "--images", more["images"], "--processed", more["processed"]]
    arguments += ["--namespace", namespace, "--routing", more["routing"], "--quiet"]
    arguments += [word for root in more["roots"] for word in ("--root", root)]
    return arguments + [word for module in more["import_modules"] for word in ("--import", module)]


def _server(port: int | None) -> RedisServer:
    from imgpipe.queue.server import RedisServer  # noqa: PLC0415 - only where a server is started

    return RedisServer(tcp=port is not None, port=port or 0)


def _say_what_to_do(url: str, namespace: str, workers: Workers, port: int | None) -> None:
    more = "" if namespace == "default" else f" --namespace {namespace}"
    _say(_OURS, ", ".join(f"{name} (process {pid})" for name, pid in workers.pids.items()))
    _say(_OURS, "in another terminal:")
    lines = [
        f"export IMGPIPE_REDIS={shlex.quote(url)}",
        f"imgpipe process photos -o small -f resize:800x600 -f sharpen --executor redis{more}",
        f"imgpipe workers list{more}",
        f"imgpipe jobs list{more}",
    ]
    if port is not None:
        api, order = f"http://127.0.0.1:{port}/api", """'{"filters": ["resize", "sharpen"]}'"""
        lines += [
            f"curl {api}/process-batch/distributed/ -H 'Content-Type: application/json' -d {order}",
            f"curl '{api}/task/TASK_ID/status/?wait=30'",
            f"curl {api}/workers/status/",
        ]
    for line in lines:
        click.echo(f"    {line}")


def _tend(workers: Workers, server: RedisServer | None, stopping: _Stopping) -> bool:
    """Look after everything until a signal comes; False if nothing is left to look after."""
    from imgpipe_cli.parts import Restarts  # noqa: PLC0415 - only what is used is loaded

    restarts = Restarts()
    while not stopping.count:
        if not workers.tend():
            _say(_OURS, "no worker is left")
            return False
        if server is not None and server.pid is None:
            if not restarts.may_start():
                _say("redis", "died again and again: given up")
                return False
            _say("redis", "died, and is started again; its jobs are handed over anew by those who wait for them")
            server.start()
    return True


def _say(name: str, line: str) -> None:
    click.echo(f"{name:8} | {display_name(line)}")
