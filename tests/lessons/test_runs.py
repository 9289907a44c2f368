"""Lessons: real runs, as small as they can be; nothing is asserted about times."""

from __future__ import annotations

import math
import threading

import pytest

from imgpipe.lessons import backpressure, crash, gil, queueing
from imgpipe.lessons.practice import Practice
from imgpipe.stress.book import Book
from imgpipe.stress.run import Stress, stress
from imgpipe.stress.schedule import bursts
from imgpipe.stress.summary import report_of
from imgpipe.stress.values import End, Plan

QUICK = True


@pytest.fixture
def no_redis(monkeypatch) -> None:
    """No Redis server is to be found."""
    for module in (backpressure, crash):
        monkeypatch.setattr(module, "find_binary", lambda: None)


def test_practice_does_every_task_once():
    """With several workers; how long each took and waited is known."""
    book = Book()
    target = Practice([0.001] * 40, 3, book)
    report = report_of(stress(Stress(Plan(kind="burst", arrivals="", moments=bursts(40)), target, book, ""),
                              threading.Event()))  # fmt: skip

    assert (40, 0) == (report.ends[End.DONE], report.run.twice)
    assert (40, 40, None) == (len(target.waits), report.service.count, target.fault)
    assert report.run.account is not None
    assert (40, 3) == (report.run.account.done, report.run.account.slots)


def test_a_worker_that_falls_silent_loses_its_task_to_others():
    """After its lease, which is all that the queue knows of a death."""
    book = Book()
    target = Practice([0.005] * 10, 2, book, lease_seconds=0.5, dies_at_seconds=0.0)
    report = report_of(stress(Stress(Plan(kind="burst", arrivals="", moments=bursts(10)), target, book, ""),
                              threading.Event()))  # fmt: skip

    assert target.fault is not None
    assert (10, 1) == (report.ends[End.DONE], len(target.fault.held))
    assert report.run.account is not None
    assert 1 == report.run.account.losses


def test_queueing_is_measured(monkeypatch):
    """Three levels, each with the wait that was measured, that of the same tasks in theory, and Erlang's."""
    monkeypatch.setattr(queueing, "_LEVEL_SECONDS", 8.0)
    said: list[str] = []
    finding = queueing.run(QUICK, said.append)

    assert [0.5, 0.8, 0.95] == [level["wanted_utilization"] for level in finding.data["levels"]]
    for level in finding.data["levels"]:
        assert level["wanted_utilization"] == pytest.approx(level["utilization"], rel=0.1)
        assert all(math.isfinite(level[name]) for name in ("wait_seconds", "ideal_wait_seconds"))
    assert 4 == len(said)


def test_backpressure_in_memory(no_redis):
    """With a small window as many wait as fit; with a large one, more. That there is no Redis is said."""
    finding = backpressure.run(QUICK, lambda _text: None)
    small, large = finding.data["flows"]

    assert small["most_waiting"] <= small["window"] < large["most_waiting"] <= large["window"]
    assert finding.answer > 1
    assert "no Redis server" in finding.notes[0]


def test_backpressure_on_redis(redis_binary):
    """The same, with memory that Redis has counted."""
    finding = backpressure.run(QUICK, lambda _text: None)
    small, large = finding.data["flows"]

    assert small["most_waiting"] <= small["window"] < large["most_waiting"] <= large["window"]
    assert 0 < small["most_bytes"] < large["most_bytes"]
    assert () == finding.notes


def test_crash_in_memory(no_redis):
    """No picture is lost, and it is said that nobody was killed in truth."""
    finding = crash.run(QUICK, lambda _text: None)

    assert 0.0 == finding.answer
    assert (12, 1, 1) == tuple(finding.data[name] for name in ("done", "held_at_death", "begun_again"))
    assert "a thread cannot be killed" in finding.notes[0]


def test_crash_of_a_process(redis_binary):
    """A worker that is killed by SIGKILL loses no picture either."""
    finding = crash.run(QUICK, lambda _text: None)

    assert (0.0, 12, 0) == (finding.answer, finding.data["done"], finding.data["counted_twice"])
    assert finding.data["held_at_death"] >= 1


def test_gil_is_measured(monkeypatch):
    """Both filters, with threads and processes."""
    monkeypatch.setattr(gil, "_QUICK", gil._Size(1, 64, 48, 24, 1, 0.05))
    finding = gil.run(QUICK, lambda _text: None)

    assert 4 == len(finding.data["speedups"])
    assert finding.answer > 0
