"""Report and journal: results added up, and written down one by one."""

from __future__ import annotations

import csv
import json

import pytest

from imgpipe import Failure, FailureCode, Outcome, Report, Result, UsageError
from imgpipe.journal import Journal
from imgpipe.report import EXAMPLES_PER_CODE

DONE = Result(
    "1", "in/a.jpg", "out/a.jpg", Outcome.DONE, {"decode": 0.25, "encode": 0.5}, notes=("flattened",), format="jpeg",
    width=4, height=3, megapixels=2.0, bytes_in=100, bytes_out=40, worker="imgpipe_0",
)  # fmt: skip
SKIPPED = Result("2", "in/b.jpg", "out/b.jpg", Outcome.SKIPPED, bytes_in=70)
FAILED = Result(
    "3", "in/c\udcff.jpg", "out/c.jpg", Outcome.FAILED,
    failure=Failure(FailureCode.TRUNCATED, "the file is incomplete", "get it again", "decode"),
)  # fmt: skip


def reported(*results: Result) -> Report:
    """Return the report of some results."""
    report = Report()
    for result in results:
        report.add(result)
    return report


def test_counts_outcomes():
    """Each outcome has its own number."""
    report = reported(DONE, DONE, SKIPPED, FAILED)

    assert (4, 2, 1, 1) == (report.total, report.done, report.skipped, report.failed)


def test_adds_up_only_what_was_processed():
    """A skipped picture was not read, so its bytes are not among those that were."""
    report = reported(DONE, SKIPPED, FAILED)

    assert (100, 40, 2.0) == (report.bytes_in, report.bytes_out, report.megapixels)
    assert {"decode": 0.25, "encode": 0.5} == dict(report.stage_seconds)
    assert {"flattened": 1} == dict(report.notes)


def test_speed_follows_the_time_on_the_clock():
    """Two pictures of two megapixels in half a second are four pictures and eight megapixels a second."""
    report = reported(DONE, DONE)
    report.seconds = 0.5

    assert (4.0, 8.0) == (report.pictures_per_second, report.megapixels_per_second)


def test_keeps_only_the_first_failures_of_a_kind():
    """A million failures do not fill the memory."""
    report = reported(*[FAILED] * 100)

    assert 100 == report.failures[FailureCode.TRUNCATED].count
    assert EXAMPLES_PER_CODE == len(report.failures[FailureCode.TRUNCATED].examples)


def test_report_as_data_is_json():
    """The data form can be written as JSON and names every outcome."""
    data = json.loads(json.dumps(reported(DONE, SKIPPED, FAILED).to_data()))

    assert (1, 1, 1, 0) == tuple(data[outcome] for outcome in ("done", "skipped", "failed", "lost"))
    assert {"TRUNCATED": 1} == data["failures"]


def test_journal_of_json_lines(tmp_path):
    """Every result is a line, there as soon as it is added."""
    path = tmp_path / "run.jsonl"
    with Journal(str(path)) as journal:
        journal.add(DONE)
        first = path.read_text()
        journal.add(FAILED)
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert 1 == first.count("\n")
    assert ["in/a.jpg", "in/c\udcff.jpg"] == [line["source"] for line in lines]
    assert {"code": "TRUNCATED", "message": "the file is incomplete", "remedy": "get it again", "stage": "decode"} == (
        lines[1]["failure"]
    )
    assert (["flattened"], 0.25) == (lines[0]["notes"], lines[0]["seconds"]["decode"])


def test_journal_of_csv(tmp_path):
    """The table has a header and plain values; undecodable bytes of names stay as they are."""
    path = tmp_path / "run.csv"
    with Journal(str(path)) as journal:
        for result in (DONE, SKIPPED, FAILED):
            journal.add(result)
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))

    assert ["done", "skipped", "failed"] == [row["outcome"] for row in rows]
    assert ("0.75", "flattened", "") == (rows[0]["seconds"], rows[0]["notes"], rows[0]["code"])
    assert ("in/c\udcff.jpg", "TRUNCATED") == (rows[2]["source"], rows[2]["code"])


@pytest.mark.parametrize("name", ["run.txt", "run", "none/run.jsonl"])
def test_journal_refuses_what_it_cannot_write(tmp_path, name):
    """The error names the option and says what would do."""
    with pytest.raises(UsageError, match=r"report: got .*expected a file"):
        Journal(str(tmp_path / name))
