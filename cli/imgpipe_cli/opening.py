"""Opening: the options that name a queue, opening it, and finding a job or a worker in it by the start of its name."""

from __future__ import annotations

import contextlib
import difflib
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.shell_completion import CompletionItem

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import JobStatus, WorkerStatus

_MOST_JOBS = 1000

json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document to stdout.")


def queue_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--redis` and `--namespace` to a command."""
    where = "Where the queue is: redis://host:6379/0, rediss://… or unix:///path (or IMGPIPE_REDIS)."
    redis = click.option("--redis", "url", envvar="IMGPIPE_REDIS", required=True, metavar="URL", help=where)
    namespace = click.option("--namespace", default="default", show_default=True, envvar="IMGPIPE_NAMESPACE",
                             help="Which queue of those that are there.")  # fmt: skip
    return redis(namespace(function))


@contextlib.contextmanager
def opened(url: str, namespace: str) -> Iterator[TaskQueue]:
    """Open a queue for the `with` block. Raises `QueueUnavailable` at once: there is somebody who can try again."""
    from imgpipe.queue import open_queue  # noqa: PLC0415 - loads redis

    with contextlib.closing(open_queue(url, namespace=namespace)) as queue:
        yield queue


def find_job(queue: TaskQueue, text: str) -> JobStatus:
    """Return the job whose id is, or begins with, a text. Raises `UsageError` if there is none, or more than one."""
    jobs = queue.jobs(_MOST_JOBS)
    exact = next((job for job in jobs if job.id == text), None) or queue.status(text)
    if exact is not None:
        return exact
    found = [job for job in jobs if job.id.startswith(text)]
    if len(found) == 1:
        return found[0]
    names = [job.id for job in found or jobs]
    raise UsageError(_not_one("job", text, names, several=bool(found), where="imgpipe jobs list"))


def find_workers(queue: TaskQueue, text: str) -> list[WorkerStatus]:
    """Return the live workers of a name, or the one whose id begins with a text. Raises `UsageError` if there is none.

    Several workers may have one name: what is said to it is said to all of them.
    """
    workers = [worker for worker in queue.workers() if worker.is_alive]
    named = [worker for worker in workers if worker.name == text]
    if named:
        return named
    found = [worker for worker in workers if worker.id.startswith(text)]
    if len({worker.name for worker in found}) == 1:
        return found
    names = [worker.name for worker in found or workers]
    raise UsageError(_not_one("worker", text, names, several=bool(found), where="imgpipe workers list"))


def complete_job(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a job, for a shell."""
    del param
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for a shell

    url = ctx.params.get("url")
    with contextlib.suppress(Exception), opened(url or "", ctx.params.get("namespace") or "default") as queue:
        return [
            CompletionItem(job.id, help=f"{job.state}, {job.done} done")
            for job in queue.jobs(_MOST_JOBS)
            if job.id.startswith(incomplete)
        ]
    return []


def _not_one(kind: str, text: str, names: list[str], *, several: bool, where: str) -> str:
    shown = display_name(text, width=80)
    if several:
        return f"{shown} is the beginning of several {kind}s: {', '.join(sorted(set(names))[:10])}"
    near = difflib.get_close_matches(text, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"`{where}` shows them" if names else f"there is no {kind} at all"
    return f"no {kind} {shown}; {hint}"
