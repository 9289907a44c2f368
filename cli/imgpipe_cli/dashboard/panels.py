"""Panels: the parts of a frame, as lines of text: runs, queues, advice, charts, times in work, hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe_cli.dashboard import words
from imgpipe_cli.dashboard.canvas import bar, column, line, name, spark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from rich.text import Text

    from imgpipe.monitor import Snapshot
    from imgpipe.monitor.values import ClassQueue, Eta, Host, Run
    from imgpipe_cli.dashboard.canvas import Symbols
    from imgpipe_cli.dashboard.scene import Scene

_URGENT = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "none": "dim"}


def run_lines(run: Run, width: int, symbols: Symbols) -> list[Text]:
    """Draw a job: how far it is, how fast, what failed, when it will be over."""
    total = "" if run.total is None else f" / {words.count(run.total)}"
    share = run.done / run.total if run.total else None
    numbers = f"  {words.percent(share, 1):>7}  {words.count(run.done)}{total}"
    first = line((bar(share, max(width - len(numbers), 0), symbols), "green"), numbers)
    rates = run.rate_per_second
    speed = f"now {words.rate(rates.now)} img/s · 1 min {words.rate(rates.one_minute)}"
    second = line(f"{speed}   ok {words.count(run.ok)}   ", *_bad(run), f"{about_end(run)}")
    return [first, second]


def about_end(run: Run) -> str:
    """Say when a job will be over, if that can be said."""
    if run.state != "running":
        return f"{run.state}{': ' + run.why if run.why else ''}"
    if run.finishing:
        return f"finishing: {words.count(run.running)} in work"
    return f"ETA {eta(run.eta_seconds)}" if run.total is not None else "more may come"


def eta(value: Eta | None) -> str:
    """Return the time until the end as a range."""
    if value is None:
        return words.UNKNOWN
    return f"{words.seconds(value.p50)} to {words.seconds(value.p90)}"


def _bad(run: Run) -> list[tuple[str, str]]:
    failed = run.failed + run.lost
    share = words.percent(failed / run.done if run.done else None, 2)
    return [
        (f"failed {words.count(failed)} ({share})", "red" if failed else "dim"),
        (f"   retried {words.count(run.retried)}   ", "yellow" if run.retried else "dim"),
    ]


def queue_lines(queues: Sequence[ClassQueue], width: int) -> list[Text]:
    """Draw a row for each class of tasks."""
    wide = width >= 76
    label = max(min(width - (74 if wide else 56), 16), 4)
    head = f"{'cap':<{label}}   ready   run retry  dead  oldest   in/s  out/s"
    rows = [line((head + ("  wait p50/p95    " if wide else "") + "   slots", "dim"))]
    for queue in queues:
        cells = [
            name(queue.capability, label),
            column(words.count(queue.ready), 8),
            column(words.count(queue.running), 6),
            column(words.count(queue.retry), 6),
            column(words.count(queue.dead), 6),
            column(words.seconds(queue.oldest_wait_seconds), 8),
            column(words.rate(queue.arrival_rate_per_second), 7),
            column(words.rate(queue.completion_rate_per_second), 7),
        ]
        if wide:
            waits = f"{words.wait(queue.wait_seconds, 'p50')}/{words.wait(queue.wait_seconds, 'p95')}"
            cells.append("  " + column(waits, 16, right=False))
        cells.append(column(slots(queue), 8))
        style = "bold red" if queue.ready and not queue.slots.total else "yellow" if queue.paused else ""
        rows.append(line(("".join(cells), style)))
    return rows


def slots(queue: ClassQueue) -> str:
    """Return how many slots are busy, of how many."""
    return f"{words.count(queue.slots.busy)}/{words.count(queue.slots.total)}"


def little_line(queues: Sequence[ClassQueue]) -> Text | None:
    """Check the numbers above against Little's law, where it holds."""
    known = [queue for queue in queues if queue.little is not None]
    if not known:
        return None
    worst = max(known, key=lambda queue: abs(queue.little.mismatch) if queue.little else 0.0)
    law = worst.little
    assert law is not None  # see above
    is_good = abs(law.mismatch) <= 0.2
    return line(
        f"Little check {worst.capability}: L={words.count(law.waiting)}  λW={words.count(law.lambda_w)}  ",
        (f"{words.percent(law.mismatch, 1)} {'ok' if is_good else 'these numbers do not fit'}",
         "green" if is_good else "yellow"),
    )  # fmt: skip


