"""check: says whether the queue, or a server over HTTP, is there and can do its work."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption, QueueUnavailable
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.opening import json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = "imgpipe.check/1"
_SECONDS = 5.0
_MOST_BYTES = 1 << 20


@click.command("check", short_help="Is the queue there, or a server? Exit code 5 if not.")
@click.option("--redis", "url", envvar="IMGPIPE_REDIS", metavar="URL", help="The queue's Redis (or IMGPIPE_REDIS).")
@click.option("--namespace", default="default", show_default=True, envvar="IMGPIPE_NAMESPACE",
              help="Which queue of those that are there.")  # fmt: skip
@click.option("--api", metavar="URL", help="A server that `imgpipe serve` has started: http://127.0.0.1:8000.")
@click.option("--token-file", metavar="FILE", help="With --api, a file with what the server wants to know.")
@json_option
def check_command(url: str | None, namespace: str, api: str | None, token_file: str | None, as_json: bool) -> ExitCode:
    """Say whether the queue is there, or the server, and what is wrong with it.

    Exit code 5 means that one of them does not answer or refuses, 7 that it answers but cannot do its work.
    """
    if url is None and api is None:
        raise BadOption("redis", None, "--redis URL (or IMGPIPE_REDIS), --api URL, or both")
    if token_file is not None and api is None:
        raise BadOption("token-file", token_file, "none without --api")
    found = [*(_queue(url, namespace) if url else ()), *(_server(api, token_file) if api else ())]
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "ok": all(entry["ok"] for entry in found), "checks": found}))
    else:
        for entry in found:
            click.echo(display_name(f"{'ok  ' if entry['ok'] else 'fail'}  {entry['name']:7}  {entry['found']}"))
    if any(not entry["reached"] for entry in found):
        return ExitCode.UNREACHABLE
    return ExitCode.DONE if all(entry["ok"] for entry in found) else ExitCode.CHECK_FAILED


def _queue(url: str, namespace: str) -> Iterator[dict[str, Any]]:
    from imgpipe.errors import QueueRefused  # noqa: PLC0415 - with the next
    from imgpipe_cli.dashboard.watching import watching  # noqa: PLC0415 - only what is used is loaded

    try:
        with watching(url, namespace) as (watch, _):
            snapshot = watch.take()
    except (QueueUnavailable, QueueRefused) as error:
        text = f"{str(error).splitlines()[0]}; start one with `imgpipe up`, or name another with --redis"
        yield _entry("redis", text, ok=False, reached=False)
        return
    redis, alive = snapshot.redis, [worker for worker in snapshot.workers if worker.state != "lost"]
    if redis is not None:
        answer = "" if redis.ping_seconds is None else f", answers in {1000 * redis.ping_seconds:.1f} ms"
        yield _entry("redis", f"{redis.version}{answer}", ok=True)
    waiting = sum(queue.ready for queue in snapshot.queues)
    lonely = [queue for queue in snapshot.queues if queue.ready and not queue.slots.total]
    slots = sum(worker.concurrency for worker in alive)
    text = f"{len(alive)} workers with {slots} slots; {waiting} pictures wait"
    for queue in lonely:
        text += f"; nobody can take the {queue.ready} that need {queue.capability}"
    yield _entry("workers", text, ok=not lonely)


def _server(url: str, token_file: str | None) -> Iterator[dict[str, Any]]:
    if not url.startswith(("http://", "https://")):
        raise BadOption("api", url, "http://host:port")
    health = urllib.request.Request(url.rstrip("/") + "/api/health/")  # noqa: S310 - http or https, see above
    if token_file is not None:
        from imgpipe.web.settings import read_token  # noqa: PLC0415 - only what is used is loaded

        health.add_unredirected_header("Authorization", f"Bearer {read_token(token_file)}")
    try:
        with urllib.request.urlopen(health, timeout=_SECONDS) as answer:  # noqa: S310 - the same
            document = json.loads(answer.read(_MOST_BYTES))
        status, version = str(document["status"]), str(document["version"])
        wrong = [name for name, check in document["checks"].items() if not check["ok"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # or somebody else answers
        text = f"{health.full_url} does not answer as it should: {error}; start it with `imgpipe serve`"
        yield _entry("api", text, ok=False, reached=False)
        return
    text = f"{status}, version {version}" + (f"; wrong: {', '.join(wrong)}" if wrong else "")
    yield _entry("api", text, ok=status == "healthy")


def _entry(name: str, found: str, *, ok: bool, reached: bool = True) -> dict[str, Any]:
    return {"name": name, "ok": ok, "reached": reached, "found": found}
