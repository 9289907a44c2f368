"""compare: the same pictures through every executor: how much faster, and why."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.modules import import_user_filters
from imgpipe_cli.options import pipeline_options
from imgpipe_cli.show import symbols

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.compare import Comparison, Scratch, Settings, Workload
    from imgpipe.compare.prediction import Prediction
    from imgpipe.compare.shapes import Drawing

_SAMPLES = (8, 1600, 1200)  # how many pictures of what size, if none are given
_QUICK_SAMPLES = (4, 640, 480)
_EXECUTORS = ("sequential", "threads", "processes")  # what runs on this machine alone can be set side by side
_REPETITIONS = 5
_WIDEST = 110
_PLAIN = str.maketrans({"×": "x", "±": "~", "–": "-", "·": ".", "²": "2"})
_PROBE_SECONDS, _QUICK_PROBE_SECONDS = 1.0, 0.4


class _Counts(click.ParamType[tuple[int, ...]]):
    """Numbers of workers, as 1,2,4."""

    name = "N,N,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read `value`."""
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isascii() and word.isdigit() and 1 <= int(word) <= 256 for word in words):
            self.fail(f"{value!r} is not a list of whole numbers from 1 to 256, as 1,2,4", param, ctx)
        return tuple(sorted({int(word) for word in words}))


@click.command("compare", short_help="Measure the executors side by side, and explain.")
@click.argument("inputs", nargs=-1, metavar="[INPUT...]")
@pipeline_options
@click.option("--executors", default=",".join(_EXECUTORS), show_default=True, metavar="LIST",
              help="What to compare; sequential is always among them.")  # fmt: skip
@click.option("-j", "--workers", type=_Counts(), help="Numbers of workers (default: 1, 2, 4, … and all usable cores).")
@click.option("--reps", type=click.IntRange(1, 1000), default=_REPETITIONS, show_default=True,
              help="How often each is measured; with fewer than 5, intervals say little.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1), default=24, show_default=True,
              help="Take so many of the pictures, evenly from first to last.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the random order.")
@click.option("--quick", is_flag=True, help="Small sample pictures; all is done in some 15 seconds.")
@click.option("--explain", is_flag=True, help="Also what the columns mean, what fits say, and who did what when.")
@click.option("--plot", "plot_file", metavar="FILE", help="Draw the speed-ups: .svg or .png.")
@click.option("--trace", "trace_file", metavar="FILE",
              help="Write what each worker did as .json for ui.perfetto.dev, and draw it beside, as .svg.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document to stdout.")
def compare_command(inputs: tuple[str, ...], **given: Any) -> ExitCode:
    r"""Send the same pictures through every executor, and say how much faster each is, and why.

    Without INPUT, it paints pictures; without -f, it compares three pipelines: Pillow, OpenCV, and pure Python. Results
    go to a temporary folder. Exit code 7 means that outputs differed.

    \b
    imgpipe compare --quick
    imgpipe compare photos -f resize:800x600 -f sharpen --workers 1,2,4 --plot speed.svg --trace trace.json
    """
    import_user_filters(given["import_modules"])
    outputs = _output_files(given["plot_file"], given["trace_file"])
    with contextlib.ExitStack() as stack:
        from imgpipe.compare import Scratch, Watcher, compare  # noqa: PLC0415 - numpy, which --help does not need

        settings = _settings(given)
        scratch = stack.enter_context(Scratch())
        workloads = _workloads(inputs, given, scratch)
        progress = _Progress(predictions_to_stdout=not given["as_json"], workers=settings.most_workers)
        comparison = compare(workloads, settings, scratch, Watcher(progress.predicted, progress.passes))
    _write(comparison, outputs)
    if given["as_json"]:
        from imgpipe.compare.document import to_data  # noqa: PLC0415 - only for this

        click.echo(json.dumps(to_data(comparison)))
    else:
        for line in _screen(comparison, explain=given["explain"], outputs=list(outputs)):
            click.echo(_shown(line))
    return ExitCode.DONE if comparison.identical else ExitCode.CHECK_FAILED


