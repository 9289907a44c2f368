"""Pages: the screens behind the overview: workers, queues, errors, advice, one worker, one error, the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe_cli.dashboard import words
from imgpipe_cli.dashboard.canvas import box, line, name
from imgpipe_cli.dashboard.panels import (
    advice_head,
    host_lines,
    little_line,
    queue_lines,
    run_lines,
    sureness,
    time_lines,
    wrapped,
)
from imgpipe_cli.dashboard.tables import error_lines, worker_lines, worker_title
from imgpipe_cli.dashboard.view import PAGES, shown_runs

if TYPE_CHECKING:
    from rich.text import Text

    from imgpipe.monitor import Snapshot
    from imgpipe.monitor.values import ErrorGroup, Worker
    from imgpipe_cli.dashboard.canvas import Symbols
    from imgpipe_cli.dashboard.scene import Scene

_KEYS = (
    ("1 to 5, Tab", "overview, workers, queues, errors, advice"),
    ("up, down, j, k", "move the mark"),
    ("Enter, Esc", "detail of what is marked, and back"),
    ("/", "filter workers and errors; Enter keeps it, Esc drops it"),
    ("s, S", "sort workers by the next column, the other way round"),
    ("e", "explain the advice"),
    ("p, space", "let the picture stand still; data is still collected"),
    ("r", "look now"),
    ("+, -", "look more often, less often"),
    ("w", "charts of one minute, ten minutes, an hour"),
    ("m", "leave a mark in the charts"),
    ("x", "write this moment to files: JSON and SVG"),
    ("q, Ctrl-C", "end"),
)
_CONTROL_KEYS = (
    ("D", "drain the marked worker"),
    ("P", "pause the newest job, or let it go on"),
    ("R", "try failed and lost pictures of the newest job again"),
)


def page(scene: Scene, snapshot: Snapshot, width: int, height: int) -> list[Text]:
    """Return one of the screens behind the overview."""
    view, symbols = scene.view, scene.symbols
    title, lines = line(PAGES[view.page]), [line()]
    if PAGES[view.page] == "workers":
        title = worker_title(snapshot, view)
        lines = worker_lines(snapshot, view, symbols, width - 4, height - 2)
    elif PAGES[view.page] == "queues":
        lines = _queues(scene, snapshot, width - 4)
    elif PAGES[view.page] == "errors":
        lines = error_lines(snapshot, view, width - 4, height - 2)
    elif PAGES[view.page] == "advice":
        lines = _advice(snapshot, symbols, width - 4)
    return box(title, lines, width, height, symbols)


def detail(scene: Scene, snapshot: Snapshot, width: int, height: int) -> list[Text]:
    """Return all about one worker or one kind of failure."""
    for worker in snapshot.workers:
        if worker.id == scene.view.detail:
            return box(line(f"worker {worker.name}"), _worker(worker, width - 4), width, height, scene.symbols)
    for error in snapshot.errors:
        if error.code == scene.view.detail:
            return box(line(f"failure {error.code}"), _error(error, width - 4), width, height, scene.symbols)
    return box(line("gone"), [line("it is not there any more; Esc goes back")], width, height, scene.symbols)


def keys(scene: Scene, width: int, height: int) -> list[Text]:
    """Return what each key does."""
    rows = [*_KEYS, *(_CONTROL_KEYS if scene.view.allow_control else ())]
    lines = [line((f"{key:<16}", "bold"), what) for key, what in rows]
    if not scene.view.allow_control:
        lines.append(line(("Nothing here changes the queue; --allow-control adds keys that do.", "dim")))
    return box(line("keys"), lines, width, height, scene.symbols)


def _queues(scene: Scene, snapshot: Snapshot, width: int) -> list[Text]:
    lines = queue_lines(snapshot.queues, width)
    law = little_line(snapshot.queues)
    lines += [law] if law else []
    for queue in snapshot.queues:
        if queue.ready and not queue.slots.total:
            stuck = f"for {words.seconds(queue.stuck_seconds)} nobody can take tasks that need {queue.capability}"
            lines.append(line((stuck, "bold red")))
    lines += [line(), *time_lines(snapshot)]
    for run in shown_runs(snapshot):
        lines += [line(), line((name(run.id, min(len(run.id), width)), "bold"), f"  {run.state} {run.why}")]
        lines += run_lines(run, width, scene.symbols)
    return [*lines, line(), *host_lines(snapshot.hosts, width, scene.symbols), *_redis(snapshot)]


def _redis(snapshot: Snapshot) -> list[Text]:
    redis = snapshot.redis
    if redis is None:
        return []
    limit = f" of {words.size(redis.maxmemory_bytes)}" if redis.maxmemory_bytes else ""
    return [
        line(),
        line(f"{redis.version}   {words.size(redis.used_memory_bytes)}{limit}   {words.rate(redis.ops_per_second)} "
             f"commands/s   {words.count(redis.clients)} clients   ping {words.seconds(redis.ping_seconds)}"),
    ]  # fmt: skip


def _advice(snapshot: Snapshot, symbols: Symbols, width: int) -> list[Text]:
    """Tell each advice in full: why, how sure, and what other numbers of workers would give."""
    lines: list[Text] = []
    for advice in snapshot.scaling:
        lines += [advice_head(advice, symbols), sureness(advice)]
        lines += [line(f"       {part}") for part in wrapped(words.text(advice, "reason", "text"), width - 7, 6)]
        caps = ", ".join(map(str, words.parts(advice, "confidence_caps")))
        lines += [line((f"       confidence is lower because of {caps}", "dim"))] if caps else []
        lines += [line(f"       {words.alternative(row)}") for row in words.parts(advice, "what_if")]
        lines.append(line())
    return lines or [line(("nothing to advise on yet", "dim"))]


def _worker(worker: Worker, width: int) -> list[Text]:
    current = worker.current
    rows = [
        ("id", worker.id),
        ("host", f"{worker.host}, process {worker.pid}, imgpipe {worker.version}"),
        ("can run", f"{worker.capability} ({worker.routing})"),
        ("state", f"{worker.state}, {words.count(worker.busy)} of {words.count(worker.concurrency)} slots busy"),
        ("holds", f"{words.count(worker.held)} tasks, some of them fetched ahead"),
        ("since", f"{words.seconds(worker.age_seconds)}, heard of {words.seconds(worker.heartbeat_age_seconds)} ago"),
        ("done", f"{words.count(worker.done_total)}, failed {words.count(worker.failed_total)}"),
        ("speed", f"{words.rate(worker.rate_per_second)} img/s"),
        ("uses", f"{words.percent(worker.cpu_cores)} of a core, {words.size(worker.rss_bytes)}"),
        ("task", current.task_id if current else words.UNKNOWN),
        ("picture", (current.item or words.UNKNOWN) if current else words.UNKNOWN),
        ("seen for", words.seconds(current.age_seconds) if current else words.UNKNOWN),
    ]
    lines = [line((f"{label:<10}", "dim"), name(value, max(width - 10, 0))) for label, value in rows]
    if current is not None and current.stuck:
        lines.append(line(("this picture takes far longer than others: it may hang", "bold red")))
    return lines


def _error(error: ErrorGroup, width: int) -> list[Text]:
    rows = [
        ("code", error.code),
        ("count", words.count(error.count)),
        ("last", error.last_at or "before we looked"),
        ("example", error.example or words.UNKNOWN),
        ("remedy", error.hint or words.UNKNOWN),
        ("all", "imgpipe jobs errors JOB"),
    ]
    return [line((f"{label:<10}", "dim"), name(value, max(width - 10, 0))) for label, value in rows]