def advice_lines(scaling: Sequence[Mapping[str, Any]], width: int, symbols: Symbols) -> list[Text]:
    """Draw each advice in up to three lines."""
    if not scaling:
        return [line(("nothing to advise on yet", "dim"))]
    lines: list[Text] = []
    for advice in scaling:
        lines.append(advice_head(advice, symbols))
        if words.text(advice, "action") != "MAINTAIN" or words.text(advice, "urgency") not in {"none", ""}:
            lines.append(sureness(advice))
        lines += [
            line((f"       {part}", "dim")) for part in wrapped(words.text(advice, "reason", "text"), width - 7, 2)
        ]
    return lines


def advice_head(advice: Mapping[str, Any], symbols: Symbols) -> Text:
    """Draw what is recommended."""
    action = words.text(advice, "action")
    head = f"{name(words.text(advice, 'capability'), 6)} {symbols.actions.get(action, '?')} {action} "
    style = _URGENT.get(words.text(advice, "urgency"), "")
    return line((f"{head}{words.change(advice)}", style), f"   {words.text(advice, 'objective')}")


def sureness(advice: Mapping[str, Any]) -> Text:
    """Draw how soon and how sure."""
    return line(f"       urgency {words.text(advice, 'urgency')}   confidence {words.confidence(advice)}")


def wrapped(text: str, width: int, most: int) -> list[str]:
    """Return a text in lines; the last one has an ellipsis if there would be more than `most`."""
    lines: list[str] = []
    rest = text.split()
    while rest and len(lines) < most:
        row = rest.pop(0)
        while rest and len(row) + 1 + len(rest[0]) <= width:
            row += " " + rest.pop(0)
        lines.append(row)
    if rest and lines:
        lines[-1] = lines[-1][: max(width - 2, 0)] + " …"
    return lines


def chart_lines(scene: Scene, width: int, height: int) -> list[Text]:
    """Draw how fast pictures were done, and how many failed."""
    seconds, columns = scene.view.window_seconds, max(width - 8, 1)
    lines: list[Text] = []
    for values, style in (
        (scene.trend.done(seconds, columns), "green"),
        (scene.trend.failed(seconds, columns), "red"),
    ):
        known = [value for value in values[:-1] if value is not None]
        label = column(words.rate(known[-1] if known else None), 7)
        lines.append(line(f"{label} ", (spark(values, scene.symbols, is_partial=True), style)))
    marks = scene.trend.marks(seconds, columns)
    if marks:
        lines.append(line(" " * 8 + "".join("^" if place in marks else " " for place in range(columns))))
    lines.append(line((f"below: failed   {scene.symbols.partial} = partial", "dim")))
    return lines[:height]


def time_lines(snapshot: Snapshot) -> list[Text]:
    """Draw how long pictures are in work, and what takes that time."""
    times = snapshot.jobs.duration_seconds
    cells = [f"{each} {words.duration(times, each)}" for each in ("p50", "p95", "p99")]
    speed = snapshot.jobs.megapixels_per_second
    pixels = "" if speed is None else f"   {words.rate(speed)} MPx/s"
    stages = [f"{stage} {words.percent(share)}" for stage, share in snapshot.jobs.stages.items()]
    return [
        line("  ".join(cells)),
        line(f"mean {words.seconds(times.mean)} of {words.count(times.count)}{pixels}"),
        line("  ".join(stages[:6])),
    ]


def host_lines(hosts: Sequence[Host], width: int, symbols: Symbols) -> list[Text]:
    """Draw how busy each machine is. Of others than this one only the workers' share is known."""
    label = max(min(width - 27, 16), 4)
    lines = [line((f"{'':<{label}} {'cpu of quota':<18} memory", "dim"))]
    for host in hosts:
        used, limit = host.memory.used_bytes, host.memory.limit_bytes
        share = used / limit if used is not None and limit else None
        if host.cpu_of_quota is None and host.worker_cores is not None:
            cpu = f"workers {words.rate(host.worker_cores)} cores"
        else:
            cpu = f"{bar(host.cpu_of_quota, 10, symbols)} {words.percent(host.cpu_of_quota):>5}"
        throttled = "T" if (host.throttled_ratio or 0.0) > 0.1 else " "
        memory = words.percent(share) if share is not None else words.size(host.worker_bytes)
        style = "red" if (share or 0.0) > 0.9 else ""
        lines.append(line(f"{name(host.name, label)} {cpu:<16} {throttled}", (f" {memory:>6}", style)))
    return lines
