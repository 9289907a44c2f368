"""View: what the person at the dashboard has chosen, and what each key changes in it; pure, without a terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from imgpipe_cli.dashboard.trend import WINDOWS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgpipe.monitor import Snapshot
    from imgpipe.monitor.values import ErrorGroup, Run, Worker

INTERVALS_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
SORTS = ("busy", "name", "age", "rate", "cpu", "memory", "done")
PAGES = ("overview", "workers", "queues", "errors", "advice")
_LETTERS = 4  # of a name, to be typed before anything is changed


class Wish(Enum):
    """What a key asks of the loop, beside another view."""

    QUIT = "quit"
    REFRESH = "refresh"
    EXPORT = "export"
    MARK = "mark"
    FASTER = "faster"
    SLOWER = "slower"


@dataclass(frozen=True, slots=True)
class Control:
    """Something that changes the queue: what, to which worker or job, and what has been typed of its name."""

    verb: str
    target: str
    name: str
    typed: str = ""

    @property
    def asked(self) -> str:
        """What has to be typed."""
        return self.name[:_LETTERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is looked at. `typing` says that keys go into the filter; `paused` that the picture stands still."""

    page: int = 0
    window: int = 1
    paused: bool = False
    help: bool = False
    filter: str = ""
    typing: bool = False
    sort: str = "busy"
    reverse: bool = False
    selected: int = 0
    detail: str = ""
    message: str = ""
    allow_control: bool = False
    control: Control | None = None

    @property
    def window_seconds(self) -> float:
        """What the charts show."""
        return WINDOWS_SECONDS[self.window]


def press(view: View, key: str, snapshot: Snapshot | None) -> tuple[View, Wish | Control | None]:
    """Return the view after a key, and what else is to be done. A `Control` is one whose name has been typed."""
    view = replace(view, message="")
    if key == "ctrl-c":
        return view, Wish.QUIT
    if view.control is not None:
        return _typed_control(view, view.control, key)
    if view.typing:
        return _typed_filter(view, key), None
    if view.help:
        return (view, Wish.QUIT) if key == "q" else (replace(view, help=False), None)
    wishes = {"q": Wish.QUIT, "r": Wish.REFRESH, "x": Wish.EXPORT, "m": Wish.MARK, "+": Wish.FASTER, "-": Wish.SLOWER}
    if key in wishes:
        return view, wishes[key]
    if view.allow_control and key in "DPR" and snapshot is not None:
        return _ask(view, key, snapshot), None
    return _moved(view, key, snapshot), None


def shown_workers(view: View, workers: Sequence[Worker]) -> list[Worker]:
    """Return the workers that pass the filter, those with a stuck picture first, then in the order of the view."""
    found = [worker for worker in workers if _matches(view.filter, worker)]
    by_name = view.sort == "name"
    found.sort(key=lambda worker: (worker.name, worker.id), reverse=by_name and view.reverse)
    if not by_name:
        found.sort(key=lambda worker: _rank(view.sort, worker), reverse=not view.reverse)
    found.sort(key=lambda worker: worker.current is None or not worker.current.stuck)
    return found


def shown_errors(view: View, errors: Sequence[ErrorGroup]) -> list[ErrorGroup]:
    """Return the errors that pass the filter."""
    return [error for error in errors if view.filter.lower() in f"{error.code} {error.example or ''}".lower()]


def shown_runs(snapshot: Snapshot) -> list[Run]:
    """Return the jobs that are not over, the newest first; if there is none, the newest."""
    open_runs = [run for run in snapshot.runs if run.state not in ("finished", "cancelled")]
    return open_runs or list(snapshot.runs[:1])


def selected_worker(view: View, snapshot: Snapshot | None) -> Worker | None:
    """Return the worker that the detail is about, or else the one that the mark is on."""
    if snapshot is None or view.page not in (0, 1):
        return None
    if view.detail:
        return next((worker for worker in snapshot.workers if worker.id == view.detail), None)
    workers = shown_workers(view, snapshot.workers)
    return workers[min(view.selected, len(workers) - 1)] if workers else None


