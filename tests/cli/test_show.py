"""Show: the ending screen, line by line."""

from __future__ import annotations

import pytest

from imgpipe import Failure, FailureCode, Outcome, Report, Result
from imgpipe_cli.show import size, summary_lines, symbols, typed


def screen(report: Report, command: str = "imgpipe process in -o out", total: int = 1) -> list[str]:
    """Return the screen of a report."""
    return summary_lines(report, total, "threads x2 (as asked)", command, output="out", encoding="utf-8")


def test_all_done():
    """One line for the work, one for the place of the results."""
    report = Report(seconds=2.0)
    report.add(Result("1", "a", "b", Outcome.DONE, megapixels=3.0, bytes_in=2_000_000, bytes_out=150_000))

    assert [
        "✓ 1 of 1 pictures in 2.0 s   0.5 pictures/s   1.5 MP/s   2.0 MB → 150 kB",
        "  threads x2 (as asked)",
        "  results: out",
    ] == screen(report)


def test_second_run():
    """When nothing was left to do, that is what the screen says."""
    report = Report(seconds=0.1)
    report.add(Result("1", "a", "b", Outcome.SKIPPED))

    assert ["✓ 1 skipped: nothing to do", "  results: out"] == screen(report)


def test_failures_are_grouped_with_remedy_and_the_command_that_retries():
    """Each kind of failure is named once, with examples, and the way on stands below."""
    report = Report(seconds=1.0)
    failure = Failure(FailureCode.TOO_LARGE, "300 MP are more than 179 MP", "raise --max-pixels")
    for number in range(7):
        report.add(Result(str(number), f"in/{number}.jpg", "", Outcome.FAILED, failure=failure))

    lines = screen(report)

    assert ["✗ 7 failed", "      7 TOO_LARGE"] == lines[:2]
    assert "        in/0.jpg  300 MP are more than 179 MP  → raise --max-pixels" == lines[2]
    assert ["        … and 2 more", "  retry only these:  imgpipe process in -o out --retry-failed"] == lines[-2:]


def test_the_retry_command_is_not_lengthened_twice():
    """A retry that fails again gives the same command."""
    report = Report()
    report.add(Result("1", "a", "", Outcome.FAILED, failure=Failure(FailureCode.UNREADABLE, "x")))

    assert (
        "  retry only these:  imgpipe process in -o out --retry-failed"
        == (screen(report, "imgpipe process in -o out --retry-failed")[-1])
    )


def test_interrupted():
    """The command that goes on where the run stopped is the same command."""
    report = Report(seconds=1.0, stopped="interrupted")
    report.add(Result("1", "a", "b", Outcome.DONE))

    lines = screen(report, total=9)

    assert "✓ 1 of 9 pictures" in lines[0]
    assert ["✗ stopped: interrupted", "  go on with:  imgpipe process in -o out", "  results: out"] == lines[2:]


def test_names_and_messages_cannot_act_on_the_terminal():
    """Escape sequences in names and messages are shown, not sent."""
    report = Report()
    failure = Failure(FailureCode.UNREADABLE, "bad \x1b[31m\x9b2J")
    report.add(Result("1", "in/\x1b]0;owned\x07\udcff\u202e.jpg", "", Outcome.FAILED, failure=failure))

    text = "\n".join(screen(report))

    assert all(char == "\n" or char.isprintable() for char in text)
    assert "\\x1b]0;owned\\x07\\xff\\u202e" in text


@pytest.mark.parametrize(
    ("encoding", "good"), [("utf-8", "✓"), ("ascii", "ok"), ("latin-1", "ok"), (None, "ok"), ("?", "ok")]
)
def test_symbols_fit_the_encoding(encoding, good):
    """Where the sign cannot be shown, a word stands for it."""
    assert good == symbols(encoding)[0]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (3_100_000_000, "3.1 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_sizes(number, text):
    """Sizes read as people say them."""
    assert text == size(number)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["imgpipe", "process", "a b"], "imgpipe process 'a b'"),
        (["--redis", "redis://:secret@there/0"], "--redis 'redis://:***@there/0'"),
        (["--redis=rediss://me:secret@there"], "'--redis=rediss://me:***@there'"),
        (["unix:///run/redis?password=secret&db=1"], "'unix:///run/redis?password=***&db=1'"),
        (["notes//a:b@c.jpg"], "notes//a:b@c.jpg"),
    ],
)
def test_a_command_is_shown_without_its_password(words, shown):
    """It stands on screens and in logs; everything else can be typed again."""
    assert shown == typed(words)
