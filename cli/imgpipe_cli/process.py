"""process: the main command: pictures in, a pipeline, pictures out."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.handover import interrupt_of, queued_options, redis_options, take_leave, was_typed
from imgpipe_cli.modules import import_user_filters
from imgpipe_cli.options import (
    BYTES,
    WORKERS,
    input_options,
    limit_options,
    output_options,
    pick,
    pipeline_options,
    read_options,
    write_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.children.sandbox import Sandbox
    from imgpipe.executors import Choice, Executor
    from imgpipe.plan import Plan, PlanSummary
    from imgpipe.recipe import Recipe
    from imgpipe.report import Report
    from imgpipe.task import Result
    from imgpipe_cli.dashboard.local import LocalRun


@click.command("process", short_help="Send pictures through a pipeline and write the results.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@pipeline_options
@output_options
@input_options
@click.option("--executor", default="auto", show_default=True,
              help="auto, sequential, threads, processes, dask or redis.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="With --executor dask: its scheduler, as tcp://host:8786.")
@redis_options
@click.option("--sandbox", is_flag=True, help="Confine the processes that open pictures (Linux; processes only).")
@click.option("-j", "--workers", type=WORKERS, default="auto", show_default=True, help="How many pictures at once.")
@click.option("--max-memory", type=BYTES, help="Memory for pictures in work, as 4G (default: 60 % of what is free).")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
              help="End a picture that takes longer (processes and redis: threads cannot be stopped).")  # fmt: skip
@read_options
@write_options
@limit_options
@click.option("--dry-run", is_flag=True, help="Show what would be done, from the headers alone; write nothing.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option("--max-errors", type=click.IntRange(0), help="Stop when more pictures than this have failed.")
@click.option("--report", "report_file", metavar="FILE", help="Write a line for every picture: .jsonl or .csv.")
@click.option("--progress", type=click.Choice(["auto", "bar", "lines", "none"]), default="auto", show_default=True,
              help="How to show the progress, on stderr.")  # fmt: skip
@click.option(
    "--json", "json_events", is_flag=True, help="Write events as JSON lines to stdout instead of the summary."
)
@click.option("--json-items", is_flag=True, help="With --json, an event for every picture.")
@click.option("-q", "--quiet", is_flag=True, help="Show failures only.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), metavar="PORT",
              help="Tell this machine how the run goes on, until it ends: for Prometheus at /metrics, for "
                   "`imgpipe monitor --url http://127.0.0.1:PORT`; 0 takes a free port.")  # fmt: skip
def process_command(inputs: tuple[str, ...], **given: Any) -> ExitCode:
    r"""Send pictures through a pipeline of filters and write the results.

    INPUT is a file, a folder, a glob, `-` for a list on stdin, or `@list.txt`, `@run.jsonl`, `@run.csv`.

    \b
    imgpipe process photos -o small -f resize:800x600 -f sharpen
    imgpipe process 'scans/**/*.tif' -o web --format webp -f 'resize:1600x | brightness:1.1'
    """
    return _process(inputs, given, wait=True)


def submit(inputs: tuple[str, ...], **given: Any) -> ExitCode:
    """Hand pictures over to a queue, and do not wait for them."""
    if given["redis"] == "embedded":
        raise BadOption("redis", "embedded", "the URL of a server that is there for longer than this command")
    return _process(inputs, {**given, "executor": "redis", "metrics_port": None}, wait=False)


def _process(inputs: tuple[str, ...], given: dict[str, Any], *, wait: bool) -> ExitCode:
    plan = _plan_of(inputs, given)
    summary = plan.check(dry_run=given["dry_run"])
    choice = _choose(given, summary, plan.recipe)
    if given["dry_run"]:
        from imgpipe_cli.preview import show_plan  # noqa: PLC0415 - only for a dry run

        return show_plan(plan, summary, choice, as_json=given["json_events"])
    return _run(plan, summary, choice, given, wait=wait)


def _plan_of(inputs: tuple[str, ...], given: dict[str, Any]) -> Plan:
    """Make the plan that a command line asks for."""
    from imgpipe.plan import PlanOptions, make_plan  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.plan.sources import SourceOptions  # noqa: PLC0415 - the same

    import_user_filters(given["import_modules"])
    return make_plan(
        list(inputs),
        recipe_of(given),
        PlanOptions(**pick(PlanOptions, given)),
        sources=SourceOptions(**pick(SourceOptions, given)),
        stdin=sys.stdin.buffer,
    )


def _run(plan: Plan, summary: PlanSummary, choice: Choice, given: dict[str, Any], *, wait: bool) -> ExitCode:
    from imgpipe.allocator import keep_freed_buffers  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.api import run  # noqa: PLC0415 - the same
    from imgpipe.executors.queued import QueuedExecutor  # noqa: PLC0415 - the same
    from imgpipe.journal import Journal  # noqa: PLC0415 - the same
    from imgpipe_cli.interrupt import Interrupt  # noqa: PLC0415 - the same
    from imgpipe_cli.progress import make_progress  # noqa: PLC0415 - the same

    keep_freed_buffers()
    progress = make_progress(
        "none" if given["quiet"] else given["progress"],
        json_events=given["json_events"],
        json_items=given["json_items"],
    )
    sinks = [progress.add]
    with contextlib.ExitStack() as stack:
        heard = stack.enter_context(_heard(plan, summary, choice, given, progress.say))
        if heard is not None:
            sinks.append(heard.add)
        if given["report_file"]:
            sinks.append(stack.enter_context(Journal(given["report_file"])).add)
        executor = stack.enter_context(_executor(choice, plan, given, progress.say, wait=wait))
        choice = replace(choice, workers=executor.workers)  # a cluster has as many as it has
        interrupt = Interrupt(progress.say, executor.abort)
        if isinstance(executor, QueuedExecutor):
            interrupt = interrupt_of(executor, given, progress.say)
        with progress, interrupt.listening():
            progress.start(summary, _described(choice))

            def tell(result: Result) -> None:
                for sink in sinks:
                    sink(result)

            report = run(
                plan,
                executor if heard is None else heard.of(executor),
                each=tell,
                stop=interrupt.reason,
                max_errors=0 if given["fail_fast"] else given["max_errors"],
            )
        report.stopped = report.stopped or interrupt.reason()
        if isinstance(executor, QueuedExecutor) and interrupt.code is not None:
            take_leave(executor, given, progress.say, asked=interrupt.code is ExitCode.INTERRUPTED)
    progress.finish(report)
    if isinstance(executor, QueuedExecutor) and not wait:
        count = summary.pictures - report.total
        progress.say(f"job {executor.job or 'none'}: {count} pictures handed over, {report.total} needed nothing")
    elif not given["json_events"]:
        _show(report, summary, choice, plan.root, quiet=given["quiet"])
    if interrupt.code is not None:
        return interrupt.code
    return ExitCode.SOME_FAILED if report.failed or report.stopped else ExitCode.DONE


def _executor(choice: Choice, plan: Plan, given: dict[str, Any], say: Callable[[str], None], *, wait: bool) -> Executor:
    from imgpipe.executors import create_executor  # noqa: PLC0415 - numpy and Pillow, which --help does not need

    is_queued = choice.name == "redis"
    has_queue = is_queued and given["redis"] != "embedded"  # which the environment may name
    return create_executor(
        choice.name,
        workers=given["workers"] if choice.name in ("dask", "redis") else choice.workers,
        max_memory_bytes=given["max_memory"],
        timeout_seconds=given["timeout"],
        sandbox=_sandbox(plan) if given["sandbox"] else None,
        scheduler=given["scheduler"],
        redis=given["redis"] if is_queued or was_typed("redis") else None,
        namespace=given["namespace"] if has_queue or was_typed("namespace") else None,
        queued=queued_options(plan, given, wait=wait) if is_queued else None,
        modules=given["import_modules"],
        say=say,
    )


@contextlib.contextmanager
def _heard(
    plan: Plan, summary: PlanSummary, choice: Choice, given: dict[str, Any], say: Callable[[str], None]
) -> Iterator[LocalRun | None]:
    """Tell this machine of the run for the `with` block, if it is to be told; give what has to hear of it.

    Of a run on a queue, that queue is told of.
    """
    if given["metrics_port"] is None:
        yield None
        return
    from imgpipe_cli.dashboard.local import LocalRun  # noqa: PLC0415 - only where it is asked for
    from imgpipe_cli.dashboard.port import LocalBroker, redis_broker, serving  # noqa: PLC0415 - the same

    with contextlib.ExitStack() as stack:
        if choice.name == "redis":
            run, broker = None, stack.enter_context(redis_broker(given["redis"] or "", given["namespace"]))
        else:
            name = os.path.basename(os.path.abspath(plan.root)) or "run"
            run = LocalRun(name, summary.pictures, plan.recipe, choice.workers, is_here=given["scheduler"] is None)
            broker = LocalBroker(run)
        url = stack.enter_context(serving(broker, given["metrics_port"]))
        say(f"metrics at {url}/metrics; to watch this run: imgpipe monitor --url {url}")
        yield run


def _show(report: Report, summary: PlanSummary, choice: Choice, output: str, *, quiet: bool) -> None:
    from imgpipe_cli.show import summary_lines, typed  # noqa: PLC0415 - only at the end

    if quiet and not report.failed and not report.stopped:
        return
    program = Path(sys.argv[0]).name
    words = ["python", "-m", "imgpipe"] if program == "__main__.py" else [program]
    command = display_name(typed([*words, *sys.argv[1:]]))
    encoding = getattr(sys.stdout, "encoding", None)
    for line in summary_lines(report, summary.pictures, _described(choice), command, output=output, encoding=encoding):
        click.echo(line)


def _described(choice: Choice) -> str:
    workers = f" x{choice.workers}" if choice.workers > 1 else ""
    return f"{choice.name}{workers} ({choice.why})"


def _choose(given: dict[str, Any], summary: PlanSummary, recipe: Recipe) -> Choice:
    from imgpipe.executors import choose, executor_name  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.machine import usable_cores  # noqa: PLC0415 - loads psutil

    return choose(
        executor_name(given["executor"]),
        workers=given["workers"],
        cores=usable_cores(),
        pictures=summary.pictures,
        recipe=recipe,
        timeout=given["timeout"] is not None,
        sandbox=given["sandbox"],
        redis=was_typed("redis"),
    )


def _sandbox(plan: Plan) -> Sandbox:
    """Let children read the inputs and write below the output."""
    from imgpipe.children.sandbox import Sandbox  # noqa: PLC0415 - only where it is asked for

    return Sandbox(read=tuple(plan.sources.real_places()), write=(plan.root,))


def recipe_of(given: dict[str, Any]) -> Recipe:
    """Put the recipe together: a file, then filters, then options."""
    from imgpipe.pictures.options import Limits, ReadOptions, WriteOptions  # noqa: PLC0415 - with the next
    from imgpipe.pipeline import Pipeline  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.recipe import Recipe  # noqa: PLC0415 - the same

    recipe = _recipe_file(given["recipe_file"]) if given["recipe_file"] else Recipe()
    specs: tuple[str, ...] = given["filters"]
    if any(spec.lstrip().startswith(("{", "[")) for spec in specs):
        pipelines = [Pipeline.of(spec) for spec in specs]
    else:
        # One text, so that what is wrong with several filters is said at once and with the right numbers.
        pipelines = [Pipeline.parse(" | ".join(specs))]
    return Recipe(
        Pipeline([*recipe.pipeline.filters, *(step for pipeline in pipelines for step in pipeline.filters)]),
        replace(recipe.read, **pick(ReadOptions, given)),
        replace(recipe.write, **pick(WriteOptions, given)),
        replace(recipe.limits, **pick(Limits, given)),
    )


def _recipe_file(name: str) -> Recipe:
    from imgpipe.recipe import Recipe  # noqa: PLC0415 - numpy and Pillow, which --help does not need

    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise BadOption("recipe", name, f"a TOML or JSON file that can be read ({error})") from error
    return Recipe.from_json(text) if os.path.splitext(name)[1].lower() == ".json" else Recipe.from_toml(text)
