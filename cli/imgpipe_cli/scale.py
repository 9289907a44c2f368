"""scale: says whether more or fewer workers would help, why, and what it would have said of another load."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption, NothingToDo
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.opening import json_option, opened, queue_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.advice import AdviceSettings
    from imgpipe.advice.simulate import Load, Outcome
    from imgpipe.monitor import Watch
    from imgpipe_cli.scale_views import Row

ADVICE_SCHEMA, SIMULATION_SCHEMA = "imgpipe.scaling/1", "imgpipe.simulation/1"
_MOST_TASKS = 1_000_000  # half a minute of work for each policy
_MOST_ERLANGS = 10_000.0
_SECONDS = click.FloatRange(0, min_open=True)


class _Rates(click.ParamType[tuple[float, ...]]):
    """Tasks per second, as 30 or 10,30,10."""

    name = "RATE,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Read `value`."""
        try:
            rates = tuple(float(word) for word in str(value).split(","))
        except ValueError:
            rates = ()
        if not rates or not all(0 <= rate < 1e6 for rate in rates):
            self.fail(
                f"{value!r} is not a rate; write tasks per second, as 30, or several in turn, as 10,30,10", param, ctx
            )
        return rates


def _aims(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of what to aim at."""
    for option in reversed((
        click.option("--target-wait", type=_SECONDS, default=10.0, show_default=True, metavar="SECONDS",
                     help="95 % of a stream's tasks are to wait less."),
        click.option("--target-drain", type=_SECONDS, default=60.0, show_default=True, metavar="SECONDS",
                     help="Within this time, what waits is to be worked off."),
        click.option("--min", "minimum", type=click.IntRange(0), default=1, show_default=True, metavar="SLOTS",
                     help="Never fewer slots."),
        click.option("--max", "maximum", type=click.IntRange(1), metavar="SLOTS",
                     help="Never more slots (default: the cores of the hosts that are known)."),
    )):  # fmt: skip
        function = option(function)
    return function


@click.group("scale", short_help="Say whether more or fewer workers would help, and why.")
def scale_command() -> None:
    """Say whether more or fewer workers would help, by how much, and why. Nothing is carried out."""


@scale_command.command("advise")
@queue_options
@_aims
@click.option("--for", "seconds", type=_SECONDS, default=15.0, show_default=True, metavar="SECONDS",
              help="How long to look first: rates are what changes in between.")  # fmt: skip
@click.option("--watch", "keeps_on", is_flag=True, help="Say it again every 5 s, until Ctrl-C.")
@json_option
def advise_command(url: str, namespace: str, seconds: float, keeps_on: bool, as_json: bool, **aims: Any) -> None:
    """Look at a queue for a while, and say for each class of tasks how many workers it should have."""
    with _watched(url, namespace, _settings(aims)) as watch:
        for scaling in _looks(watch, seconds, _settings(aims).sample_seconds):
            _tell(scaling, as_json=as_json, explain=False)
            if not keeps_on:
                break


@scale_command.command("explain")
@queue_options
@_aims
@click.option("--for", "seconds", type=_SECONDS, default=15.0, show_default=True, metavar="SECONDS",
              help="How long to look first.")  # fmt: skip
def explain_command(url: str, namespace: str, seconds: float, **aims: Any) -> None:
    """Say the same as `advise`, with every number that it was made from and every rule that was asked."""
    from imgpipe_cli.scale_views import LIMITS  # noqa: PLC0415 - only what is used is loaded

    settings = _settings(aims)
    with _watched(url, namespace, settings) as watch:
        _tell(next(_looks(watch, seconds, settings.sample_seconds)), as_json=False, explain=True)
    for line in LIMITS:
        click.echo(line)


@scale_command.command("simulate")
@click.option("--arrival", type=_Rates(), help="Tasks per second; several in turn share the time.")
@click.option("--service", type=_SECONDS, metavar="SECONDS", help="How long a task takes on average.")
@click.option("--cv", type=click.FloatRange(0, 10), default=1.0, show_default=True, metavar="RATIO",
              help="How much that varies: standard deviation by mean.")  # fmt: skip
@click.option("--minutes", type=_SECONDS, default=30.0, show_default=True, help="For how long tasks arrive.")
@click.option("--start", "slots", type=click.IntRange(0, 100_000), default=1, show_default=True, metavar="SLOTS",
              help="How many there are at first.")  # fmt: skip
@click.option("--start-up", "start_seconds", type=click.FloatRange(0), default=15.0, show_default=True,
              metavar="SECONDS", help="How long a new slot takes to start.")  # fmt: skip
@click.option("--from", "recording", type=click.File(encoding="utf-8"), metavar="FILE",
              help="Replay a recording of `imgpipe monitor --record` instead; - is stdin.")  # fmt: skip
@_aims
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides what chance does.")
@json_option
def simulate_command(recording: Any, as_json: bool, **given: Any) -> ExitCode:
    """Show what the advice would have said, and what would have come of it, beside a rule of thumb.

    Tasks arrive at random. Both policies get the same ones, and what they ask for is carried out in the simulation. Of
    a recording, only what would have been said is shown: what another number of workers would have brought, nobody
    knows.

    \b
    imgpipe scale simulate --arrival 10,30,10 --service 0.2 --minutes 60 --start 3
    imgpipe scale simulate --from yesterday.jsonl --target-wait 2
    """  # noqa: D301 - click knows a paragraph that it must not wrap by this very character
    settings = _settings(given)
    if recording is not None:
        if given["arrival"] or given["service"]:
            raise click.UsageError("--from replays what was; --arrival and --service are for a load that never was")
        return _replayed(recording, settings, as_json=as_json)
    if not given["arrival"] or not given["service"]:
        raise click.UsageError("say what load to simulate: --arrival and --service, or --from a recording")
    _simulated(_load(given), settings, given, as_json=as_json)
    return ExitCode.DONE


def _settings(given: dict[str, Any]) -> AdviceSettings:
    from imgpipe.advice import AdviceSettings  # noqa: PLC0415 - only what is used is loaded

    return AdviceSettings(
        target_wait_seconds=given["target_wait"],
        target_drain_seconds=given["target_drain"],
        minimum=given["minimum"],
        maximum=given["maximum"],
        start_seconds=given.get("start_seconds", AdviceSettings().start_seconds),
        seed=given.get("seed", 0),
    )


@contextlib.contextmanager
def _watched(url: str, namespace: str, settings: AdviceSettings) -> Iterator[Watch]:
    from imgpipe.monitor import Watch  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.queue.connection import Connection  # noqa: PLC0415 - loads redis

    with opened(url, namespace) as queue, contextlib.closing(Connection(url, "", "")) as server:
        yield Watch(queue, server=server, namespace=namespace, advice=settings)


def _looks(watch: Watch, seconds: float, sample_seconds: float) -> Iterator[tuple[dict[str, Any], ...]]:
    """Give the advice once it has seen so many seconds, and then again and again."""
    never, seen = threading.Event(), 0.0
    click.echo(f"looking for {seconds:g} s", err=True)
    scaling = watch.take().scaling
    while True:
        never.wait(sample_seconds)
        seen += sample_seconds
        scaling = watch.take().scaling
        if seen >= seconds:
            yield scaling


def _tell(scaling: tuple[dict[str, Any], ...], *, as_json: bool, explain: bool) -> None:
    from imgpipe_cli.scale_views import advice_lines  # noqa: PLC0415 - only what is used is loaded

    if as_json:
        # json escapes everything that is not ASCII, so no name can act on a terminal.
        click.echo(json.dumps({"schema": ADVICE_SCHEMA, "scaling": scaling}, allow_nan=False))
    else:
        if not scaling:
            click.echo("no tasks have been seen, so that there is nothing to advise")
        for advice in scaling:
            for line in advice_lines(advice, explain=explain):
                click.echo(display_name(line))
    sys.stdout.flush()


def _load(given: dict[str, Any]) -> Load:
    """Return the load that was asked for, unless nobody would wait for it."""
    from imgpipe.advice.simulate import Load, lognormal  # noqa: PLC0415 - only what is used is loaded

    rates, service = given["arrival"], given["service"]
    each_seconds = 60 * given["minutes"] / len(rates)
    tasks = sum(rates) * each_seconds
    if tasks > _MOST_TASKS:
        raise BadOption("minutes", given["minutes"], f"at most {_MOST_TASKS} tasks, and these are {tasks:.0f}")
    if max(rates) * service > _MOST_ERLANGS:
        raise BadOption(
            "service", service, f"at most {_MOST_ERLANGS:.0f} slots kept busy, as --arrival times --service"
        )
    return Load(phases=tuple((each_seconds, rate) for rate in rates), service=lognormal(service, given["cv"]),
                seed=given["seed"])  # fmt: skip


def _simulated(load: Load, settings: AdviceSettings, given: dict[str, Any], *, as_json: bool) -> None:
    from imgpipe.advice.policies import Advised, Naive  # noqa: PLC0415 - only what is used is loaded
    from imgpipe.advice.simulate import Fleet, simulate  # noqa: PLC0415 - the same
    from imgpipe_cli.scale_views import Row, outcome_data  # noqa: PLC0415 - the same

    fleet = Fleet(slots=given["slots"], start_seconds=given["start_seconds"], sample_seconds=settings.sample_seconds)
    advised = Advised(settings)
    outcomes = {"advice": simulate(load, fleet, advised), "naive": simulate(load, fleet, Naive(settings))}
    moments = outcomes["advice"].moments
    rows = [Row(moment.at_seconds, advice) for moment, advice in zip(moments, advised.advices, strict=True)]
    if as_json:
        data = {name: outcome_data(outcome, settings.target_wait_seconds) for name, outcome in outcomes.items()}
        _write_json(rows, outcomes=data)
        return
    rates = ", ".join(f"{rate:g}" for rate in given["arrival"])
    click.echo(f"{rates} tasks/s for {given['minutes']:g} min, {given['service']:g} s each (cv {given['cv']:g}), "
               f"{fleet.slots} slots at first, {fleet.start_seconds:g} s to start one, seed {load.seed}")  # fmt: skip
    _show_timeline(rows)
    _show_outcomes(outcomes, settings)


def _replayed(recording: Any, settings: AdviceSettings, *, as_json: bool) -> ExitCode:
    """Show what the advice says of a recording, class by class."""
    from imgpipe.advice.replay import replay  # noqa: PLC0415 - only what is used is loaded
    from imgpipe_cli.scale_views import Row  # noqa: PLC0415 - the same

    classes: dict[str, list[Row]] = {}
    begin: float | None = None
    for advices in replay(_documents(recording), settings):
        for name, advice in advices.items():
            at = advice.inputs.at_seconds if advice.inputs else 0.0
            begin = at if begin is None else begin
            classes.setdefault(name, []).append(Row(at - begin, advice))
    if not classes:
        raise NothingToDo(f"no advice in {display_name(recording.name)}: was there a queue while it was recorded?")
    if as_json:
        _write_json([row for rows in classes.values() for row in rows])
        return ExitCode.DONE
    for name, rows in classes.items():
        click.echo(f"{display_name(name)}: {len(rows)} moments")
        _show_timeline(rows)
    click.echo("What another number of workers would have brought is not known: the recording has what there was.")
    return ExitCode.DONE


def _documents(recording: Any) -> Iterator[dict[str, Any]]:
    """Give the documents of a recording; its last line may have been cut off, as when the recorder was killed."""
    broken = 0
    for number, line in enumerate(recording, 1):
        if broken:
            raise BadOption("from", f"{recording.name}, line {broken}", "a JSON document on each line")
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError:
            broken = number
            continue
        if not isinstance(document, dict) or "scaling" not in document:
            raise BadOption("from", f"{recording.name}, line {number}", "a document of imgpipe.metrics/1")
        yield document
    if broken:
        click.echo(f"the last line of {display_name(recording.name)} is cut off, and left out", err=True)


def _show_timeline(rows: list[Row]) -> None:
    from imgpipe_cli.scale_views import TIMELINE, timeline_row, worth_showing  # noqa: PLC0415 - only what is used
    from imgpipe_cli.table import show_table  # noqa: PLC0415 - the same

    click.echo()
    show_table(TIMELINE, (timeline_row(row) for row in worth_showing(rows)))
    click.echo()


def _show_outcomes(outcomes: dict[str, Outcome], settings: AdviceSettings) -> None:
    from imgpipe_cli.scale_views import outcome_rows  # noqa: PLC0415 - only what is used is loaded
    from imgpipe_cli.table import show_table  # noqa: PLC0415 - the same

    show_table(("", *(f">{name.upper()}" for name in outcomes)), outcome_rows(outcomes, settings.target_wait_seconds))
    click.echo("naive: one slot more while more than 50 tasks wait, one less while fewer than 30 % are busy")


def _write_json(rows: list[Row], **more: Any) -> None:
    from imgpipe_cli.scale_views import row_data  # noqa: PLC0415 - only what is used is loaded

    click.echo(
        json.dumps({"schema": SIMULATION_SCHEMA, **more, "advices": [row_data(row) for row in rows]}, allow_nan=False)
    )
