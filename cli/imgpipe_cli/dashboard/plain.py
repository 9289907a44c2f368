"""Plain: a snapshot in one line of names and values, for logs, pipes and terminals that can do no more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe_cli.dashboard import words
from imgpipe_cli.dashboard.view import shown_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.monitor import Snapshot


def plain_line(snapshot: Snapshot, clock: str) -> str:
    """Return the line. The names stay; what is not known is -, and no value has a space in it."""
    return " ".join(f"{_word(name)}={_word(value)}" for name, value in _pairs(snapshot, clock))


def _word(text: str) -> str:
    return "_".join(display_name(text).split()) or "-"


def _pairs(snapshot: Snapshot, clock: str) -> Iterator[tuple[str, str]]:
    yield "t", clock
    runs = shown_runs(snapshot)
    if runs:
        run = runs[0]
        yield "run", run.id
        yield "done", f"{run.done}/{'-' if run.total is None else run.total}"
        yield "rate", _number(run.rate_per_second.one_minute)
        yield "eta_p50", _number(run.eta_seconds.p50 if run.eta_seconds else None)
        yield "eta_p90", _number(run.eta_seconds.p90 if run.eta_seconds else None)
        yield "ok", str(run.ok)
        yield "failed", str(run.failed + run.lost)
    alive = [worker for worker in snapshot.workers if worker.state != "lost"]
    yield "workers", str(len(alive))
    yield "lost", str(len(snapshot.workers) - len(alive))
    yield "stuck", str(sum(worker.current is not None and worker.current.stuck for worker in alive))
    for queue in snapshot.queues:
        yield f"{queue.capability}.ready", str(queue.ready)
        yield f"{queue.capability}.oldest", _number(queue.oldest_wait_seconds)
        yield f"{queue.capability}.slots", f"{queue.slots.busy}/{queue.slots.total}"
    for advice in snapshot.scaling:
        change = words.change(advice).split(" worker")[0].replace(" → ", "->")
        yield f"{words.text(advice, 'capability')}.advice", f"{words.text(advice, 'action')}:{change}"


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"
