"""serve: the endpoints over HTTP, on this machine unless there is a token."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption, PictureError
from imgpipe.pictures.staging import discard_open
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.modules import import_user_filters

if TYPE_CHECKING:
    from types import FrameType

    from imgpipe.web.server import Server
    from imgpipe.web.settings import WebSettings

_OPEN_FILES = 2048  # sockets, files on their way, pipes to children


@click.command("serve", short_help="Offer it all over HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--images", metavar="FOLDER", help="Pictures to offer and to process (static/images).")
@click.option("--processed", metavar="FOLDER", help="Where results go (static/processed).")
@click.option("--root", "roots", multiple=True, metavar="FOLDER", help="A further folder whose pictures may be named.")
@click.option("--token-file", metavar="FILE", help="What clients have to know; needed to serve other machines.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name by which the server is called.")
@click.option("--import", "import_modules", multiple=True, metavar="MODULE", help="A module with filters of yours.")
@click.option("--quiet", is_flag=True, help="No line for each request.")
def serve_command(
    host: str,
    port: int,
    images: str | None,
    processed: str | None,
    roots: tuple[str, ...],
    token_file: str | None,
    hosts: tuple[str, ...],
    import_modules: tuple[str, ...],
    *,
    quiet: bool,
) -> ExitCode:
    r"""Offer pictures and filters over HTTP until Ctrl-C or SIGTERM, which let requests in work come to their end.

    Only this machine is served, unless there is a token. Not made to face the internet: put a proxy in front.

    \b
    imgpipe serve --port 8000
    curl http://127.0.0.1:8000/api/health/
    """
    import_user_filters(import_modules)
    from imgpipe.web.app import App  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.web.folders import prepare  # noqa: PLC0415 - the same
    from imgpipe.web.server import Server, check_address  # noqa: PLC0415 - the same

    settings = _settings(images, processed, roots, token_file, hosts)
    check_address(host, settings)
    try:
        prepare(settings)
    except PictureError as error:
        raise BadOption("images", settings.images, f"a folder that can be written ({error.message})") from error
    _allow_many_files()
    server = Server(App(settings), host, port, log=_nothing if quiet else _log)
    token = ' -H "Authorization: Bearer $TOKEN"' if settings.token else ""
    click.echo(f"imgpipe serves {server.url}/ (Ctrl-C stops it)")
    click.echo(f"try: curl{token} {server.url}/api/health/")
    sys.stdout.flush()
    if not _served(server):
        discard_open()
        # Threads cannot be stopped, and the interpreter would wait for them.
        os._exit(ExitCode.DONE)
    return ExitCode.DONE


def _settings(
    images: str | None, processed: str | None, roots: tuple[str, ...], token_file: str | None, hosts: tuple[str, ...]
) -> WebSettings:
    from imgpipe.web.settings import IMAGES, PROCESSED, WebSettings, read_token  # noqa: PLC0415 - with what it imports

    return WebSettings(
        images=IMAGES if images is None else images,
        processed=PROCESSED if processed is None else processed,
        roots=roots,
        allowed_hosts=hosts,
        token=None if token_file is None else read_token(token_file),
    )


def _served(server: Server) -> bool:
    """Serve until a signal; whether all requests have come to their end. A second signal does not wait for them."""
    stopping = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            discard_open()
            os._exit(ExitCode.TERMINATED)
        stopping = True
        click.echo("stopping: finishing the requests in work (again to drop them)", err=True)
        server.stop()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return server.serve()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


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


def _nothing(_line: str) -> None:
    """Log nothing."""
