"""monitor: a dashboard of what a fleet is doing, on a terminal; lines and JSON elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption, QueueUnavailable
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.dashboard.watching import Source, named, source_of, watch_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.monitor import Snapshot
    from imgpipe.queue.base import TaskQueue
    from imgpipe_cli.dashboard.scene import Scene
    from imgpipe_cli.dashboard.trend import Trend
    from imgpipe_cli.dashboard.view import Control

    Take = Callable[[], Snapshot | None]

_LINES_SECONDS = 10.0
_FIRST_SECONDS = 0.5  # between two looks, for --once
_PAGE, _PICTURE = (100, 30), (120, 36)  # columns and lines, where there is no terminal


@click.command("monitor", short_help="Watch what workers and queues are doing, on a dashboard.")
@watch_options
@click.option("--interval", type=click.FloatRange(0.5, 3600), metavar="SECONDS",
              help="Between two looks (1; lines: 10).")  # fmt: skip
@click.option("--once", is_flag=True, help="Draw once, and end.")
@click.option("--json", "as_json", is_flag=True, help="Write documents, one in a line, instead of drawing.")
@click.option("--plain", is_flag=True, help="Write lines instead of drawing; so it is where there is no terminal.")
@click.option("--view", "page", type=click.IntRange(1, 5), default=1, show_default=True,
              help="1 overview, 2 workers, 3 queues, 4 errors, 5 advice.")  # fmt: skip
@click.option("--symbols", type=click.Choice(("auto", "block", "ascii")), default="auto", show_default=True)
@click.option("--allow-control", is_flag=True, help="Add keys that change the queue; without it, looking is all.")
@click.option("--record", metavar="FILE", help="Write down every look, one document in a line.")
@click.option("--replay", metavar="FILE", help="Show what --record has written down, instead of a queue.")
@click.option("--svg", metavar="FILE", help="With --once: draw into this file.")
def monitor_command(**given: Any) -> ExitCode:
    """Watch what workers and queues are doing: how far jobs are, how fast, what is stuck, what more workers would give.

    Nothing that is shown changes the queue. ? shows the keys.
    """
    name = named(given, "replay")
    if given["svg"] and not given["once"]:
        raise BadOption("svg", given["svg"], "--once with it")
    with contextlib.ExitStack() as stack:
        source = _source(stack, name, given)
        if given["record"]:
            from imgpipe_cli.dashboard.recording import recorded  # noqa: PLC0415 - only what is used is loaded

            take = recorded(source.take, stack.enter_context(_opened(given["record"], "w")))
            source = replace(source, take=take)
        if given["once"]:
            return _once(source.take, given)
        if given["as_json"] or given["plain"] or not _can_draw():
            return _lines(source.take, given)
        return _dashboard(source, given)


def _source(stack: contextlib.ExitStack, name: str, given: dict[str, Any]) -> Source:
    if name == "replay":
        from imgpipe_cli.dashboard.recording import Replay  # noqa: PLC0415 - only what is used is loaded

        file = given["replay"]
        return Source(take=Replay(stack.enter_context(_opened(file, "r")), file).take)
    advise_seconds = _FIRST_SECONDS if given["once"] else None
    return stack.enter_context(source_of(given, name, advise_seconds=advise_seconds))


def _once(take: Take, given: dict[str, Any]) -> ExitCode:
    """Draw one moment: the last of two looks, or the end of a recording."""
    from imgpipe.monitor.document import to_data  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe_cli.dashboard.frame import render  # noqa: PLC0415 - rich takes 50 ms
    from imgpipe_cli.dashboard.painter import Painter, svg  # noqa: PLC0415 - the same
    from imgpipe_cli.dashboard.plain import plain_line  # noqa: PLC0415 - the same
    from imgpipe_cli.dashboard.trend import Trend  # noqa: PLC0415 - the same

    snapshot, trend = None, Trend()
    for snapshot in _two_looks(take) if given["replay"] is None else iter(take, None):
        trend.add(snapshot)
    if snapshot is None:
        raise BadOption("replay", given["replay"], "a recording with a line in it")
    scene = partial(_scene, snapshot, trend, given)
    if given["as_json"]:
        click.echo(json.dumps(to_data(snapshot), allow_nan=False))
    elif given["svg"]:
        with _opened(given["svg"], "w") as file:
            file.write(svg(render(scene(), *_PICTURE), _PICTURE[0]))
    elif given["plain"]:
        click.echo(plain_line(snapshot, _clock(snapshot)))
    else:
        is_terminal = os.isatty(1)
        width, height = tuple(os.get_terminal_size(1)) if is_terminal else _PAGE
        for line in Painter(is_terminal=is_terminal).paint(render(scene(), width, height - 1)):
            click.echo(line if is_terminal else line.rstrip())
    return ExitCode.DONE


def _two_looks(take: Take) -> Iterator[Snapshot]:
    """Look twice: rates are what has changed in between."""
    for seconds in (_FIRST_SECONDS, 0.0):
        snapshot = take()
        if snapshot is not None:
            yield snapshot
            threading.Event().wait(seconds)


def _scene(snapshot: Snapshot, trend: Trend, given: dict[str, Any]) -> Scene:
    from imgpipe_cli.dashboard.scene import Scene  # noqa: PLC0415 - rich takes 50 ms
    from imgpipe_cli.dashboard.view import View  # noqa: PLC0415 - the same

    return Scene(
        snapshot=snapshot,
        view=View(page=given["page"] - 1),
        trend=trend,
        clock=_clock(snapshot),
        status="once",
        symbols=_symbols(given["symbols"]),
    )


def _lines(take: Take, given: dict[str, Any]) -> ExitCode:
    """Write a line for each look, until a signal comes or a recording is over. A queue that is away is waited for."""
    from imgpipe.monitor.document import to_data  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe_cli.dashboard.plain import plain_line  # noqa: PLC0415 - only what is used is loaded

    seconds = given["interval"] or (1.0 if given["as_json"] or os.isatty(1) else _LINES_SECONDS)
    never = threading.Event()
    while True:
        try:
            snapshot = take()
        except QueueUnavailable as error:
            click.echo(f"imgpipe: {display_name(error)}", err=True)
        else:
            if snapshot is None:
                return ExitCode.DONE
            text = json.dumps(to_data(snapshot), allow_nan=False) if given["as_json"] else None
            click.echo(text or plain_line(snapshot, _clock(snapshot)))
            sys.stdout.flush()
        if given["replay"] is None:
            never.wait(seconds)


def _dashboard(source: Source, given: dict[str, Any]) -> ExitCode:
    from imgpipe_cli.dashboard.export import export  # noqa: PLC0415 - rich takes 50 ms
    from imgpipe_cli.dashboard.loop import Doings, Loop  # noqa: PLC0415 - the same
    from imgpipe_cli.dashboard.painter import Painter  # noqa: PLC0415 - the same
    from imgpipe_cli.dashboard.poller import Poller  # noqa: PLC0415 - the same
    from imgpipe_cli.dashboard.terminal import Terminal  # noqa: PLC0415 - the same
    from imgpipe_cli.dashboard.view import View  # noqa: PLC0415 - the same

    def control(wanted: Control) -> str:
        return _carry_out(source.queue, wanted)

    poller = Poller(source.take, given["interval"] or 1.0)
    view = View(page=given["page"] - 1, allow_control=given["allow_control"] and source.queue is not None)
    doings = Doings(control=control, export=export, look_at=source.look_at)
    with contextlib.closing(poller), Terminal() as terminal:
        poller.start()
        painter = Painter(is_terminal=True)
        ended = Loop(poller, terminal, painter, _symbols(given["symbols"]), doings, view).run()
    codes = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
    return ExitCode.DONE if ended is None else codes.get(signal.Signals(ended), ExitCode.TERMINATED)


def _carry_out(queue: TaskQueue | None, wanted: Control) -> str:
    from imgpipe.queue.explain import BY_HAND  # noqa: PLC0415 - numpy and Pillow, which --help does not need

    if queue is None:
        return "only a queue can be changed"
    if wanted.verb == "drain":
        told = queue.command(wanted.target, "drain")
        return f"{wanted.name} will drain" if told else f"{wanted.name} is not there any more"
    if wanted.verb == "retry":
        return f"{queue.retry(wanted.target, 10_000)} pictures of {wanted.name} are tried again"
    status = queue.control(wanted.target, "pause" if wanted.verb == "pause" else "resume", BY_HAND)
    return f"{wanted.name} is {status.state}" if status else f"{wanted.name} is not there any more"


def _symbols(wanted: str) -> Any:
    from imgpipe_cli.dashboard.canvas import SYMBOLS  # noqa: PLC0415 - rich takes 50 ms

    if wanted == "auto":
        try:
            "█╭▁●".encode(sys.stdout.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            wanted = "ascii"
    return SYMBOLS.get(wanted, SYMBOLS["block"])


def _can_draw() -> bool:
    """Whether standard output is a terminal that can do more than lines; FORCE_COLOR says nothing about that."""
    return os.isatty(1) and os.environ.get("TERM") != "dumb" and os.environ.get("TTY_COMPATIBLE") != "0"


def _clock(snapshot: Snapshot) -> str:
    return time.strftime("%H:%M:%S", time.localtime(snapshot.wall_seconds))


def _opened(path: str, mode: str) -> TextIO:
    try:
        return open(path, mode, encoding="utf-8")  # type: ignore[return-value] # text, in both modes that we use
    except OSError as error:
        expected = f"a file that can be {'read' if mode == 'r' else 'written'} ({error.strerror})"
        raise BadOption("file", path, expected) from error
