"""queue: looks at a queue as a whole, and halts, clears and repairs it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from imgpipe_cli.codes import ExitCode
from imgpipe_cli.meter import duration
from imgpipe_cli.opening import json_option, opened, queue_options

if TYPE_CHECKING:
    from imgpipe.queue.values import ClassStatus

SCHEMA = "imgpipe.queue/1"
_MOST_JOBS = 1000


@click.group("queue", short_help="Look at a queue as a whole; halt, clear or check it.")
def queue_command() -> None:
    """Look at a queue as a whole, and halt, clear or check it."""


@queue_command.command("stats")
@queue_options
@json_option
def stats_command(url: str, namespace: str, as_json: bool) -> None:
    """Show what waits for which labels, for how long, and how many slots of workers there are for it."""
    from imgpipe_cli.table import show_table  # noqa: PLC0415 - only what is used is loaded

    with opened(url, namespace) as queue:
        seen = queue.overview(_MOST_JOBS)
    alive = [worker for worker in seen.workers if worker.is_alive]
    states = Counter(str(job.state) for job in seen.jobs)
    if as_json:
        data = {
            "classes": [asdict(entry) | {"needs": sorted(entry.needs)} for entry in seen.classes],
            "jobs": dict(states),
            "workers": len(alive),
            "slots": sum(worker.slots for worker in alive),
            "busy": sum(worker.load.busy for worker in alive),
        }
        click.echo(json.dumps({"schema": SCHEMA, **data}))
        return
    if seen.classes:
        show_table(("NEEDS", ">WAITING", ">SLOTS", ">OLDEST", ""), [_row(entry) for entry in seen.classes])
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common()) or "none"
    busy, slots = sum(worker.load.busy for worker in alive), sum(worker.slots for worker in alive)
    click.echo(f"jobs: {counted}")
    click.echo(f"workers: {len(alive)}, {busy} of {slots} slots busy")


@queue_command.command("pause")
@queue_options
@click.option("--why", default="", help="What to tell those who wait.")
def pause_command(url: str, namespace: str, why: str) -> None:
    """Pause every job that runs; what is in work is finished. Jobs that come later are not paused."""
    from imgpipe.queue.explain import by_hand  # noqa: PLC0415 - numpy and Pillow
    from imgpipe.queue.values import JobState  # noqa: PLC0415 - the same

    with opened(url, namespace) as queue:
        jobs = [job.id for job in queue.jobs(_MOST_JOBS) if job.state is JobState.RUNNING]
        for job in jobs:
            queue.control(job, "pause", by_hand(why))
    click.echo(f"{len(jobs)} jobs are paused")


@queue_command.command("resume")
@queue_options
def resume_command(url: str, namespace: str) -> None:
    """Resume every job that was paused by hand. Those that were paused because most of it failed stay as they are."""
    from imgpipe.queue.explain import was_stopped_by_breaker  # noqa: PLC0415 - numpy and Pillow
    from imgpipe.queue.values import JobState  # noqa: PLC0415 - the same

    with opened(url, namespace) as queue:
        paused = [job for job in queue.jobs(_MOST_JOBS) if job.state is JobState.PAUSED]
        jobs = [job.id for job in paused if not was_stopped_by_breaker(job)]
        for job in jobs:
            queue.control(job, "resume")
    click.echo(f"{len(jobs)} jobs go on")
    if len(paused) > len(jobs):
        click.echo(f"{len(paused) - len(jobs)} stay, because most of their pictures failed: see `imgpipe jobs list`")


@queue_command.command("purge")
@queue_options
def purge_command(url: str, namespace: str) -> None:
    """Forget every job that is over. Pictures stay."""
    with opened(url, namespace) as queue:
        count = sum(queue.purge(job.id) for job in queue.jobs(_MOST_JOBS) if job.is_over)
    click.echo(f"{count} jobs are forgotten")


@queue_command.command("check")
@queue_options
def check_command(url: str, namespace: str) -> ExitCode:
    """Count everything anew, compare, and repair. Exit code 7 means that something was wrong."""
    with opened(url, namespace) as queue:
        jobs = queue.jobs(_MOST_JOBS)
        wrong = [f"job {job.id}: {what}" for job in jobs for what in queue.fsck(job.id)]
    for line in wrong:
        click.echo(f"{line}; repaired")
    click.echo(f"{len(jobs)} jobs were checked" if not wrong else f"{len(wrong)} counts were wrong")
    return ExitCode.CHECK_FAILED if wrong else ExitCode.DONE


def _row(entry: ClassStatus) -> tuple[object, ...]:
    oldest = None if entry.oldest_seconds is None else duration(entry.oldest_seconds)
    note = "" if entry.slots or not entry.pending else "no live worker can take these"
    return entry.name, entry.pending, entry.slots, oldest, note