def _settings(given: dict[str, Any]) -> Settings:
    from imgpipe.compare import Settings, cells_of, default_workers  # noqa: PLC0415 - numpy, which --help does not need
    from imgpipe.executors import executor_name  # noqa: PLC0415 - the same
    from imgpipe.machine import usable_cores  # noqa: PLC0415 - loads psutil

    executors = tuple(dict.fromkeys(executor_name(name.strip()) for name in given["executors"].split(",")))
    for name in executors:
        if name not in _EXECUTORS:
            raise BadOption("executors", name, f"some of {', '.join(_EXECUTORS)}")
    cores = usable_cores()
    workers = given["workers"] or default_workers(cores)
    if given["quick"] and not given["workers"]:
        workers = tuple(sorted({1, 2, workers[-1]}))
    return Settings(
        cells=cells_of(executors, workers),
        repetitions=given["reps"],
        seed=given["seed"],
        cores=cores,
        probe_seconds=_QUICK_PROBE_SECONDS if given["quick"] else _PROBE_SECONDS,
    )


def _workloads(inputs: tuple[str, ...], given: dict[str, Any], scratch: Scratch) -> tuple[Workload, ...]:
    from imgpipe.compare import Workload, default_workloads, spread_over  # noqa: PLC0415 - numpy and Pillow
    from imgpipe.errors import NothingToDo  # noqa: PLC0415 - the same
    from imgpipe.plan.sources import Sources  # noqa: PLC0415 - the same
    from imgpipe.samples import make_samples  # noqa: PLC0415 - the same
    from imgpipe_cli.process import recipe_of  # noqa: PLC0415 - the same

    recipe = recipe_of(given)
    if inputs:
        paths = [source.path for source in Sources(inputs, stdin=sys.stdin.buffer)]
        if not paths:
            raise NothingToDo(f"no picture in {', '.join(display_name(name, width=60) for name in inputs[:3])}")
        sources = spread_over(paths, given["limit"])
        if len(sources) < len(paths):
            click.echo(f"{len(sources)} of {len(paths)} pictures, evenly; --limit takes more", err=True)
    else:
        count, width, height = _QUICK_SAMPLES if given["quick"] else _SAMPLES
        click.echo(f"painting {count} pictures of {width}x{height} pixels", err=True)
        sources = tuple(make_samples(scratch.folder("samples"), count, width, height))
    if not given["filters"] and not given["recipe_file"]:
        return default_workloads(sources, scratch)
    # As it was typed: that is shorter, and better known.
    name = str(recipe.pipeline) if given["recipe_file"] else " | ".join(given["filters"])
    return (Workload(name or "copy", recipe, sources),)


def _output_files(plot_file: str | None, trace_file: str | None) -> dict[str, Callable[[Comparison], bytes]]:
    """Return what will be written where; refuse now what could not be written after a minute of measuring."""
    files: dict[str, Callable[[Comparison], bytes]] = {}
    if plot_file is not None:
        if os.path.splitext(plot_file)[1].lower() not in (".svg", ".png"):
            raise BadOption("plot", plot_file, "a file name that ends with .svg or .png")
        png = plot_file.lower().endswith(".png")
        files[plot_file] = lambda comparison: _drawn(_plot(comparison), png=png)
    if trace_file is not None:
        stem, extension = os.path.splitext(trace_file)
        if extension.lower() != ".json":
            raise BadOption("trace", trace_file, "a file name that ends with .json")
        files[trace_file] = _trace
        beside = f"{stem}.svg"
        if beside in files:
            raise BadOption("plot", plot_file, f"another name: --trace draws its picture as {beside}")
        files[beside] = lambda comparison: _drawn(_gantt(comparison), png=False)
    for name in files:
        folder = os.path.dirname(name) or os.curdir
        if os.path.isdir(name) or not os.access(folder, os.W_OK):
            raise BadOption("plot" if name == plot_file else "trace", name, "a file in a folder that can be written")
    return files


