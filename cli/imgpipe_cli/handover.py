"""Handover: what `process` needs where workers elsewhere do the work: the name of the job, and how to leave it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from imgpipe.errors import BadOption, ImgpipeError
from imgpipe_cli.interrupt import Interrupt
from imgpipe_cli.options import BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.executors.queued import QueuedExecutor, QueuedOptions
    from imgpipe.plan import Plan

_CAREFUL_WINDOW = 16  # pictures on their way where a failure is to stop the run soon


def redis_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `--executor redis` to a command."""
    options = (
        click.option("--redis", envvar="IMGPIPE_REDIS", metavar="URL|embedded",
                     help="With --executor redis: its server, as redis://host:6379/0 (or IMGPIPE_REDIS); embedded "
                          "starts one here, with -j workers."),
        click.option("--namespace", envvar="IMGPIPE_NAMESPACE", help="Which queue of those on that server."),
        click.option("--needs", multiple=True, metavar="LABEL",
                     help="Give the pictures only to workers with this label, beyond io and cpu; may be repeated."),
        click.option("--on-interrupt", type=click.Choice(["ask", "detach", "cancel"]), default="ask",
                     show_default=True,
                     help="With --executor redis, what Ctrl-C does: leave the job to its workers, or cancel it; off a "
                          "terminal, ask means detach."),
        click.option("--routing", type=click.Choice(["labels", "fifo"]), default="labels", show_default=True,
                     help="fifo is for teaching: any worker takes any picture, then finds out whether it can."),
        click.option("--transport", type=click.Choice(["files", "inline"]), default="files", show_default=True,
                     help="inline sends pictures through Redis, to workers that see none of these folders."),
        click.option("--inline-limit", type=BYTES, metavar="BYTES",
                     help="The largest picture that is sent with --transport inline (default: 8M)."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def was_typed(name: str) -> bool:
    """Whether an option of this command was typed, and does not come from the environment."""
    context = click.get_current_context()
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def queued_options(plan: Plan, given: dict[str, Any], *, wait: bool) -> QueuedOptions:
    """Return how this command hands its pictures over."""
    from imgpipe.executors.queued import QueuedOptions  # noqa: PLC0415 - only with --executor redis

    if given["redis"] == "embedded" and given["on_interrupt"] == "detach":
        expected = "cancel together with --redis embedded: its server ends with this command"
        raise BadOption("on-interrupt", "detach", expected)
    digest, source_root = _manifest(plan)
    stops_soon = given["fail_fast"] or given["max_errors"] is not None
    options = QueuedOptions(
        key=hashlib.sha256(json.dumps([digest, asdict(plan.options)]).encode()).hexdigest(),
        source_root=os.path.abspath(os.sep) if plan.options.in_place else source_root,
        target_root=os.path.abspath(os.sep if plan.options.in_place else plan.root),
        needs=frozenset(given["needs"]),
        wait=wait,
        on_close="keep",
        routing=given["routing"],
        transport=given["transport"],
    )
    if given["inline_limit"]:
        options = replace(options, inline_bytes=given["inline_limit"])
    return replace(options, window=_CAREFUL_WINDOW) if stops_soon else options


def interrupt_of(executor: QueuedExecutor, given: dict[str, Any], say: Callable[[str], None]) -> Interrupt:
    """Return what listens to Ctrl-C: the first one leaves the run, the second one does not wait for anything."""
    if given["redis"] == "embedded" or given["on_interrupt"] == "cancel":
        words = ("stopping: finishing the pictures in work (Ctrl-C again to drop them)", "the job is cancelled")
        return Interrupt(say, executor.abort, leave=executor.leave, words=words)
    words = ("stopping (Ctrl-C again to end at once)", "the job goes on; the same command takes it up")
    return Interrupt(say, lambda: None, leave=executor.leave, words=words)


def take_leave(executor: QueuedExecutor, given: dict[str, Any], say: Callable[[str], None], *, asked: bool) -> None:
    """After Ctrl-C, leave the job to its workers or cancel it, and say how to come back."""
    if not executor.job:
        return
    left = executor.on_their_way
    try:
        if given["redis"] == "embedded" or given["on_interrupt"] == "cancel" or (asked and _wants_to_cancel(given)):
            executor.cancel()
            say(f"job {executor.job} is cancelled; the same command begins with what is left")
            return
        executor.detach()
    except ImgpipeError as error:
        say(f"job {executor.job} could not be told: {error}")
    say(
        f"job {executor.job} goes on with {left} pictures; "
        f"the same command takes it up, `imgpipe jobs watch {executor.job}` shows it"
    )


def _wants_to_cancel(given: dict[str, Any]) -> bool:
    if given["on_interrupt"] != "ask" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    click.echo("leave the job running (Enter) or cancel it (c)? ", err=True, nl=False)
    try:
        return sys.stdin.readline().strip().lower() in ("c", "cancel")
    except KeyboardInterrupt:
        click.echo(err=True)
        return False


def _manifest(plan: Plan) -> tuple[str, str]:
    """Return a digest of all sources, and the folder in which they lie.

    Sources that have changed since are another job: results of the old ones must not be taken for theirs. In place
    they change by being processed, and the job must be found again all the same, or they would be processed twice.
    """
    digest = hashlib.sha256()
    root = ""
    for source in plan.sources:
        whole = os.path.abspath(source.path)
        folder = os.path.dirname(whole)
        root = root or folder
        while os.path.commonpath([root, folder]) != root:
            root = os.path.dirname(root)
        digest.update(os.fsencode(whole) + b"\0")
        if not plan.options.in_place:
            digest.update(_state_of(whole))
    return digest.hexdigest(), root or os.path.abspath(os.sep)


def _state_of(path: str) -> bytes:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return b"-"
    return b"%d %d\0" % (status.st_size, status.st_mtime_ns)
