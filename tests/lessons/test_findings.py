"""Lessons: what they make of measurements whose numbers are known, and how predictions compare."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import imgpipe
from comparison_samples import cell, comparison, workload
from imgpipe.advice.erlang import mean_wait_seconds
from imgpipe.compare.probe import GilProbe
from imgpipe.errors import BadOption, ExecutorError
from imgpipe.lessons import NAMES, Finding, Lesson, all_lessons, amdahl, backpressure, crash, find, gil, queueing
from imgpipe.lessons.document import list_data, to_data
from imgpipe.lessons.values import compared
from imgpipe.stress.summary import report_of
from imgpipe.stress.values import Fault, Plan
from stress_samples import account, run_of, trip

ALWAYS = GilProbe(200, 200)


@pytest.mark.parametrize(
    ("prediction", "answer", "words"),
    [
        (0, 0, "exactly right"),
        (2.0, 2.2, "close: within 15 %"),
        (4.0, 2.0, "too high, by a factor of 2.0"),
        (1.0, 20.0, "too low, by a factor of 20.0"),
        (1.5, 1.0, "too high, by 50 %"),
        (7, 0, "too high"),
        (0, 3.0, "too low"),
    ],
)
def test_predictions_are_compared(prediction, answer, words):
    """In words, with the direction and how far it was off."""
    assert words == compared(prediction, answer)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_any_two_numbers_can_be_compared(prediction, answer):
    """No pair of them has no words."""
    assert compared(prediction, answer)


def test_all_lessons_are_there():
    """Each under its name, with a question, a time below a minute, and files to read on that exist."""
    package = Path(imgpipe.__file__).parent.parent

    assert list(NAMES) == [lesson.name for lesson in all_lessons()]
    for lesson in all_lessons():
        assert lesson.question.endswith("?")
        assert 0 < lesson.seconds < 60
        assert [] == [name for name in lesson.code if not (package / name).is_file()]


def test_unknown_lessons():
    """The nearest one is named."""
    with pytest.raises(BadOption, match="did you mean queueing"):
        find("queuing")


def gil_finding(threads: float = 1.02, warnings: tuple[str, ...] = ()) -> Finding:
    """Return what the lesson makes of a usual measurement."""
    easy = workload(cell("threads", 2, 1.9), cell("processes", 2, 1.7), name="sharpen")
    hard = workload(cell("threads", 2, threads), cell("processes", 2, 1.8), name="teach.pyblur", gil=ALWAYS)
    return gil.found(replace(comparison(easy, hard), warnings=warnings))


def test_gil():
    """The answer is about pure Python with threads; the others stand beside it."""
    finding = gil_finding()

    assert 1.02 == finding.answer
    assert [1.9, 1.7, 1.02, 1.8] == [row["speedup"] for row in finding.data["speedups"]]
    assert [("sharpen", "threads"), ("sharpen", "processes"), ("teach.pyblur", "threads"),
            ("teach.pyblur", "processes")] == [(row["pipeline"], row["executor"])
                                               for row in finding.data["speedups"]]  # fmt: skip
    assert ("teach.pyblur holds the GIL", "100 % of its time") in finding.rows
    assert not any("something else" in text for text in finding.explanation)


def test_gil_does_not_believe_everything():
    """Numbers that the GIL forbids, and cores that others have used, are not explained away."""
    assert any("something else" in text for text in gil_finding(threads=1.9).explanation)
    assert any("try it again" in text for text in gil_finding(warnings=("others were busy",)).explanation)


def test_amdahl():
    """A fifth that is serial gives a ceiling of five times."""
    speedups = {count: count / (1 + 0.2 * (count - 1)) for count in (1, 2, 4, 8)}
    cells = [cell("threads", count, speedup) for count, speedup in speedups.items()]
    finding = amdahl.found(comparison(workload(*cells, name="wait and blur"), most=8))

    assert 5.0 == pytest.approx(finding.answer)
    assert 0.2 == pytest.approx(finding.data["serial_share"])
    assert ("ceiling, 1 / serial share", "5.0 times") in finding.rows


def test_amdahl_without_a_serial_part():
    """A perfect speed-up has no ceiling: JSON says so by null, and nobody divides by zero."""
    cells = [cell("threads", count, float(count)) for count in (1, 2)]
    finding = amdahl.found(comparison(workload(*cells, name="wait and blur")))

    assert None is finding.data["ceiling"]
    json.dumps(finding.data, allow_nan=False)


def level(wanted: float, wait_seconds: float) -> queueing.Level:
    """Return a level that was measured."""
    erlang = mean_wait_seconds(200 * wanted, 0.01, 2)
    return queueing.Level(wanted, wanted, wait_seconds, wait_seconds, erlang, (1.0, 1.1))


def test_queueing():
    """The answer is how many times as long tasks waited at the last level as at the first."""
    finding = queueing.found([level(0.5, 0.003), level(0.8, 0.018), level(0.95, 0.090)])

    assert 30.0 == pytest.approx(finding.answer)
    assert 3 == len(finding.data["levels"])
    assert "30 times as long" in finding.explanation[0]


@given(st.integers(10, 500), st.floats(0.001, 10), st.integers())
def test_values_are_exponential_exactly(count, mean, seed):
    """Half of them lie below the median of the distribution, whatever the seed; the mean is nearly right."""
    values = queueing.exponential_like(count, mean, seed)

    assert count // 2 == sum(value < mean * math.log(2) * (1 - 1e-9) for value in values) or count % 2
    assert mean == pytest.approx(sum(values) / count, rel=0.1)


def test_ideal_waits():
    """The first worker that is free takes the first task that has come."""
    assert [0.0, 0.0, 2.0, 2.5] == queueing.ideal_waits([0.0, 0.5, 1.0, 2.0], [3.0, 4.0, 2.0, 1.0], 2)


def test_ideal_waits_in_the_long_run_are_erlangs():
    """Random arrivals at 80 % on two workers, ten thousand of them."""
    count = 10_000
    gaps = queueing.exponential_like(count, 1 / 160, 1)
    moments, moment = [], 0.0
    for gap in gaps:
        moment += gap
        moments.append(moment)
    waits = queueing.ideal_waits(moments, queueing.exponential_like(count, 0.01, 2), 2)

    assert mean_wait_seconds(160, 0.01, 2) == pytest.approx(sum(waits) / count, rel=0.15)


def test_crash():
    """Pictures, what the dead had, what became of it."""
    plan = Plan(kind="distributed", arrivals="", moments=(0.0,))
    fault = Fault("killed", 2.0, "worker-1", 2.0, held=(3, 4))
    trips = [trip(number, 0.0, 1.0 + number) for number in range(10)]
    report = report_of(run_of(*trips, plan=plan, faults=(fault,), account=account(done=10, losses=1)))
    finding = crash.found(report, lease_seconds=3.0)

    assert 0.0 == finding.answer
    assert (10, 2, 10, 0, 1, 3.0) == tuple(
        finding.data[name] for name in ("pictures", "held_at_death", "done", "lost", "begun_again", "recovery_seconds")
    )
    assert "It had 2 pictures in its hands" in finding.explanation[0]


def test_crash_in_which_nobody_died():
    """There is nothing to be learnt from it."""
    with pytest.raises(ExecutorError, match="nobody was killed"):
        crash.found(report_of(run_of(trip(0, 0.0), account=account())), lease_seconds=3.0)


def test_backpressure():
    """The answer is memory without the limit over memory with it."""
    small = backpressure.Flow(200, 200, 100_000, 9.5, 10.0)
    large = backpressure.Flow(30_000, 25_000, 5_000_000, 1.0, 10.0)
    finding = backpressure.found(small, large, 30_000)

    assert 50.0 == finding.answer
    assert ("window of 30000, most memory", "5,000 kB") in finding.rows
    assert "25000 tasks waited" in finding.explanation[1]


def lesson(finding: Finding) -> Lesson:
    """Return a lesson that finds this."""
    return Lesson(name="x", title="X", setting="Here.", question="How many?", unit="times", seconds=1,
                  run=lambda _quick, _say: finding, code=("a.py",))  # fmt: skip


def test_documents_are_json():
    """A prediction that was not made is null, and so is an answer without an end."""
    finding = Finding(answer=math.inf, rows=(("a", "1"),), explanation=("because",), notes=("a note",))
    data = json.loads(json.dumps(to_data(lesson(finding), None, finding), allow_nan=False))

    assert ("imgpipe.lesson/1", "x", "How many?") == (data["schema"], data["lesson"], data["question"])
    assert (None, None, None) == (data["prediction"], data["answer"], data["compared"])
    assert ([{"name": "a", "value": "1"}], ["because"], ["a note"]) == (data["rows"], data["explanation"],
                                                                        data["notes"])  # fmt: skip
    assert list(NAMES) == [entry["lesson"] for entry in list_data(all_lessons())["lessons"]]
