"""metrics: shows once what the machine, the workers and the queue are doing, and what is advised."""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import QueueUnavailable
from imgpipe_cli.dashboard.watching import named, source_of, watch_options
from imgpipe_cli.opening import json_option
from imgpipe_cli.show import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.monitor import Snapshot

_APART_SECONDS = 0.5  # of two looks: how busy the cores are is only known between two


@click.command("metrics", short_help="Show the numbers once: machine, workers, queue, advice.")
@watch_options
@json_option
@click.option("--prometheus", is_flag=True, help="Write the text that Prometheus reads.")
@click.option("--watch", "seconds", type=click.FloatRange(min=0.5), metavar="SECONDS", help="Again and again.")
def metrics_command(as_json: bool, prometheus: bool, seconds: float | None, **given: Any) -> None:
    """Show CPU and memory, workers and queue, and whether more workers would help.

    It takes half a second, because it looks twice: rates are what has changed in between.
    """
    if as_json and prometheus:
        raise click.UsageError("--json and --prometheus exclude each other")
    never = threading.Event()
    name = named(given)
    with source_of(given, name, advise_seconds=_APART_SECONDS if seconds is None else None) as source:
        source.take()
        never.wait(_APART_SECONDS)
        while True:
            try:
                _write(source.take(), as_json, prometheus, is_one_of_many=seconds is not None)
            except QueueUnavailable as error:
                if seconds is None:
                    raise
                click.echo(f"imgpipe: {display_name(error)}", err=True)
            if seconds is None:
                return
            never.wait(seconds)


def _write(snapshot: Snapshot | None, as_json: bool, prometheus: bool, *, is_one_of_many: bool) -> None:
    from imgpipe.monitor.document import to_data  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.monitor.prometheus import to_text  # noqa: PLC0415 - the same

    assert snapshot is not None  # only recordings end
    if as_json:
        # json escapes everything that is not ASCII, so no name can act on a terminal.
        click.echo(json.dumps(to_data(snapshot), allow_nan=False))
    elif prometheus:
        click.echo(to_text(snapshot), nl=False)
    else:
        for line in lines_of(snapshot):
            click.echo(display_name(line))
        if is_one_of_many:
            click.echo()
    sys.stdout.flush()


def lines_of(snapshot: Snapshot) -> Iterator[str]:
    """Tell what there is to know at a glance; what is not known is a dash."""
    from imgpipe.monitor.document import recommendation, summary  # noqa: PLC0415 - the same

    numbers = summary(snapshot)
    available = numbers["memory_available_bytes"]
    utilization, success = numbers["worker_utilization"], numbers["success_rate"]
    yield "SYSTEM METRICS"
    yield "=" * 40
    yield _row("CPU usage", _percent(numbers["cpu_percent"]))
    yield _row("Memory usage", _percent(numbers["memory_percent"]))
    yield _row("Memory available", "–" if available is None else size(int(available)))
    yield ""
    yield "WORKER METRICS"
    yield "-" * 40
    yield _row("Active workers", str(numbers["total_workers"]))
    yield _row("Busy workers", str(numbers["busy_workers"]))
    yield _row("Utilization", _percent(None if utilization is None else 100 * utilization))
    yield _row("Queue length", str(numbers["queue_length"]))
    yield _row("Success rate", _percent(None if success is None else 100 * success))
    yield ""
    yield "SCALING RECOMMENDATION (advice only, never carried out)"
    yield "-" * 40
    advice = recommendation(snapshot)
    if advice is None:
        yield "Nothing has been in the queue yet, so that nothing can be said."
        return
    yield from _advice(advice)
    others = [entry for entry in snapshot.scaling if entry is not advice]
    for entry in others:
        yield f"and for {entry['capability']}: {entry['action']}, {entry['reason']['text']}"


def _advice(advice: dict[str, Any]) -> Iterator[str]:
    yield _row("Tasks for", advice["capability"])
    yield _row("Current workers", _known(advice["current_workers"]))
    yield _row("Recommended", _known(advice["recommended_workers"]))
    yield _row("Action", advice["action"])
    yield _row("Confidence", _percent(100 * advice["confidence"]))
    yield _row("Urgency", str(advice["urgency"]).upper())
    yield f"Reason: {advice['reason']['text']}"


def _row(name: str, value: str) -> str:
    return f"{name + ':':20}{value:>12}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}%"


def _known(value: object) -> str:
    return "–" if value is None else str(value)
