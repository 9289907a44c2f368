"""Show: the last screen of a run, in plain lines: what was done, what failed and why, what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from imgpipe.display import display_name, without_password
from imgpipe_cli.meter import duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.report import Report

SYMBOLS: Mapping[bool, tuple[str, str, str]] = {True: ("✓", "✗", "→"), False: ("ok", "!!", "->")}


def symbols(encoding: str | None) -> tuple[str, str, str]:
    """Return the signs for good, bad and "becomes" that an output of this encoding can show."""
    try:
        "".join(SYMBOLS[True]).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return SYMBOLS[False]
    return SYMBOLS[True]


def summary_lines(
    report: Report, total: int, executor: str, command: str, *, output: str, encoding: str | None
) -> list[str]:
    """Return the ending screen of a run of `total` pictures. `command` is what the user typed, safe to show."""
    good, bad, arrow = symbols(encoding)
    lines = []
    if report.done or not report.total:
        parts = [
            f"{good} {report.done} of {total} pictures in {duration(report.seconds)}",
            f"{report.pictures_per_second:.1f} pictures/s",
            f"{report.megapixels_per_second:.1f} MP/s",
            f"{size(report.bytes_in)} {arrow} {size(report.bytes_out)}",
        ]
        lines += ["   ".join(parts), f"  {executor}"]
    if report.skipped:
        lines.append(f"{good} {report.skipped} skipped: nothing to do")
    if report.notes:
        lines.append("  notes: " + ", ".join(f"{count} {note}" for note, count in report.notes.most_common()))
    if report.failed:
        lines += _failure_lines(report, bad, arrow)
        lines.append(f"  retry only these:  {_with_option(command, '--retry-failed')}")
    if report.stopped:
        lines += [f"{bad} stopped: {report.stopped}", f"  go on with:  {command}"]
    if output and report.done + report.skipped:
        lines.append(f"  results: {display_name(output)}")
    return lines


def _failure_lines(report: Report, bad: str, arrow: str) -> list[str]:
    lines = [f"{bad} {report.failed} failed"]
    for code, group in sorted(report.failures.items(), key=lambda item: -item[1].count):
        lines.append(f"  {group.count:5} {code}")
        for result in group.examples:
            assert result.failure is not None  # a report groups results by their failures
            remedy = f"  {arrow} {result.failure.remedy}" if result.failure.remedy else ""
            lines.append(display_name(f"        {result.source}  {result.failure.message}{remedy}"))
        if group.count > len(group.examples):
            lines.append(f"        … and {group.count - len(group.examples)} more")
    return lines


def typed(words: Sequence[str]) -> str:
    """Return a command as it was typed, but for the password in the address of a Redis."""
    return shlex.join(without_password(word) if "://" in word else word for word in words)


def _with_option(command: str, option: str) -> str:
    return command if option in command.split() else f"{command} {option}"


def size(number: int) -> str:
    """Return a number of bytes as a person reads it."""
    if number < 1000:
        return f"{number} B"
    value = float(number)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