def _moved(view: View, key: str, snapshot: Snapshot | None) -> View:
    simple: dict[str, Callable[[], View]] = {
        "tab": lambda: _turned(view, (view.page + 1) % len(PAGES)),
        "e": lambda: _turned(view, PAGES.index("advice")),
        "p": lambda: replace(view, paused=not view.paused),
        " ": lambda: replace(view, paused=not view.paused),
        "?": lambda: replace(view, help=True),
        "w": lambda: replace(view, window=(view.window + 1) % len(WINDOWS_SECONDS)),
        "/": lambda: replace(view, typing=True),
        "s": lambda: replace(view, sort=SORTS[(SORTS.index(view.sort) + 1) % len(SORTS)], reverse=False),
        "S": lambda: replace(view, reverse=not view.reverse),
        "escape": lambda: replace(view, detail="") if view.detail else replace(view, filter="", selected=0),
        "enter": lambda: replace(view, detail=_detail(view, snapshot)),
        "down": lambda: _stepped(view, 1, snapshot),
        "j": lambda: _stepped(view, 1, snapshot),
        "up": lambda: _stepped(view, -1, snapshot),
        "k": lambda: _stepped(view, -1, snapshot),
    }
    if key in {str(number) for number in range(1, len(PAGES) + 1)}:
        return _turned(view, int(key) - 1)
    return simple[key]() if key in simple else view


def _turned(view: View, page: int) -> View:
    return replace(view, page=page, selected=0, detail="")


def _stepped(view: View, step: int, snapshot: Snapshot | None) -> View:
    return replace(view, selected=min(max(view.selected + step, 0), max(_rows(view, snapshot) - 1, 0)))


def _rows(view: View, snapshot: Snapshot | None) -> int:
    if snapshot is None:
        return 0
    errors = PAGES[view.page] == "errors"
    return len(shown_errors(view, snapshot.errors) if errors else shown_workers(view, snapshot.workers))


def _detail(view: View, snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return ""
    if PAGES[view.page] == "errors":
        errors = shown_errors(view, snapshot.errors)
        return errors[min(view.selected, len(errors) - 1)].code if errors else ""
    worker = selected_worker(view, snapshot)
    return worker.id if worker else ""


def _typed_filter(view: View, key: str) -> View:
    if key == "enter":
        return replace(view, typing=False)
    if key == "escape":
        return replace(view, typing=False, filter="")
    if key == "backspace":
        return replace(view, filter=view.filter[:-1], selected=0)
    return replace(view, filter=view.filter + key, selected=0) if len(key) == 1 and len(view.filter) < 60 else view


def _ask(view: View, key: str, snapshot: Snapshot) -> View:
    """Ask for the name of what is to be changed."""
    if key == "D":
        worker = selected_worker(view, snapshot)
        if worker is None or worker.state == "lost":
            return replace(view, message="no live worker is selected")
        return replace(view, control=Control("drain", worker.id, worker.name))
    runs = shown_runs(snapshot)
    if not runs:
        return replace(view, message="there is no job")
    run = runs[0]
    verb = "retry" if key == "R" else "resume" if run.state == "paused" else "pause"
    return replace(view, control=Control(verb, run.id, run.id))


def _typed_control(view: View, control: Control, key: str) -> tuple[View, Control | None]:
    if key == "escape" or not control.asked.startswith(control.typed + key):
        return replace(view, control=None, message=f"nothing was changed: {control.verb} was not confirmed"), None
    control = replace(control, typed=control.typed + key)
    if control.typed == control.asked:
        return replace(view, control=None), control
    return replace(view, control=control), None


def _matches(text: str, worker: Worker) -> bool:
    item = (worker.current.item or worker.current.task_id) if worker.current else ""
    return text.lower() in f"{worker.name} {worker.capability} {worker.state} {worker.host} {item}".lower()


def _rank(sort: str, worker: Worker) -> float:
    """Return what workers are sorted by. What is not known counts as least."""
    values: dict[str, float | None] = {
        "busy": worker.busy,
        "age": worker.current.age_seconds if worker.current else None,
        "rate": worker.rate_per_second,
        "cpu": worker.cpu_cores,
        "memory": worker.rss_bytes,
        "done": worker.done_total,
    }
    value = values[sort]
    return -1.0 if value is None or math.isnan(value) else float(value)
