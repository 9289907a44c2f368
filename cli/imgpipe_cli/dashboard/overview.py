"""Overview: the first screen, in three sizes, and the one line that is left when there is no room for any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe_cli.dashboard import words
from imgpipe_cli.dashboard.canvas import bar, beside, box, column, line, name
from imgpipe_cli.dashboard.panels import (
    about_end,
    advice_lines,
    chart_lines,
    host_lines,
    little_line,
    queue_lines,
    run_lines,
    slots,
    time_lines,
)
from imgpipe_cli.dashboard.tables import error_lines, lost_lines, worker_lines, worker_title
from imgpipe_cli.dashboard.view import shown_runs

if TYPE_CHECKING:
    from rich.text import Text

    from imgpipe.monitor import Snapshot
    from imgpipe.monitor.values import ClassQueue, Run
    from imgpipe_cli.dashboard.canvas import Symbols
    from imgpipe_cli.dashboard.scene import Scene

_LEAST_FOR_TWO = 34  # lines: with fewer, one job is shown


def one_line(scene: Scene) -> str:
    """Return the least that is worth showing."""
    if scene.snapshot is None:
        return scene.trouble or "looking …"
    runs = shown_runs(scene.snapshot)
    ready = sum(queue.ready for queue in scene.snapshot.queues)
    if not runs:
        return f"{words.count(ready)} wait"
    run = runs[0]
    share = words.percent(run.done / run.total if run.total else None)
    end = words.seconds(run.eta_seconds.p50 if run.eta_seconds else None)
    return f"{share} {words.rate(run.rate_per_second.now)}/s ETA {end} fail {words.count(run.failed + run.lost)}"


def wide(scene: Scene, snapshot: Snapshot, width: int, height: int) -> list[Text]:
    """Draw everything side by side: from 118 columns and 26 lines on."""
    symbols, runs = scene.symbols, shown_runs(snapshot)
    left, right = width - 48, 48
    third, middle = width // 3, 42
    classes = min(max(len(snapshot.queues) + 4, 6), max(height // 3, 6))
    lines = _runs_box(scene, runs, width, height)
    law = little_line(snapshot.queues)
    queues = queue_lines(snapshot.queues, left - 4)[: classes - 2 - (law is not None)] + ([law] if law else [])
    lines += beside(
        box(line("queues"), queues, left, classes, symbols),
        box(line("advice"), advice_lines(snapshot.scaling, right - 4, symbols), right, classes, symbols),
    )
    chart_title = line(f"img/s, last {words.seconds(scene.view.window_seconds)}")
    lines += beside(
        box(chart_title, chart_lines(scene, third - 4, 3), third, 5, symbols),
        box(line("time in work"), time_lines(snapshot), middle, 5, symbols),
        box(line("hosts"), host_lines(snapshot.hosts, width - third - middle - 4, symbols),
            width - third - middle, 5, symbols),
    )  # fmt: skip
    rest = height - len(lines)
    workers = worker_lines(snapshot, scene.view, symbols, left - 4, rest - 2)
    errors = [*error_lines(snapshot, scene.view, right - 4, max(rest - 5, 1)), *lost_lines(snapshot, symbols)]
    lines += beside(
        box(worker_title(snapshot, scene.view), workers, left, rest, symbols),
        box(line("errors, grouped"), errors, right, rest, symbols),
    )
    return lines


def _runs_box(scene: Scene, runs: list[Run], width: int, height: int) -> list[Text]:
    if not runs:
        return box(line("jobs"), [line(("no job yet; `imgpipe process … --executor redis` makes one", "dim"))],
                   width, 3, scene.symbols)  # fmt: skip
    lines = []
    for run in runs[: 1 if height < _LEAST_FOR_TWO else 2]:
        title = line(("job ", ""), (name(run.id, min(len(run.id), 64)), "bold"), f"  {run.capability}")
        lines += box(title, run_lines(run, width - 4, scene.symbols), width, 4, scene.symbols)
    return lines


def standard(scene: Scene, snapshot: Snapshot, width: int, height: int) -> list[Text]:
    """Draw the same one below the other: from 80 columns and 16 lines on."""
    symbols = scene.symbols
    rule = line((" " + symbols.across * (width - 2), "dim"))
    lines: list[Text] = []
    for run in shown_runs(snapshot)[:1]:
        share = run.done / run.total if run.total else None
        failed = words.percent((run.failed + run.lost) / run.done if run.done else None, 2)
        end = (f"{words.percent(share, 1)} {words.rate(run.rate_per_second.one_minute)} img/s "
               f"{about_end(run)} fail {failed}")  # fmt: skip
        label = name(run.id, min(len(run.id), 14))
        lines.append(line(f" {label} ", (bar(share, max(width - len(label) - len(end) - 4, 4), symbols), "green"),
                          f" {end}"))  # fmt: skip
    lines += [rule, line((f" {'cap':<9}{'ready':>8}{'run':>6}{'oldest':>9}{'in/s':>7}{'out/s':>7}{'slots':>8}   advice",
                          "dim"))]  # fmt: skip
    lines += [_class_line(queue, snapshot, symbols) for queue in snapshot.queues[: max(height // 4, 1)]]
    lines.append(rule)
    room = height - len(lines) - 2
    workers = worker_lines(snapshot, scene.view, symbols, width - 2, room)
    lines += [line(" ", each) for each in workers] + [line()] * (room - len(workers))
    groups = "   ".join(f"{words.count(error.count)} {error.code}" for error in snapshot.errors[:4])
    lines += [rule, line((f" {groups or 'no errors'}", "red" if groups else "dim"))]
    return lines


def compact(scene: Scene, snapshot: Snapshot) -> list[Text]:
    """Draw what matters in few lines."""
    lines: list[Text] = []
    runs, queues = shown_runs(snapshot), snapshot.queues
    if runs:
        run = runs[0]
        share = run.done / run.total if run.total else None
        lines.append(line((bar(share, 10, scene.symbols), "green"), f" {words.percent(share, 1)} ",
                          f"{words.rate(run.rate_per_second.one_minute)} img/s {about_end(run)}"))  # fmt: skip
        lines.append(line(f"ok {words.count(run.ok)} ", *((f"failed {words.count(run.failed + run.lost)}", "red"),)))
    alive = [worker for worker in snapshot.workers if worker.state != "lost"]
    busy, total = sum(worker.busy for worker in alive), sum(worker.concurrency for worker in alive)
    ready = sum(queue.ready for queue in queues)
    slots_text = f"{words.count(busy)}/{words.count(total)} slots busy"
    lines.append(line(f"{words.count(ready)} wait, {slots_text}, {words.workers(len(alive))}"))
    stuck = [worker for worker in snapshot.workers if worker.current is not None and worker.current.stuck]
    lost = len(snapshot.workers) - len(alive)
    warnings = ([f"{len(stuck)} stuck"] if stuck else []) + ([f"{lost} lost"] if lost else [])
    lines.append(line((", ".join(warnings), "bold red")) if warnings else line(("nothing stuck", "dim")))
    return lines + [line(f"{words.text(advice, 'action')} {words.change(advice)}") for advice in snapshot.scaling[:1]]


def _class_line(queue: ClassQueue, snapshot: Snapshot, symbols: Symbols) -> Text:
    cells = [
        column(words.count(queue.ready), 8),
        column(words.count(queue.running), 6),
        column(words.seconds(queue.oldest_wait_seconds), 9),
        column(words.rate(queue.arrival_rate_per_second), 7),
        column(words.rate(queue.completion_rate_per_second), 7),
        column(slots(queue), 8),
    ]
    style = "bold red" if queue.ready and not queue.slots.total else ""
    row = line((f" {name(queue.capability, 9)}{''.join(cells)}   ", style))
    for advice in snapshot.scaling:
        if words.text(advice, "capability") == queue.capability:
            sign = symbols.actions.get(words.text(advice, "action"), "?")
            urgency = words.text(advice, "urgency")
            return line(row, f"{sign} {words.change(advice)}  {urgency}")
    return row
