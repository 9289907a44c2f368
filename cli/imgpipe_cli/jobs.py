"""jobs: looks at jobs on a queue, and tells them what to do."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import UsageError
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.opening import complete_job, find_job, json_option, opened, queue_options
from imgpipe_cli.process import process_command, submit
from imgpipe_cli.show import symbols

if TYPE_CHECKING:
    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import JobStatus

SCHEMA = "imgpipe.jobs/1"
_LOOK_SECONDS, _LINE_SECONDS = 0.5, 5.0
_RETRIED_AT_ONCE = 1000

_job = click.argument("job", shell_complete=complete_job)


@click.group("jobs", short_help="Look at the jobs on a queue, and tell them what to do.")
def jobs_command() -> None:
    """Look at the jobs on a queue, and tell them what to do. The beginning of a job's id is enough to name it."""


@jobs_command.command("list")
@queue_options
@json_option
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Show the newest N.")
def list_command(url: str, namespace: str, as_json: bool, limit: int) -> None:
    """List the jobs, the newest first."""
    from imgpipe_cli.job_views import COLUMNS, data_of, row_of  # noqa: PLC0415 - numpy and Pillow
    from imgpipe_cli.table import show_table  # noqa: PLC0415 - with the former

    with opened(url, namespace) as queue:
        jobs = queue.jobs(limit)
        reasons = _reasons(queue, jobs)
    if as_json:
        _write(jobs=[data_of(job, reason) for job, reason in zip(jobs, reasons, strict=True)])
    elif jobs:
        show_table(COLUMNS, [row_of(job) for job in jobs])
        for job, reason in zip(jobs, reasons, strict=True):
            if reason:
                click.echo(f"{job.id}: {display_name(reason)}")
    else:
        click.echo("no jobs; `imgpipe process ... --executor redis` makes one")


@jobs_command.command("status")
@queue_options
@json_option
@_job
def status_command(url: str, namespace: str, as_json: bool, job: str) -> None:
    """Tell all about a job."""
    from imgpipe_cli.job_views import data_of, lines_of  # noqa: PLC0415 - numpy and Pillow

    with opened(url, namespace) as queue:
        status = find_job(queue, job)
        (reason,) = _reasons(queue, [status])
    if as_json:
        _write(job=data_of(status, reason))
    else:
        for line in lines_of(status, reason):
            click.echo(display_name(line))


@jobs_command.command("watch")
@queue_options
@_job
def watch_command(url: str, namespace: str, job: str) -> ExitCode:
    """Show how far a job is until it is over. Ctrl-C ends the watching, not the job.

    Exit code 3 means that some pictures failed, were lost or cancelled.
    """
    from imgpipe.executors._patience import Patience, pause  # noqa: PLC0415 - numpy and Pillow
    from imgpipe_cli.job_views import lines_of  # noqa: PLC0415 - the same

    patience = Patience(lambda text: click.echo(text, err=True), 0)
    with opened(url, namespace) as queue:
        status = find_job(queue, job)
        show = _Watching()
        while not status.is_over:
            show.look(status, *patience.ask(partial(_reasons, queue, [status])))
            pause(_LOOK_SECONDS)
            found = patience.ask(partial(queue.status, status.id))
            if found is None:
                raise UsageError(f"job {status.id} is not there any more: the queue has lost it, or it was purged")
            status = found
        show.end()
    for line in lines_of(status, ""):
        click.echo(display_name(line))
    return ExitCode.SOME_FAILED if status.done < status.submitted else ExitCode.DONE


@jobs_command.command("errors")
@queue_options
@json_option
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most N.")
@_job
def errors_command(url: str, namespace: str, as_json: bool, limit: int, job: str) -> None:
    """List the pictures of a job that failed, and those that were lost because workers died of them."""
    from imgpipe_cli.job_views import failure_data, failure_line, payload_of  # noqa: PLC0415 - numpy and Pillow

    with opened(url, namespace) as queue:
        status = find_job(queue, job)
        tasks = queue.failures(status.id, limit)
    payload = payload_of(status)
    failures = [failure_data(task, payload) for task in tasks]
    if as_json:
        _write(job=status.id, failed=status.failed, lost=status.lost, failures=failures)
        return
    arrow = symbols(sys.stdout.encoding)[2]
    for failure in failures:
        click.echo(display_name(failure_line(failure, arrow)))
    missing = status.failed + status.lost - len(failures)
    if missing > 0:
        click.echo(f"… and {missing} more")
    elif not failures:
        click.echo(f"nothing of job {status.id} has failed")


