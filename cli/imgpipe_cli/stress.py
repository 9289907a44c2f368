"""stress: sends tasks to a queue or a server in five ways, and says how long they took and whether to believe it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption, QueueUnavailable
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.interrupt import ENDS, handled
from imgpipe_cli.modules import import_user_filters
from imgpipe_cli.show import symbols
from imgpipe_cli.stress_options import POSITIVE, RAMP, stress_options
from imgpipe_cli.stress_setup import ordered, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from imgpipe.stress import Report
    from imgpipe.stress.faults import Harm
    from imgpipe.stress.slo import Reached

_LONGEST_PAUSE_SECONDS = 20.0  # of Redis
_LINE_SECONDS = 5
_PLAIN = str.maketrans({"–": "-", "×": "x", "∞": "inf", "░": ".", **dict.fromkeys("▁▂▃▄▅▆▇█", "#")})


@click.group("stress", short_help="Generate load in five ways, and measure honestly.")
def stress_command() -> None:
    r"""Send tasks to a queue (--redis), a server (--url) or a fleet of its own (--own-fleet), and measure.

    Latency counts from the moment at which a task should have been sent. The report says whether the generator itself
    could keep up (VALID) or not. Exit code 3 means that tasks were not done, 7 that --slo was not reached.

    \b
    imgpipe stress burst 50 --own-fleet io,cpu,all
    imgpipe stress continuous 60 --rate 5 --url http://127.0.0.1:8000 --slo p95=2s --html report.html
    """


@stress_command.command("simple", short_help="N tasks, one after the other.")
@click.argument("count", type=click.IntRange(1), default=5, metavar="[N]")
@click.option("--concurrency", type=click.IntRange(1, 1000), default=1, show_default=True, help="So many at once.")
@stress_options
def simple_command(count: int, concurrency: int, **given: Any) -> ExitCode:
    """Send N tasks (5), each when the one before has come back: the best that a task can expect."""
    words = f"{count} tasks, {concurrency} on the way"
    return _run(given, kind="simple", arrivals=words, count=count, concurrency=concurrency)


@stress_command.command("burst", short_help="N tasks at once.")
@click.argument("size", type=click.IntRange(1), default=50, metavar="[N]")
@click.option("--bursts", "count", type=click.IntRange(1), default=1, show_default=True, help="How many bursts.")
@click.option("--every", type=POSITIVE, default=30.0, show_default=True, metavar="SECONDS", help="Time between them.")
@stress_options
def burst_command(size: int, count: int, every: float, **given: Any) -> ExitCode:
    """Send N tasks (50) at once: how long the queue takes to drain, and how long the last one waits."""
    from imgpipe.stress.schedule import bursts  # noqa: PLC0415 - only what is used is loaded

    words = f"{size} at once" if count == 1 else f"{count} bursts of {size}, one every {every:g} s"
    return _run(given, kind="burst", arrivals=words, moments=bursts(size, count, every))


@stress_command.command("continuous", short_help="R tasks a second, whatever becomes of them.")
@click.argument("seconds", type=POSITIVE, default=60.0, metavar="[SECONDS]")
@click.option("--rate", type=POSITIVE, default=5.0, show_default=True, metavar="R", help="Tasks for each second.")
@click.option("--arrivals", type=click.Choice(["poisson", "even"]), default="poisson", show_default=True,
              help="At random moments, as people come, or at equal distances.")  # fmt: skip
@stress_options
def continuous_command(seconds: float, rate: float, arrivals: str, **given: Any) -> ExitCode:
    """Send R tasks a second for SECONDS (60), whatever becomes of them, and compare with queueing theory."""
    from imgpipe.stress.schedule import even, poisson  # noqa: PLC0415 - only what is used is loaded

    moments = even(rate, seconds) if arrivals == "even" else poisson(rate, seconds, given["seed"])
    words = f"{rate:g}/s {arrivals} for {seconds:g} s"
    return _run(given, kind="continuous", arrivals=words, moments=moments, seconds=seconds, is_steady=True)


@stress_command.command("sustained", short_help="Keep the queue full.")
@click.argument("seconds", type=POSITIVE, default=60.0, metavar="[SECONDS]")
@click.option("--depth", type=click.IntRange(1, 1000), default=20, show_default=True, help="Tasks kept on the way.")
@stress_options
def sustained_command(seconds: float, depth: int, **given: Any) -> ExitCode:
    """Keep the queue full for SECONDS (60): the most that the workers can do, and whether they become slower."""
    from imgpipe.stress.schedule import MOST_SECONDS  # noqa: PLC0415 - only what is used is loaded

    if seconds > MOST_SECONDS:
        raise BadOption("seconds", seconds, f"at most {MOST_SECONDS:g}")
    words = f"{depth} kept on the way for {seconds:g} s"
    return _run(given, kind="sustained", arrivals=words, seconds=seconds, concurrency=depth)


@stress_command.command("distributed", short_help="N tasks to many workers, with harm done to them.")
@click.argument("count", type=click.IntRange(1), default=20, metavar="[N]")
@click.option("--rate", type=POSITIVE, default=5.0, show_default=True, metavar="R", help="Tasks for each second.")
@click.option("--ramp", type=RAMP, help="Instead of a rate, one that rises, as 1..20: where the knee is.")
@click.option("--kill-worker", type=POSITIVE, metavar="SECONDS",
              help="With --own-fleet: so long after the start, kill the worker that has the most to do.")  # fmt: skip
@click.option("--pause-redis", type=click.FloatRange(0, _LONGEST_PAUSE_SECONDS, min_open=True), metavar="SECONDS",
              help="With --own-fleet: when half of the tasks are sent, freeze Redis for so long.")  # fmt: skip
@stress_options
def distributed_command(
    count: int,
    rate: float,
    ramp: tuple[float, float] | None,
    kill_worker: float | None,
    pause_redis: float | None,
    **given: Any,
) -> ExitCode:
    """Send N tasks (20) to many workers, do harm to them, and count what is lost and what is done twice."""
    from imgpipe.stress.faults import Harm  # noqa: PLC0415 - only what is used is loaded
    from imgpipe.stress.schedule import ramp as rising  # noqa: PLC0415 - the same

    low, high = ramp or (rate, rate)
    moments = rising(count, low, high)
    words = f"{count} tasks at {low:g}/s" if low == high else f"{count} tasks at {low:g}/s rising to {high:g}/s"
    if kill_worker is not None and kill_worker > moments[-1]:
        raise BadOption("kill-worker", kill_worker, f"at most {moments[-1]:.1f} s, when the last task is sent")
    harm = Harm(kill_worker, pause_redis, moments[len(moments) // 2])
    return _run(given, harm, kind="distributed", arrivals=words, moments=moments, is_ramp=low < high)


def _run(given: dict[str, Any], harm: Harm | None = None, **planned: Any) -> ExitCode:
    from imgpipe.stress import Plan, report_of, stress  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.stress.slo import Objective, check  # noqa: PLC0415 - the same

    plan = Plan(seed=given["seed"], drain_seconds=given["drain_seconds"], **planned)
    objective = None if given["slo"] is None else Objective.parse(given["slo"])
    folder = os.path.dirname(given["html_file"] or "") or os.curdir
    if not os.path.isdir(folder):
        raise BadOption("html", given["html_file"], "a file in a folder that is there")
    import_user_filters(given["import_modules"])
    progress = _Progress()
    with _Stopping().listening() as stopping, contextlib.ExitStack() as stack:
        try:
            run = stress(ordered(plan, given, harm, stack), stopping.event, progress.say)
        except QueueUnavailable as error:
            if place_of(given) != "url":
                raise
            click.echo(f"imgpipe: {display_name(error)}", err=True)
            return ExitCode.UNREACHABLE
        finally:
            progress.end()
    report = report_of(run)
    reached = None if objective is None else check(objective, report)
    _show(report, reached, given)
    if stopping.code is not None:
        return stopping.code
    if reached is not None and not reached.is_reached:
        return ExitCode.CHECK_FAILED
    return ExitCode.SOME_FAILED if report.has_failures else ExitCode.DONE


def _show(report: Report, reached: Reached | None, given: dict[str, Any]) -> None:
    """Write the report where it is wanted."""
    from imgpipe.stress.document import to_data  # noqa: PLC0415 - only what is used is loaded
    from imgpipe.stress.page import to_html  # noqa: PLC0415 - the same
    from imgpipe.stress.table import report_lines  # noqa: PLC0415 - the same

    if given["html_file"] is not None:
        try:
            with open(given["html_file"], "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(to_html(report, reached))
        except OSError as error:
            raise BadOption("html", given["html_file"], f"a file that can be written ({error.strerror})") from error
    if given["as_json"]:
        click.echo(json.dumps(to_data(report, reached), allow_nan=False))
        return
    plain = symbols(sys.stdout.encoding) == symbols(None)
    for line in report_lines(report, reached):
        click.echo(display_name(line.translate(_PLAIN) if plain else line))
    if given["html_file"] is not None:
        click.echo(f" written: {display_name(given['html_file'])}")


class _Stopping:
    """The first signal ends the run early, and what there is is shown; a second one shows nothing."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.code: ExitCode | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[_Stopping]:
        """Handle SIGINT and SIGTERM for the `with` block."""
        with handled(dict.fromkeys(ENDS, self._handle)):
            yield self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.code is not None:
            raise KeyboardInterrupt
        self.code = ExitCode.TERMINATED if number == signal.SIGTERM else ExitCode.INTERRUPTED
        self.event.set()


class _Progress:
    """Says on stderr how far the run is: in place on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._lively = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._said = 0

    def say(self, text: str) -> None:
        """Take the news of a second."""
        if self._lively:
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
        elif self._said % _LINE_SECONDS == 0:
            click.echo(text, err=True)
        self._said += 1

    def end(self) -> None:
        """Leave an empty line."""
        if self._lively and self._said:
            click.echo("\r\x1b[K", nl=False, err=True)
