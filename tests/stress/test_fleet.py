"""A fleet of our own on a real Redis: nothing is lost when a worker is killed and Redis is frozen."""

from __future__ import annotations

import os
import threading

import psutil
import pytest

from imgpipe.errors import ExecutorError
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.stress import Plan, Stress, report_of, stress
from imgpipe.stress.book import Book
from imgpipe.stress.faults import Harm, Mischief
from imgpipe.stress.fleet import Fleet
from imgpipe.stress.queue_target import QueueTarget
from imgpipe.stress.schedule import even
from imgpipe.stress.values import End

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def test_a_death_and_a_pause_lose_nothing(redis_binary, tmp_path, picture_file):
    """All tasks are done, each once; it is known which were held by the dead, and both faults are got over.

    Afterwards no process of the fleet is left.
    """
    out = tmp_path / "out"
    out.mkdir()
    plan = Plan(kind="distributed", arrivals="", moments=even(10, 1.5), drain_seconds=40.0)
    others = set(psutil.Process().children(recursive=True))
    with Fleet(("all",), lease_seconds=1.0) as fleet:
        family = set(psutil.Process().children(recursive=True)) - others
        book = Book()
        recipe = Recipe(Pipeline.parse("teach.iowait:milliseconds=60"))
        target = QueueTarget(fleet.queue, "", [recipe], [picture_file(tmp_path, "a.jpg")], str(out), book)
        harm = Harm(kill_after_seconds=0.3, pause_seconds=0.3, pause_at=1.2)
        mischief = Mischief(harm, fleet, target, book)
        report = report_of(stress(Stress(plan, target, book, "", mischief), threading.Event()))

    assert (15, 0, 0) == (report.ends[End.DONE], report.lost, report.run.twice)
    assert {"killed", "paused"} == {recovery.fault.kind for recovery in report.recoveries}
    killed = next(recovery for recovery in report.recoveries if recovery.fault.kind == "killed")
    assert killed.affected == len(killed.fault.held) >= 1
    assert all(recovery.seconds is not None for recovery in report.recoveries)
    assert report.run.looks
    assert [] == psutil.wait_procs(family, 10)[1]


def test_a_worker_that_cannot_start_is_told(redis_binary):
    """With its own last words, and the server ends with it."""
    with (
        pytest.raises(ExecutorError, match="there_is_no_such_module"),
        Fleet(("all",), modules=["there_is_no_such_module"]),
    ):
        pass
