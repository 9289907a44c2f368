"""workers: looks at the workers of a queue, and tells them to end."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click

from imgpipe_cli.meter import duration
from imgpipe_cli.opening import find_workers, json_option, opened, queue_options
from imgpipe_cli.show import size

if TYPE_CHECKING:
    from imgpipe.queue.values import WorkerStatus

SCHEMA = "imgpipe.workers/1"
_COLUMNS = ("WORKER", "STATE", "LABELS", ">BUSY", ">DONE", ">FAILED", ">CPU", ">MEMORY", "HOST", ">PID", "VERSION",
            ">UP", ">HEARD")  # fmt: skip


@click.group("workers", short_help="Look at the workers of a queue, and tell them to end.")
def workers_command() -> None:
    """Look at the workers of a queue, and tell them to end."""


@workers_command.command("list")
@queue_options
@json_option
def list_command(url: str, namespace: str, as_json: bool) -> None:
    """List the workers that live, and those that were lost in the last ten minutes.

    HEARD is how long ago they were heard of last.
    """
    from imgpipe_cli.table import show_table  # noqa: PLC0415 - only what is used is loaded

    with opened(url, namespace) as queue:
        workers = queue.workers()
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "workers": [_data(worker) for worker in workers]}))
    elif workers:
        show_table(_COLUMNS, [_row(worker) for worker in workers])
    else:
        click.echo("no workers; `imgpipe worker --capabilities all` starts one")


@workers_command.command("drain")
@queue_options
@click.argument("worker")
def drain_command(url: str, namespace: str, worker: str) -> None:
    """Let a worker finish what it has in work, give back the rest, and end."""
    _command(url, namespace, worker, "drain")


@workers_command.command("stop")
@queue_options
@click.argument("worker")
def stop_command(url: str, namespace: str, worker: str) -> None:
    """Let a worker give back everything and end at once."""
    _command(url, namespace, worker, "stop")


def _command(url: str, namespace: str, name: str, command: Literal["drain", "stop"]) -> None:
    with opened(url, namespace) as queue:
        for worker in find_workers(queue, name):
            told = queue.command(worker.id, command)
            click.echo(f"{worker.name} ({worker.id}) {f'will {command}' if told else 'has just ended'}")


def _row(worker: WorkerStatus) -> tuple[object, ...]:
    load = worker.load
    return (
        worker.name,
        "lost: it died" if worker.state == "lost" else worker.state,
        ",".join(sorted(worker.labels)) + (" (fifo)" if worker.routing == "fifo" else ""),
        f"{load.busy}/{worker.slots}",
        load.done,
        load.failed,
        None if load.cpu_percent is None else f"{load.cpu_percent:.0f} %",
        None if load.memory_bytes is None else size(load.memory_bytes),
        worker.host,
        worker.pid,
        worker.version,
        duration(worker.age_seconds),
        duration(worker.beat_seconds),
    )


def _data(worker: WorkerStatus) -> dict[str, Any]:
    return asdict(worker) | {"labels": sorted(worker.labels), "alive": worker.is_alive}