@jobs_command.command("retry")
@queue_options
@_job
def retry_command(url: str, namespace: str, job: str) -> None:
    """Try again all that failed or was lost, as if it were new."""
    with opened(url, namespace) as queue:
        status = find_job(queue, job)
        count = 0
        while revived := queue.retry(status.id, _RETRIED_AT_ONCE):
            count += revived
    click.echo(f"job {status.id}: {count} pictures are tried again")


@jobs_command.command("cancel")
@queue_options
@click.option("--why", default="", help="What to tell those who wait for it.")
@_job
def cancel_command(url: str, namespace: str, why: str, job: str) -> None:
    """Drop what has not begun; what is in work is finished."""
    with opened(url, namespace) as queue:
        _control(queue, find_job(queue, job), "cancel", why)


@jobs_command.command("pause")
@queue_options
@click.option("--why", default="", help="What to tell those who wait for it.")
@_job
def pause_command(url: str, namespace: str, why: str, job: str) -> None:
    """Hand out nothing more of a job; what is in work is finished."""
    from imgpipe.queue.explain import by_hand  # noqa: PLC0415 - numpy and Pillow

    with opened(url, namespace) as queue:
        _control(queue, find_job(queue, job), "pause", by_hand(why))


@jobs_command.command("resume")
@queue_options
@_job
def resume_command(url: str, namespace: str, job: str) -> None:
    """Go on with a job that was paused, by hand or because most of its first pictures failed."""
    with opened(url, namespace) as queue:
        _control(queue, find_job(queue, job), "resume", "")


@jobs_command.command("purge")
@queue_options
@_job
def purge_command(url: str, namespace: str, job: str) -> None:
    """Forget a job that is over, with all that is known of it. Its pictures stay."""
    with opened(url, namespace) as queue:
        status = find_job(queue, job)
        if not queue.purge(status.id):
            raise UsageError(f"job {status.id} is {status.state}, not over: `imgpipe jobs cancel {status.id}` first")
    click.echo(f"job {status.id} is forgotten")


jobs_command.add_command(
    click.Command(
        "submit",
        params=process_command.params,
        callback=submit,
        short_help="Hand pictures over as `process --executor redis` does, and do not wait for them.",
        help="Hand pictures over as `imgpipe process --executor redis` does, and do not wait for them.\n\n"
        "The options are those of `imgpipe process`. Running that with the same options later collects the results.",
    )
)


class _Watching:
    """Shows how far a job is: a line that is written over on a terminal, lines every few seconds elsewhere."""

    def __init__(self) -> None:
        self._overwrites = sys.stderr.isatty()
        self._shown_at = float("-inf")
        self._width = 0

    def look(self, status: JobStatus, reason: str) -> None:
        """Show the state of now."""
        from imgpipe_cli.job_views import progress_of  # noqa: PLC0415 - it is loaded by now

        line = display_name(f"{progress_of(status)}  {reason}".rstrip())
        if self._overwrites:
            click.echo("\r" + line.ljust(self._width), nl=False, err=True)
            self._width = len(line)
        elif time.monotonic() - self._shown_at >= _LINE_SECONDS:
            self._shown_at = time.monotonic()
            click.echo(line, err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._overwrites and self._width:
            click.echo(err=True)


def _control(queue: TaskQueue, status: JobStatus, verb: Any, why: str) -> None:
    after = queue.control(status.id, verb, why)
    state = "gone" if after is None else after.state
    if status.is_over or after is None:
        raise UsageError(f"job {status.id} is {state}: there is nothing to {verb}")
    click.echo(f"job {status.id} is {state}, with {after.pending + after.retrying} pictures waiting")


def _reasons(queue: TaskQueue, jobs: list[JobStatus]) -> list[str]:
    """Return for each job why its pictures wait, "" where they do not, or not for long."""
    from imgpipe.queue.explain import why_waiting  # noqa: PLC0415 - numpy and Pillow

    if not any(job.pending + job.retrying and not job.is_over for job in jobs):
        return [""] * len(jobs)
    seen = queue.overview(0)
    return [why_waiting(job, seen.classes, seen.workers) for job in jobs]


def _write(**fields: Any) -> None:
    click.echo(json.dumps({"schema": SCHEMA, **fields}))
