"""Watching: names what is to be looked at, a queue or a server, and opens it for that."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from imgpipe.errors import BadOption
from imgpipe_cli.handover import was_typed
from imgpipe_cli.opening import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.monitor import Snapshot, Watch
    from imgpipe.queue.base import TaskQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What gives snapshots, None when there are no more; the queue behind it, if it is at hand.

    `look_at` has it look at one task more closely.
    """

    take: Callable[[], Snapshot | None]
    queue: TaskQueue | None = None
    look_at: Callable[[str | None], None] = lambda _: None


def watch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name what is to be looked at."""
    options = (
        click.option("--redis", "redis_url", envvar="IMGPIPE_REDIS", metavar="URL",
                     help="The queue's Redis (or IMGPIPE_REDIS)."),
        click.option("--namespace", default="default", show_default=True, envvar="IMGPIPE_NAMESPACE",
                     help="Which queue of those that are there."),
        click.option("--url", metavar="URL",
                     help="Instead of a Redis: an `imgpipe serve`, or a run with --metrics-port."),
        click.option("--token-file", metavar="FILE", help="With --url, a file with what the server wants to know."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def named(given: dict[str, Any], *others: str) -> str:
    """Return what is to be looked at: redis_url, url or one of `others`. What was typed counts more."""
    names = [name for name in ("redis_url", "url", *others) if given[name] is not None]
    typed = [name for name in names if was_typed(name)] or names
    if len(typed) != 1:
        words = "".join(f", --{other} FILE" for other in others)
        raise BadOption("redis", given["redis_url"], f"--redis URL (or IMGPIPE_REDIS), --url URL{words}, and not both")
    if given["token_file"] is not None and typed != ["url"]:
        raise BadOption("token-file", given["token_file"], "none without --url")
    return typed[0]


@contextlib.contextmanager
def source_of(given: dict[str, Any], name: str, *, advise_seconds: float | None = None) -> Iterator[Source]:
    """Open what `named` has returned for the `with` block; the rest as in `watching`."""
    if name == "url":
        from imgpipe.web.settings import read_token  # noqa: PLC0415 - only what is used is loaded
        from imgpipe_cli.dashboard.remote import Remote  # noqa: PLC0415 - the same

        token = None if given["token_file"] is None else read_token(given["token_file"])
        yield Source(take=Remote(given["url"], token).take)
        return
    with watching(given["redis_url"], given["namespace"], advise_seconds=advise_seconds) as (watch, queue):
        yield Source(take=watch.take, queue=queue, look_at=watch.look_at)


@contextlib.contextmanager
def watching(url: str, namespace: str, *, advise_seconds: float | None = None) -> Iterator[tuple[Watch, TaskQueue]]:
    """Open a queue for the `with` block, and a second connection to its Redis for what that says of itself.

    `advise_seconds` is how far looks are apart that are compared for the advice, where that is not the usual time.
    Raises `QueueUnavailable`.
    """
    from imgpipe.advice import AdviceSettings  # noqa: PLC0415 - only what is used is loaded
    from imgpipe.monitor import Watch  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.queue.connection import Connection  # noqa: PLC0415 - loads redis

    with opened(url, namespace) as queue, contextlib.closing(Connection(url, "", "")) as server:
        settings = AdviceSettings() if advise_seconds is None else AdviceSettings(sample_seconds=advise_seconds)
        yield Watch(queue, server=server, namespace=namespace, advice=settings), queue