def _write(comparison: Comparison, outputs: dict[str, Callable[[Comparison], bytes]]) -> None:
    for name, make in outputs.items():
        try:
            Path(name).write_bytes(make(comparison))
        except OSError as error:
            raise BadOption("plot or trace", name, f"a file that can be written ({error.strerror})") from error


def _plot(comparison: Comparison) -> Drawing:
    from imgpipe.compare.plot import plot  # noqa: PLC0415 - only for this

    return plot(comparison)


def _gantt(comparison: Comparison) -> Drawing:
    from imgpipe.compare.gantt import gantt  # noqa: PLC0415 - only for this
    from imgpipe.compare.spans import timelines  # noqa: PLC0415 - the same

    return gantt(list(timelines(comparison)))


def _trace(comparison: Comparison) -> bytes:
    from imgpipe.compare.spans import timelines  # noqa: PLC0415 - only for this
    from imgpipe.compare.trace import trace_data  # noqa: PLC0415 - the same

    return json.dumps(trace_data(timelines(comparison))).encode()


def _drawn(drawing: Drawing, *, png: bool) -> bytes:
    from imgpipe.compare.shapes import to_png, to_svg  # noqa: PLC0415 - only for this

    return to_png(drawing) if png else to_svg(drawing).encode()


def _screen(comparison: Comparison, *, explain: bool, outputs: list[str]) -> Iterator[str]:
    """Give the lines of the ending screen."""
    from imgpipe.compare import table  # noqa: PLC0415 - numpy, which --help does not need
    from imgpipe.compare.chart import chart_lines  # noqa: PLC0415 - the same
    from imgpipe.compare.spans import timelines  # noqa: PLC0415 - the same

    good, bad, _ = symbols(sys.stdout.encoding)
    yield ""
    yield from table.head_lines(comparison, good if comparison.identical else bad)
    yield ""
    yield from table.table_lines(comparison)
    yield ""
    yield from table.why_lines(comparison, explain=explain, width=_width())
    if explain:
        yield ""
        yield from table.explain_lines()
        for line in timelines(comparison):
            yield from (f"   {text}" for text in chart_lines(line))
    yield from (f"warning: {warning}" for warning in comparison.warnings)
    yield from table.left_out_lines(comparison, bad)
    yield from table.difference_lines(comparison, bad)
    if outputs:
        yield f" written: {', '.join(outputs)}"
    else:
        yield " next: imgpipe compare --explain --plot speed.svg --trace trace.json"


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _WIDEST)


def _shown(text: str) -> str:
    """Make a line safe to print, and plain where the output knows no other signs."""
    plain = symbols(sys.stdout.encoding) == symbols(None)
    return display_name(text.translate(_PLAIN) if plain else text)


class _Progress:
    """Says what is predicted as soon as it is known, and how far the measuring is."""

    def __init__(self, *, predictions_to_stdout: bool, workers: int) -> None:
        self._to_stdout, self._workers = predictions_to_stdout, workers
        self._lively = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def predicted(self, name: str, prediction: Prediction) -> None:
        """Print a prediction: before what it predicts."""
        from imgpipe.compare.explain import predicted  # noqa: PLC0415 - numpy, which --help does not need

        text = f"predicted  {predicted(name, prediction, self._workers)}"
        for line in wrap(text, _width(), subsequent_indent=" " * 11):
            click.echo(_shown(line), err=not self._to_stdout)
        sys.stdout.flush()

    def passes(self, name: str, done: int, of: int) -> None:
        """Show how many passes are done: in place on a terminal, elsewhere once for each pipeline."""
        if self._lively:
            end = "\r\x1b[K" if done == of else ""
            click.echo(
                f"\r\x1b[Kmeasuring {display_name(name, width=40)}: {done} of {of} passes{end}", nl=False, err=True
            )
        elif done == 0:
            click.echo(f"measuring {display_name(name, width=40)}: {of} passes", err=True)
