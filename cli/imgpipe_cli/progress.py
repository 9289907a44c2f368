"""Progress: shows how far a run is: a bar on a terminal, plain lines elsewhere, JSON events for machines."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import click

from imgpipe_cli.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from imgpipe.plan import PlanSummary
    from imgpipe.report import Report
    from imgpipe.task import Result

SCHEMA = "imgpipe.events/1"
_LINES_SECONDS, _EVENTS_SECONDS = 5.0, 1.0


class Progress:
    """Is told of every result; this one shows nothing but messages."""

    def start(self, summary: PlanSummary, executor: str) -> None:
        """Begin: the plan is known."""

    def add(self, result: Result) -> None:
        """Show one more result."""

    def say(self, text: str) -> None:
        """Show a message beside the progress."""
        click.echo(text, err=True)

    def finish(self, report: Report) -> None:
        """Show the end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give the terminal back."""


class Lines(Progress):
    """Writes a plain line to stderr every few seconds; for logs and pipes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._meter, self._shown = clock, Meter(), clock()

    def start(self, summary: PlanSummary, executor: str) -> None:
        """Say what is about to be done."""
        self._meter = Meter(summary.pictures, summary.bytes_by_extension, start=self._clock())
        self.say(f"{summary.pictures} pictures, {executor}")

    def add(self, result: Result) -> None:
        """Write a line if the last one is old enough."""
        now = self._clock()
        self._meter.add(result, now)
        if now - self._shown >= _LINES_SECONDS:
            self._shown = now
            self.say(self._meter.line(now))


class Bar(Progress):
    """Draws a bar with rich, on stderr."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console  # noqa: PLC0415 - takes 50 ms, and only a terminal needs it
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415 - the same
        from rich.progress import Progress as RichProgress  # noqa: PLC0415 - the same

        # Exported LINES and COLUMNS would override the real size for ever.
        environ = {name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS")}
        self._clock, self._meter = clock, Meter()
        self._live = RichProgress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}", markup=False),
            console=Console(stderr=True, markup=False, highlight=False, _environ=environ),
            refresh_per_second=4,
            transient=True,
            expand=True,
        )
        self._task = self._live.add_task("", total=None, speed="")

    def start(self, summary: PlanSummary, executor: str) -> None:
        """Draw an empty bar."""
        del executor
        self._meter = Meter(summary.pictures, summary.bytes_by_extension, start=self._clock())
        self._live.update(self._task, total=summary.pictures)

    def add(self, result: Result) -> None:
        """Move the bar on."""
        now = self._clock()
        self._meter.add(result, now)
        self._live.update(self._task, advance=1, speed=self._meter.speed(now))

    def say(self, text: str) -> None:
        """Print above the bar."""
        self._live.console.print(text)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()


class Events(Progress):
    """Writes JSON lines to stdout: start, progress (once a second at most), error, item (when asked), summary."""

    def __init__(self, *, items: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._items, self._clock, self._meter, self._shown = items, clock, Meter(), clock()

    def start(self, summary: PlanSummary, executor: str) -> None:
        """Write the start event."""
        self._meter = Meter(summary.pictures, summary.bytes_by_extension, start=self._clock())
        self._write("start", pictures=summary.pictures, bytes=summary.bytes, ignored=summary.ignored, executor=executor)

    def add(self, result: Result) -> None:
        """Write what this result calls for."""
        now = self._clock()
        self._meter.add(result, now)
        if self._items:
            self._write("item", **result.to_data())
        if result.failure is not None:
            self._write("error", source=result.source, target=result.target, **result.to_data()["failure"])
        if now - self._shown >= _EVENTS_SECONDS:
            self._shown = now
            self._write("progress", **self._meter.to_data(now))

    def finish(self, report: Report) -> None:
        """Write the summary, always the last line."""
        self._write("summary", **report.to_data())

    def _write(self, kind: str, **fields: Any) -> None:
        # json escapes everything that is not ASCII, so no name can act on a terminal.
        sys.stdout.write(json.dumps({"schema": SCHEMA, "type": kind, **fields}) + "\n")
        sys.stdout.flush()


def make_progress(mode: str, *, json_events: bool, json_items: bool) -> Progress:
    """Return the progress for `--progress` (auto, bar, lines or none) and `--json`."""
    if json_events:
        return Events(items=json_items)
    if mode == "auto":
        # FORCE_COLOR would make rich believe in a terminal, and fill a log with bars.
        mode = "bar" if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else "lines"
    return {"bar": Bar, "lines": Lines, "none": Progress}[mode]()
