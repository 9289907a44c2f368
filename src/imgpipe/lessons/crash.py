"""crash: what happens to the pictures of a worker that is killed, by the queue's own counts."""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgpipe.errors import ExecutorError
from imgpipe.lessons.practice import Practice
from imgpipe.lessons.values import Finding, Lesson
from imgpipe.pipeline import Pipeline
from imgpipe.queue.server import find_binary
from imgpipe.recipe import Recipe
from imgpipe.samples import make_samples
from imgpipe.stress.book import Book
from imgpipe.stress.faults import Harm, Mischief
from imgpipe.stress.fleet import Fleet
from imgpipe.stress.queue_target import QueueTarget
from imgpipe.stress.run import Stress, stress
from imgpipe.stress.schedule import bursts
from imgpipe.stress.summary import report_of
from imgpipe.stress.values import End, Plan
from imgpipe.stress.words import counted, shown

if TYPE_CHECKING:
    from imgpipe.lessons.values import Say
    from imgpipe.stress import Report, Run

_NO_REDIS = (
    "There is no Redis server on this machine, and a thread cannot be killed: instead, a worker in this process was "
    "never heard again, which is all that the queue sees of a death. `imgpipe doctor` says how to get a server."
)


@dataclass(frozen=True, slots=True)
class _Size:
    pictures: int
    wait_ms: int
    kill_after_seconds: float
    lease_seconds: float


_USUAL, _QUICK = _Size(40, 400, 2.0, 3.0), _Size(12, 150, 0.4, 1.0)


def run(quick: bool, say: Say) -> Finding:
    """Let two workers work on pictures, kill one of them, and wait for all pictures."""
    size = _QUICK if quick else _USUAL
    if find_binary() is None:
        return found(_in_threads(size, say), size.lease_seconds, notes=(_NO_REDIS,))
    return found(_with_a_fleet(size, say), size.lease_seconds)


def found(report: Report, lease_seconds: float, *, notes: tuple[str, ...] = ()) -> Finding:
    """Say what a run shows. Raises `ExecutorError` if nothing was killed in it."""
    account = report.run.account
    if not report.recoveries or account is None:
        raise ExecutorError(f"nobody was killed: {'; '.join(report.run.notes) or 'all was done before'}")
    (recovery,) = report.recoveries
    fault, count = recovery.fault, sum(report.ends.values())
    held = len(fault.held)
    rows = (
        ("pictures", f"{count}"),
        (f"{fault.what} killed", f"{shown(fault.at)} after the start, with {counted(held, 'picture')} in its hands"),
        ("done", f"{report.ends[End.DONE]}"),
        ("lost", f"{report.lost}"),
        ("begun again", f"{account.losses}, which the dead worker had begun"),
        ("counted twice", f"{report.run.twice}"),
        ("recovered after", f"{shown(recovery.seconds)}, with a lease of {lease_seconds:g} s"),
    )
    explanation = (
        (
            f"{fault.what} had no time to say goodbye. It had {counted(held, 'picture')} in its hands; Redis still had "
            "them in the hash of what that worker holds, because a picture only leaves the queue when somebody says "
            "what became of it."
        ),
        (
            f"Every worker has a lease of {lease_seconds:g} s, renewed by its heartbeat. When it ended, another worker "
            f"moved those pictures back to the head of the queue, and they were done {shown(recovery.seconds)} after "
            f"the death. Of {count} pictures {report.lost} were lost."
        ),
        (
            f"What it had begun ({account.losses}) was begun again: a result is published in one step, so nothing "
            "half written was left, and whoever settles a picture must hold its latest claim (its epoch), so none is "
            "counted twice. A picture that has killed three workers is given up: it is to blame."
        ),
        (
            "A queue that hands out by taking away (a pop from a list, as LPUSH and BRPOP do) has already forgotten "
            "them by then: each of those pictures would be lost without a trace."
        ),
    )
    data = {
        "pictures": count,
        "held_at_death": held,
        "done": report.ends[End.DONE],
        "lost": report.lost,
        "begun_again": account.losses,
        "counted_twice": report.run.twice,
        "duplicates_ignored": account.duplicates,
        "recovery_seconds": recovery.seconds,
        "lease_seconds": lease_seconds,
    }
    return Finding(answer=float(report.lost), rows=rows, explanation=explanation, data=data, notes=notes)


def _with_a_fleet(size: _Size, say: Say) -> Report:
    with tempfile.TemporaryDirectory(prefix="imgpipe-lesson-", ignore_cleanup_errors=True) as folder:
        sources = make_samples(folder, 1, 64, 48)
        say("starting a Redis server and two workers")
        with Fleet(("all", "all"), lease_seconds=size.lease_seconds) as fleet:
            book = Book()
            recipe = Recipe(Pipeline.parse(f"teach.iowait:milliseconds={size.wait_ms}"))
            out = os.path.join(folder, "out")
            os.mkdir(out)
            target = QueueTarget(fleet.queue, "", [recipe], sources, out, book)
            mischief = Mischief(Harm(kill_after_seconds=size.kill_after_seconds), fleet, target, book)
            return report_of(stress(Stress(_plan(size), target, book, "", mischief), threading.Event(), say))


def _in_threads(size: _Size, say: Say) -> Report:
    book = Book()
    target = Practice(
        [size.wait_ms / 1000] * size.pictures,
        2,
        book,
        lease_seconds=size.lease_seconds,
        dies_at_seconds=size.kill_after_seconds,
    )
    run_: Run = stress(Stress(_plan(size), target, book, ""), threading.Event(), say)
    return report_of(replace(run_, faults=() if target.fault is None else (target.fault,)))


def _plan(size: _Size) -> Plan:
    return Plan(kind="distributed", arrivals="at once", moments=bursts(size.pictures))


LESSON = Lesson(
    name="crash",
    title="What happens to the pictures of a worker that dies",
    setting=f"Two workers share {_USUAL.pictures} pictures from a queue. After {_USUAL.kill_after_seconds:g} seconds, "
    "one of them is killed (SIGKILL) in the middle of its work.",
    question="How many of the pictures are lost?",
    unit="pictures",
    seconds=25,
    run=run,
    code=("imgpipe/queue/scripts/reap.lua", "imgpipe/queue/scripts/_claim.lua", "imgpipe/worker/heart.py",
          "imgpipe/pictures/staging.py"),
)  # fmt: skip
