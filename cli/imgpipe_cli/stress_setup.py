"""Stress setup: gets ready what a run needs: pictures, a folder, and a queue, a server or a fleet to send to."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption, NothingToDo, UsageError
from imgpipe_cli.handover import was_typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.queue.base import TaskQueue
    from imgpipe.recipe import Recipe
    from imgpipe.stress import Plan, Stress
    from imgpipe.stress.book import Book
    from imgpipe.stress.faults import Harm
    from imgpipe.stress.fleet import Fleet
    from imgpipe.stress.http_target import HttpTarget

_SAMPLES = (2, 3840, 2160)  # how many pictures of what size, if none are given: work that can be seen in a dashboard
_DEFAULTS = ("resize:640x360", "sharpen")  # of both kinds, so that every worker has something to do


def ordered(plan: Plan, given: dict[str, Any], harm: Harm | None, stack: contextlib.ExitStack) -> Stress:
    """Get everything ready; `stack` ends it. Raises `UsageError` for options that do not go together."""
    from imgpipe.stress import Stress  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.stress.book import Book  # noqa: PLC0415 - the same
    from imgpipe.stress.faults import Mischief  # noqa: PLC0415 - the same
    from imgpipe.stress.queue_target import QueueTarget  # noqa: PLC0415 - the same

    book, recipes, place = Book(), _recipes(given), place_of(given)
    if harm is not None and harm.is_any and place != "fleet":
        raise BadOption("kill-worker and pause-redis", place, "--own-fleet: only what it has started itself is harmed")
    what = " and ".join(str(recipe.pipeline) or "copy" for recipe in recipes) + " in turn" * (len(recipes) > 1)
    if place == "url":
        return Stress(plan, _http_target(given, recipes, book), book, what)
    # What is opened first is closed last: the fleet ends before its folder does.
    folder, sources = _pictures(given, stack)
    what += f"   {len(sources)} pictures"
    if place == "redis":
        queue, where = stack.enter_context(_queue(given))
        return Stress(plan, QueueTarget(queue, where, recipes, sources, folder, book), book, what)
    fleet = _fleet(given)
    slots = "slot" if given["slots"] == 1 else "slots"
    each = f"{given['slots']} {slots} each, lease {fleet.lease_seconds:g} s"
    where = f"a fleet of its own: {given['own_fleet']}, {each}"
    stack.enter_context(fleet)
    target = QueueTarget(fleet.queue, where, recipes, sources, folder, book)
    return Stress(plan, target, book, what, None if harm is None else Mischief(harm, fleet, target, book))


def place_of(given: dict[str, Any]) -> str:
    """Return whom to send to: redis, url or fleet. What was typed counts more than the environment."""
    named = {"redis": given["redis_url"], "url": given["url"], "fleet": given["own_fleet"]}
    typed = [name for name, value in named.items() if value and (name != "redis" or was_typed("redis_url"))]
    if not typed and named["redis"]:
        typed = ["redis"]
    if len(typed) != 1:
        raise UsageError("say whom to send to, with one of --redis URL, --url URL and --own-fleet io,cpu,all")
    if given["token_file"] and typed[0] != "url":
        raise BadOption("token-file", given["token_file"], "none without --url")
    return typed[0]


def _recipes(given: dict[str, Any]) -> list[Recipe]:
    from imgpipe.pipeline import Pipeline  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.recipe import Recipe  # noqa: PLC0415 - the same
    from imgpipe_cli.process import recipe_of  # noqa: PLC0415 - the same

    if given["filters"] or given["recipe_file"]:
        return [recipe_of(given)]
    return [Recipe(Pipeline.parse(text)) for text in _DEFAULTS]


def _pictures(given: dict[str, Any], stack: contextlib.ExitStack) -> tuple[str, list[str]]:
    """Return a folder for results, which is removed in the end, and the pictures."""
    from imgpipe.plan.sources import Sources  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.samples import make_samples  # noqa: PLC0415 - the same

    if given["folder"] is not None and not os.path.isdir(given["folder"]):
        raise BadOption("folder", given["folder"], "a folder that is there")
    scratch = tempfile.TemporaryDirectory(prefix="imgpipe-stress-", dir=given["folder"], ignore_cleanup_errors=True)
    folder = os.path.abspath(stack.enter_context(scratch))
    if given["pictures"]:
        sources = [os.path.abspath(source.path) for source in Sources(given["pictures"], stdin=sys.stdin.buffer)]
        if not sources:
            raise NothingToDo(f"no picture in {', '.join(map(display_name, given['pictures'][:3]))}")
    else:
        count, width, height = _SAMPLES
        click.echo(f"painting {count} pictures of {width}x{height} pixels", err=True)
        sources = make_samples(os.path.join(folder, "in"), count, width, height)
    os.mkdir(os.path.join(folder, "out"))
    return os.path.join(folder, "out"), sources


@contextlib.contextmanager
def _queue(given: dict[str, Any]) -> Iterator[tuple[TaskQueue, str]]:
    """Open a queue that is there, and say where it is."""
    from imgpipe_cli.opening import opened  # noqa: PLC0415 - loads redis
    from imgpipe_cli.worker import shown_url  # noqa: PLC0415 - the same

    url, namespace = given["redis_url"], given["namespace"]
    _check_host("redis", url, given)
    with opened(url, namespace) as queue:
        yield queue, f"{shown_url(url)}, namespace {namespace}"


def _http_target(given: dict[str, Any], recipes: list[Recipe], book: Book) -> HttpTarget:
    from imgpipe.recipe import Recipe  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.stress.http_target import HttpTarget  # noqa: PLC0415 - the same
    from imgpipe.web.settings import read_token  # noqa: PLC0415 - the same

    _check_host("url", given["url"], given)
    if any(recipe != Recipe(recipe.pipeline) for recipe in recipes):
        raise BadOption("recipe", given["recipe_file"], "filters alone with --url: the server decides about the rest")
    token = None if given["token_file"] is None else read_token(given["token_file"])
    return HttpTarget(given["url"], token, [recipe.pipeline for recipe in recipes], given["pictures"], book)


def _fleet(given: dict[str, Any]) -> Fleet:
    from imgpipe.stress.fleet import Fleet  # noqa: PLC0415 - only what is used is loaded
    from imgpipe_cli.worker import kinds_of  # noqa: PLC0415 - the same

    return Fleet(kinds_of(given["own_fleet"]), slots=given["slots"], modules=given["import_modules"])


def _check_host(option: str, url: str, given: dict[str, Any]) -> None:
    """Refuse to put load on a machine that may be somebody else's."""
    from imgpipe.web.guard import is_loopback  # noqa: PLC0415 - only what is used is loaded

    host = urlsplit(url).hostname or ""
    if urlsplit(url).scheme != "unix" and not is_loopback(host) and not given["is_own_server"]:
        raise BadOption(option, display_name(host), "this machine; for another one that is yours, --i-own-this-server")
