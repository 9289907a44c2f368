"""table, document and page: a report as text, as JSON and as HTML, without a lie or a foreign byte."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest

from imgpipe.stress.document import to_data
from imgpipe.stress.page import to_html
from imgpipe.stress.slo import Objective, check
from imgpipe.stress.summary import report_of
from imgpipe.stress.table import differs, report_lines
from imgpipe.stress.values import End, Fault, Plan
from imgpipe.stress.words import counted, per_second, percent, shown, sparkline
from stress_samples import account, run_of, trip


def text_of(*trips, **given) -> str:
    """Return the report of a run as text."""
    return "\n".join(report_lines(report_of(run_of(*trips, **given))))


EVEN = [trip(n, n * 0.1, 0.1 + n % 10 * 0.01) for n in range(120)]


def test_an_open_loop_says_so():
    """Arrivals, rates, verdict, and from when latency counts."""
    text = text_of(*EVEN, account=account(done=120, busy_seconds=10.0, waited_seconds=0.02))

    for words in ("open loop: 1/s even", "offered 10/s", "achieved 10/s", "result VALID", "no coordinated omission",
                  "tasks 120: 120 done, 0 failed, 0 lost", "theory: G/G/2", "waited 20 ms on average"):  # fmt: skip
        assert words in text
    assert "from the real start  " not in text


def test_a_closed_loop_says_what_it_hides():
    """It has no offered rate, and cannot be late."""
    text = text_of(*EVEN, plan=Plan(kind="simple", arrivals="5 tasks", count=5))

    assert "closed loop, which hides queueing: 5 tasks" in text
    assert "offered" not in text
    assert "late starts" not in text


def test_percentiles_without_enough_tasks_are_not_printed():
    """120 tasks have a p90 and no p95; which percentile comes next, and what it needs, is said."""
    text = text_of(*EVEN)
    (header,) = [line for line in text.splitlines() if line.startswith(" latency of what is done")]

    assert ["p50", "p90", "mean", "max", "n"] == header.split()[5:]
    assert "p95 is not shown: it needs 200 tasks" in text


def test_both_starts_are_shown_where_they_differ():
    """A stall that a closed loop would have hidden is there in the corrected numbers, and its hiding beside them."""
    stalled = [trip(n, n * 0.1, 0.5, begun=n * 0.1 + 0.4) for n in range(40)]

    assert "from the real start  " in text_of(*stalled)
    assert differs(report_of(run_of(*stalled)))
    assert not differs(report_of(run_of(*EVEN)))


def test_failures_are_named_by_whose_fault_they_are():
    """Job failure and worker failure, with codes."""
    failed = trip(120, 12.0, 1.0, end=End.FAILED, code="TRUNCATED")
    lost = trip(121, 12.1, 1.0, end=End.LOST, code="CRASHED")
    text = text_of(*EVEN, failed, lost)

    assert "1 failed: job failure, the picture's or the recipe's fault (TRUNCATED 1)" in text
    assert "1 lost: worker failure: they died or hung (CRASHED 1)" in text


def test_faults_are_told():
    """Which worker was killed when and with what, how long Redis was away, and how long it took to get over it."""
    faults = (Fault("killed", 2.0, "worker-2", 2.0, (21,)), Fault("paused", 5.0, "Redis", 7.0))
    plan = Plan(kind="distributed", arrivals="", moments=(0.0, 1.0))
    text = text_of(*EVEN, plan=plan, faults=faults, account=account(done=120, losses=1, duplicates=2))

    assert "at 2.00 s worker-2 was killed with 1 task in its hands: recovered after" in text
    assert "at 5.00 s Redis was frozen for 2.00 s" in text
    assert "lost 0   duplicates 0 in the results, 2 ignored by the queue" in text


def test_invalid_says_why():
    """The reasons stand below the verdict."""
    text = text_of(*EVEN, late=(0.5,) * 120)

    assert "result INVALID" in text
    assert "the generator sent late: p90 50" in text


def test_an_objective_is_at_the_end():
    """Reached or not, and why."""
    report = report_of(run_of(*EVEN))
    lines = list(report_lines(report, check(Objective.parse("p90=1s"), report)))

    assert lines[-1].startswith(" slo p90=1s: reached (measured 0.1")


@pytest.mark.parametrize("trips", [EVEN, EVEN[:1], [trip(0, 0.0, None)], []])
def test_json_is_json_and_has_a_schema(trips):
    """No infinity, no NaN, unknown is null; the same keys whatever was measured."""
    report = report_of(run_of(*trips, account=account(done=1, busy_seconds=500.0)))
    data = json.loads(json.dumps(to_data(report), allow_nan=False))

    assert "imgpipe.stress/1" == data["schema"]
    assert to_data(report_of(run_of(*EVEN))).keys() == data.keys()
    assert None is data["latency"]["from_intended_start"]["percentiles_seconds"]["p99.9"]
    assert len(trips) == data["tasks"]["total"]


@pytest.mark.parametrize("trips", [EVEN, EVEN[:1], [trip(0, 0.0, None)], []])
def test_the_page_needs_nothing_from_elsewhere(trips):
    """One file, no script, no address to fetch from; each drawing is well formed."""
    fault = Fault("killed", 2.0, "worker-2", 2.0, (21,))
    page = to_html(report_of(run_of(*trips, faults=(fault,), where="<b>&")))
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)

    assert (3 if any(each.end is End.DONE for each in trips) else 0) == len(drawings)
    for drawing in drawings:
        ET.fromstring(drawing)
    assert "<b>" not in page
    assert not re.search(r"<script|<link|<img|src=|href=|url\(", page)
    assert ["http://www.w3.org/2000/svg"] * len(drawings) == re.findall(r"https?://[^\"' ]*", page)


def test_words():
    """Units stand with numbers; what is not known is a dash."""
    assert ["–", "∞", "0.4 ms", "12 ms", "1.00 s", "12.3 s", "123 s"] == [
        shown(seconds) for seconds in (None, float("inf"), 0.0004, 0.012, 0.9999, 12.34, 123.4)
    ]
    assert ["–", "12.3/s", "1234/s"] == [per_second(rate) for rate in (None, 12.34, 1234)]
    assert ["–", "62 %"] == [percent(share) for share in (None, 0.62)]
    assert ["1 task", "2 tasks"] == [counted(count, "task") for count in (1, 2)]
    assert "▁█ ░" == sparkline([0.1, 10.0, None, 1.0], partial_last=True)
    assert "" == sparkline([None], partial_last=True)
