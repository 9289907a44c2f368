"""lesson: an experiment about concurrency on this machine: predict first, then measure, then understand."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.opening import json_option
from imgpipe_cli.show import symbols

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.lessons import Finding, Lesson

_WIDEST = 100
_LARGEST = 1e9
_PLAIN = str.maketrans({"–": "-", "×": "x", "∞": "inf"})


@click.command("lesson", short_help="Learn about concurrency by experiments on this machine.")
@click.argument("name", required=False)
@click.option("--predict", type=float, metavar="VALUE", help="What you expect; without it you are asked.")
@click.option("--no-input", is_flag=True, help="Ask nothing: run without a prediction.")
@click.option("--quick", is_flag=True, help="A small run of a few seconds: a first look, with numbers that say less.")
@json_option
def lesson_command(name: str | None, predict: float | None, no_input: bool, quick: bool, as_json: bool) -> ExitCode:
    r"""Run an experiment: a question, your prediction, a real run of under a minute, and what it means.

    Without NAME, the lessons are listed.

    \b
    imgpipe lesson gil
    imgpipe lesson queueing --predict 5 --json
    """
    from imgpipe.lessons import all_lessons, find  # noqa: PLC0415 - numpy and Pillow, which --help does not need
    from imgpipe.lessons.document import list_data, to_data  # noqa: PLC0415 - the same

    if name is None:
        lessons = all_lessons()
        if as_json:
            click.echo(json.dumps(list_data(lessons)))
        else:
            _show(_listed(lessons))
        return ExitCode.DONE
    if predict is not None and not 0 <= predict <= _LARGEST:
        raise BadOption("predict", predict, "a number from 0 on")
    lesson = find(name)
    if not as_json:
        _show(_asked(lesson))
    asks = predict is None and not no_input and not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    prediction = _prediction(lesson) if asks else predict
    finding = _run(lesson, quick=quick)
    if as_json:
        click.echo(json.dumps(to_data(lesson, prediction, finding), allow_nan=False))
    else:
        _show(_told(lesson, prediction, finding))
    return ExitCode.DONE


def _prediction(lesson: Lesson) -> float | None:
    """Ask the learner, until there is a number or nothing."""
    while True:
        text: str = click.prompt(f"your prediction, in {lesson.unit} (Enter to skip)", default="", show_default=False)
        if not text.strip():
            return None
        try:
            value = float(text.strip().replace(",", "."))
        except ValueError:
            value = math.nan
        if 0 <= value <= _LARGEST:
            return value
        click.echo("a number from 0 on, please")


def _run(lesson: Lesson, *, quick: bool) -> Finding:
    lively = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    last = ""

    def say(text: str) -> None:
        nonlocal last
        if lively:
            click.echo(f"\r\x1b[K{display_name(text)}", nl=False, err=True)
        elif text.partition(":")[0] != last:  # off a terminal, one line for each part of the run
            click.echo(display_name(text), err=True)
        last = text.partition(":")[0]

    try:
        return lesson.run(quick, say)
    finally:
        if lively:
            click.echo("\r\x1b[K", nl=False, err=True)


def _listed(lessons: list[Lesson]) -> Iterator[str]:
    width = max(len(lesson.name) for lesson in lessons)
    for lesson in lessons:
        yield f"{lesson.name:{width}}  {lesson.title} (about {lesson.seconds} s)"
    yield ""
    yield f"try: imgpipe lesson {lessons[0].name}"


def _asked(lesson: Lesson) -> Iterator[str]:
    yield f"{lesson.name}: {lesson.title}"
    yield ""
    yield from _wrapped(lesson.setting)
    yield ""
    yield from _wrapped(lesson.question)


def _told(lesson: Lesson, prediction: float | None, finding: Finding) -> Iterator[str]:
    from imgpipe.lessons.values import compared  # noqa: PLC0415 - with the lessons

    yield ""
    if prediction is not None:
        yield f"you predicted  {prediction:g} {lesson.unit}"
    measured = f"measured       {finding.answer:.3g} {lesson.unit}"
    yield measured if prediction is None else f"{measured}   {compared(prediction, finding.answer)}"
    yield ""
    width = max(len(name) for name, _ in finding.rows)
    for name, value in finding.rows:
        yield f"  {name:{width}}  {value}"
    for paragraph in finding.explanation:
        yield ""
        yield from _wrapped(paragraph)
    for note in finding.notes:
        yield ""
        yield from _wrapped(f"note: {note}")
    yield ""
    yield f"read on in {', '.join(lesson.code)}"


def _wrapped(text: str) -> list[str]:
    return wrap(text, min(shutil.get_terminal_size().columns, _WIDEST))


def _show(lines: Iterator[str]) -> None:
    plain = symbols(sys.stdout.encoding) == symbols(None)
    for line in lines:
        click.echo(display_name(line.translate(_PLAIN) if plain else line))
    sys.stdout.flush()
