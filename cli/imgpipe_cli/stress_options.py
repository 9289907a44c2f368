"""Stress options: what all kinds of stress have in common: whom to send to, which tasks, what to do with the report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from imgpipe_cli.options import pipeline_options

if TYPE_CHECKING:
    from collections.abc import Callable

POSITIVE = click.FloatRange(0, min_open=True)


class _Ramp(click.ParamType[tuple[float, float]]):
    """Two rates, as 1..20."""

    name = "LOW..HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Read `value`."""
        match = re.fullmatch(r"(\d{1,4}(?:\.\d{1,3})?)\.\.(\d{1,4}(?:\.\d{1,3})?)", str(value))
        if match is None:
            self.fail(f"{value!r} is not a ramp; write tasks per second from low to high, as 1..20", param, ctx)
        return float(match[1]), float(match[2])


RAMP = _Ramp()

_OPTIONS = (
    click.option("--redis", "redis_url", envvar="IMGPIPE_REDIS", metavar="URL",
                 help="Send straight into the queue on this Redis server (or IMGPIPE_REDIS)."),
    click.option("--namespace", default="default", show_default=True, envvar="IMGPIPE_NAMESPACE",
                 help="Which queue of those that are there."),
    click.option("--url", metavar="URL", help="Send over HTTP to this `imgpipe serve`, as http://127.0.0.1:8000."),
    click.option("--token-file", metavar="FILE", help="With --url, a file with what the server wants to know."),
    click.option("--own-fleet", metavar="LIST",
                 help="Start a Redis server and a worker for each item, as io,cpu,all, for this run alone."),
    click.option("-j", "--slots", type=click.IntRange(1, 64), default=1, show_default=True,
                 help="With --own-fleet, pictures that each worker has at once."),
    pipeline_options,
    click.option("--pictures", multiple=True, metavar="PATH",
                 help="Files or folders to send, in turn (default: two that are painted); with --url, names of "
                      "pictures that the server has (default: all of them in each task)."),
    click.option("--folder", metavar="FOLDER",
                 help="Where pictures and results lie for a while; workers must see it (default: a temporary one)."),
    click.option("--seed", type=int, default=0, show_default=True, help="Decides what is random."),
    click.option("--drain", "drain_seconds", type=click.FloatRange(0, 3600), default=60.0, show_default=True,
                 metavar="SECONDS", help="How long to wait for results after the last task was sent."),
    click.option("--slo", metavar="pN=TIME", help="Exit with 7 unless so many are done in time, as p95=2s."),
    click.option("--html", "html_file", metavar="FILE", help="Write the report with drawings."),
    click.option("--json", "as_json", is_flag=True, help="Write one JSON document to stdout."),
    click.option("--i-own-this-server", "is_own_server", is_flag=True,
                 help="Allow a server that is not on this machine."),
)  # fmt: skip


def stress_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
