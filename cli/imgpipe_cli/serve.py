"""serve: the endpoints over HTTP, on this machine unless there is a token."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption, PictureError
from imgpipe.pictures.staging import discard_open
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.interrupt import ENDS, handled
from imgpipe_cli.modules import import_user_filters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from imgpipe.web.broker import Broker
    from imgpipe.web.server import Server
    from imgpipe.web.settings import WebSettings

_OPEN_FILES = 2048  # sockets, files on their way, pipes to children
_GRACE_SECONDS = 20.0


@click.command("serve", short_help="Offer it all over HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--images", metavar="FOLDER", help="Pictures to offer and to process (static/images).")
@click.option("--processed", metavar="FOLDER", help="Where results go (static/processed).")
@click.option("--root", "roots", multiple=True, metavar="FOLDER", help="A further folder whose pictures may be named.")
@click.option("--token-file", metavar="FILE", help="What clients have to know; needed to serve other machines.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name by which the server is called.")
@click.option(
    "--redis",
    "url",
    envvar="IMGPIPE_REDIS",
    metavar="URL",
    help="The queue of distributed tasks, as redis://host:6379/0 (or IMGPIPE_REDIS). Without one it is in memory, and "
    "the server has workers of its own.",
)
@click.option(
    "--namespace", default="default", show_default=True, envvar="IMGPIPE_NAMESPACE", help="Which queue there."
)
@click.option(
    "--workers",
    "capabilities",
    metavar="LIST",
    help="Without --redis: a worker for each item, as io,cpu,all (default: all, with a slot for each core).",
)
@click.option(
    "--routing",
    type=click.Choice(["labels", "fifo"]),
    default="labels",
    show_default=True,
    help="Of tasks that do not name theirs; fifo is for teaching, see `imgpipe worker`.",
)
@click.option("--import", "import_modules", multiple=True, metavar="MODULE", help="A module with filters of yours.")
@click.option("--quiet", is_flag=True, help="No line for each request.")
def serve_command(host: str, port: int, *, quiet: bool, **given: Any) -> ExitCode:
    r"""Offer pictures and filters over HTTP until Ctrl-C or SIGTERM, which let requests in work come to their end.

    Only this machine is served, unless there is a token. Not made to face the internet: put a proxy in front.

    \b
    imgpipe serve --port 8000
    curl http://127.0.0.1:8000/api/health/
    """
    import_user_filters(given["import_modules"])
    from imgpipe.web.app import App  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.web.folders import prepare  # noqa: PLC0415 - the same
    from imgpipe.web.server import Server, check_address  # noqa: PLC0415 - the same
    from imgpipe.web.settings import IMAGES, PROCESSED, WebSettings, read_token  # noqa: PLC0415 - the same

    settings = WebSettings(
        images=IMAGES if given["images"] is None else given["images"],
        processed=PROCESSED if given["processed"] is None else given["processed"],
        roots=given["roots"],
        allowed_hosts=given["hosts"],
        token=None if given["token_file"] is None else read_token(given["token_file"]),
        routing=given["routing"],
    )
    check_address(host, settings)
    try:
        prepare(settings)
    except PictureError as error:
        raise BadOption("images", settings.images, f"a folder that can be written ({error.message})") from error
    _allow_many_files()
    with (
        _Stopping().listening() as stopping,
        _queue(settings, given) as broker,
        contextlib.closing(App(settings, broker)) as app,
    ):
        server = stopping.server = Server(app, host, port, log=(lambda _line: None) if quiet else _log)
        token = ' -H "Authorization: Bearer $TOKEN"' if settings.token else ""
        click.echo(f"imgpipe serves {server.url}/ (Ctrl-C stops it)")
        click.echo(f"try: curl{token} {server.url}/api/health/")
        sys.stdout.flush()
        is_done = server.serve()
    if not is_done:
        discard_open()
        # Threads cannot be stopped, and the interpreter would wait for them.
        os._exit(ExitCode.DONE)
    return ExitCode.DONE


class _Stopping:
    """Stops the server at the first signal, and ends everything at the second."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self._has_begun = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[_Stopping]:
        """Handle SIGINT and SIGTERM for the `with` block."""
        with handled(dict.fromkeys(ENDS, self._handle)):
            yield self

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._has_begun or self.server is None:
            discard_open()
            os._exit(ExitCode.TERMINATED)
        self._has_begun = True
        click.echo("stopping: finishing the requests in work (again to drop them)", err=True)
        self.server.stop()


@contextlib.contextmanager
def _queue(settings: WebSettings, given: dict[str, Any]) -> Iterator[Broker]:
    """Open the queue for the `with` block: a Redis, which need not be there yet, or one in memory with its workers."""
    from imgpipe.queue.memory import MemoryQueue  # noqa: PLC0415 - only what is used is loaded
    from imgpipe.web.broker import Broker, RedisBroker  # noqa: PLC0415 - the same
    from imgpipe.web.own_workers import OwnWorkers  # noqa: PLC0415 - the same
    from imgpipe_cli.worker import kinds_of, labels_of  # noqa: PLC0415 - the same

    url, capabilities = given["url"], given["capabilities"]
    if url and capabilities:
        raise BadOption("workers", capabilities, "none together with --redis: start them with `imgpipe worker`")
    if url:
        broker = RedisBroker(url, given["namespace"])
        with contextlib.closing(broker):
            broker.start()
            if broker.trouble:
                _log(f"{broker.trouble}; serving all the same, without distributed tasks until it does")
            yield broker
        return
    queue = MemoryQueue()
    labels = [labels_of(kind) for kind in kinds_of("all" if capabilities is None else capabilities)]
    workers = OwnWorkers(queue, labels, settings, _log)
    workers.start()
    try:
        yield Broker(queue)
    finally:
        workers.stop(_GRACE_SECONDS)
        if left := sum(job.submitted - job.settled for job in queue.jobs()):
            _log(f"{left} pictures of tasks were not processed, and are forgotten: the queue was in memory")


def _allow_many_files() -> None:
    """Let this process open more files than some systems allow at first; how many it may have, they say."""
    if os.name != "posix":
        return
    import resource  # noqa: PLC0415 - POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _log(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # whoever read it has gone; that is no reason to stop
        click.echo(display_name(line), err=True)
