"""Preview: shows what a run would do, line by line, without doing it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from imgpipe.display import display_name
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.show import size, symbols

if TYPE_CHECKING:
    from imgpipe.executors import Choice
    from imgpipe.plan import Plan, PlanSummary
    from imgpipe.plan.preview import PlannedPicture


def show_plan(plan: Plan, summary: PlanSummary, choice: Choice, *, as_json: bool) -> ExitCode:
    """Write a line for every picture, then the sums. Refused pictures make exit code 3, as the run would."""
    actions: Counter[str] = Counter()
    megapixels, most_memory = 0.0, 0
    arrow = symbols(sys.stdout.encoding)[2]
    for picture in plan.preview():
        actions[picture.action] += 1
        megapixels += picture.megapixels
        most_memory = max(most_memory, picture.memory_bytes)
        click.echo(json.dumps({"type": "item", **asdict(picture)}) if as_json else _line(picture, arrow))
    sums = {
        "pictures": summary.pictures,
        "bytes": summary.bytes,
        "ignored": summary.ignored,
        **{action: actions[action] for action in ("process", "copy", "skip", "refuse")},
        "megapixels": round(megapixels, 3),
        "most_memory_bytes": most_memory,
        "executor": choice.name,
        "workers": choice.workers,
        "why": choice.why,
    }
    if as_json:
        click.echo(json.dumps({"type": "plan", **sums}))
    else:
        click.echo(
            f"{summary.pictures} pictures, {size(summary.bytes)}: {actions['process']} to process, "
            f"{actions['copy']} to copy, {actions['skip']} to skip, {actions['refuse']} refused"
        )
        click.echo(f"{megapixels:.1f} MP to decode, at most {size(most_memory)} of memory for one picture")
        if summary.ignored:
            click.echo(f"{summary.ignored} other files ignored (--include '*' takes them)")
        click.echo(f"{choice.name} with {choice.workers} workers: {choice.why}")
    return ExitCode.SOME_FAILED if actions["refuse"] else ExitCode.DONE


def _line(picture: PlannedPicture, arrow: str) -> str:
    source, target = display_name(picture.source), display_name(picture.target)
    if picture.action in ("skip", "refuse"):
        return f"{picture.action:8} {source}: {display_name(picture.reason)}"
    made = f"{picture.width}x{picture.height} {picture.format}, {picture.megapixels:.1f} MP"
    return f"{picture.action:8} {source} {arrow} {target}  {made}  ({display_name(picture.reason)})"
