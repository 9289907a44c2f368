"""Tables: the workers of a fleet and the failures of its jobs, a row for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe_cli.dashboard import words
from imgpipe_cli.dashboard.canvas import column, line, name
from imgpipe_cli.dashboard.view import PAGES, shown_errors, shown_workers

if TYPE_CHECKING:
    from rich.text import Text

    from imgpipe.monitor import Snapshot
    from imgpipe.monitor.values import ErrorGroup, Worker
    from imgpipe_cli.dashboard.canvas import Symbols
    from imgpipe_cli.dashboard.view import View

_SILENT_SECONDS = 8.0  # two beats have failed to come
_STATES = {"busy": "green", "idle": "dim", "draining": "yellow", "lost": "bold red"}


def worker_lines(snapshot: Snapshot, view: View, symbols: Symbols, width: int, height: int) -> list[Text]:
    """Draw a row for each worker, as many as there is room for, the selected one among them."""
    workers, full, marked = shown_workers(view, snapshot.workers), width >= 90, PAGES[view.page] == "workers"
    label = max(min(width // 4, 24), 6)
    fixed = label + 8 + 11 + 9 + 9 + (18 if full else 0)
    now = max(width - fixed, 6)
    head = f"{'worker':<{label}}{'cap':<8}{'state':<11}{'now':<{now}}{'age':>9}{'img/s':>9}"
    lines = [line((head + (f"{'cpu':>8}{'mem':>10}" if full else ""), "dim"))]
    room = max(height - 1, 0)
    first = max(min(view.selected - room + 1, len(workers) - room), 0) if marked else 0
    for number, worker in enumerate(workers[first : first + room], start=first):
        style = "reverse" if marked and number == view.selected else ""
        lines.append(_worker_line(worker, (label, now), style, symbols, full=full))
    if not workers:
        why = "no worker passes the filter" if view.filter else "no workers; `imgpipe worker` starts one"
        lines.append(line((why, "yellow")))
    return lines


def _worker_line(worker: Worker, widths: tuple[int, int], style: str, symbols: Symbols, *, full: bool) -> Text:
    label, width = widths
    current, stuck = "", False
    if worker.state == "lost":
        current = f"lost {words.seconds(worker.heartbeat_age_seconds)} ago"
    elif worker.heartbeat_age_seconds > _SILENT_SECONDS:
        current = f"not heard of for {words.seconds(worker.heartbeat_age_seconds)}"
    elif worker.current is not None:
        current, stuck = worker.current.item or worker.current.task_id, worker.current.stuck
    age = worker.current.age_seconds if worker.current else None
    row = [
        (name(worker.name, label - 1) + " ", style),
        (name(worker.capability, 7) + " ", style),
        (f"{symbols.states.get(worker.state, '?')} {name(worker.state, 8)} ", _STATES.get(worker.state, "")),
        (name(current or words.UNKNOWN, width - 2), "bold red" if stuck else style),
        (" !" if stuck else "  ", "bold red"),
        (column(words.seconds(age), 9), "bold red" if stuck else style),
        (column(words.rate(worker.rate_per_second), 9), style),
    ]
    if full:
        row.append((column(words.percent(worker.cpu_cores), 8), style))
        row.append((column(words.size(worker.rss_bytes), 10), style))
    return line(*row)


def worker_title(snapshot: Snapshot, view: View) -> Text:
    """Return how many workers there are, and how they are sorted."""
    workers = snapshot.workers
    lost = sum(worker.state == "lost" for worker in workers)
    sort = f"   sort {view.sort} {'▲' if view.reverse else '▼'}"
    found = f"   filter {name(view.filter, min(len(view.filter), 20))}" if view.filter else ""
    return line(f"workers: {words.count(len(workers) - lost)} alive",
                (f", {words.count(lost)} lost" if lost else "", "bold red"), (sort + found, "dim"))  # fmt: skip


def lost_lines(snapshot: Snapshot, symbols: Symbols) -> list[Text]:
    """Draw the workers that died lately, the last one first."""
    lost = sorted((worker for worker in snapshot.workers if worker.state == "lost"),
                  key=lambda worker: worker.heartbeat_age_seconds)  # fmt: skip
    return [
        line((f"       {symbols.lost} {worker.name} lost {words.seconds(worker.heartbeat_age_seconds)} ago", "red"))
        for worker in lost
    ]


def error_lines(snapshot: Snapshot, view: View, width: int, height: int) -> list[Text]:
    """Draw failures by their code."""
    errors = shown_errors(view, snapshot.errors)
    if not errors:
        return [line(("none", "dim"))]
    marked = PAGES[view.page] == "errors"
    first = max(min(view.selected - height + 1, len(errors) - height), 0) if marked else 0
    return [
        _error_line(error, width, selected=marked and number == view.selected)
        for number, error in enumerate(errors[first : first + height], start=first)
    ]


def _error_line(error: ErrorGroup, width: int, *, selected: bool) -> Text:
    code = min(max(width // 2 - 8, 8), 28)
    style = "reverse" if selected else ""
    return line(
        (f"{column(words.count(error.count), 8)} ", "red"),
        (name(error.code, code) + " ", style),
        (name(error.example or "", max(width - code - 10, 0)), "dim"),
    )
