"""Verdicts: another try is for what may pass, blame for what did not, and nobody without a lease has a say."""

from __future__ import annotations

import pytest

from imgpipe import Failure, FailureCode, Outcome, Pipeline, Recipe, Result
from imgpipe.queue.payload import JobPayload, decode_result
from imgpipe.queue.values import Claim, Verdict
from imgpipe.worker.verdicts import delay_seconds, verdict_on, word_on

PAYLOAD = JobPayload(recipe=Recipe(Pipeline.parse("flip")), source_root="/in", target_root="/out")


def result(outcome: Outcome, code: FailureCode | None = None, *, passing: bool = False) -> Result:
    """Return a result."""
    failure = Failure(code, "why", passing=passing) if code else None
    return Result("j:1", "/in/a", "/out/a", outcome, failure=failure)


@pytest.mark.parametrize(
    ("verdict", "of"),
    [
        (Verdict.DONE, result(Outcome.DONE)),
        (Verdict.DONE, result(Outcome.SKIPPED)),
        (Verdict.FAILED, result(Outcome.FAILED, FailureCode.TRUNCATED)),
        (Verdict.FAILED, result(Outcome.FAILED, FailureCode.READ_ERROR)),
        (Verdict.FAILED, result(Outcome.FAILED, FailureCode.TIMEOUT)),
        (Verdict.FAILED, result(Outcome.FAILED, FailureCode.OUT_OF_MEMORY)),
        (Verdict.RETRY, result(Outcome.FAILED, FailureCode.DISK_FULL)),
        (Verdict.RETRY, result(Outcome.FAILED, FailureCode.READ_ERROR, passing=True)),
        (Verdict.RETRY, result(Outcome.FAILED, FailureCode.CANNOT_WRITE, passing=True)),
        (Verdict.LOST, result(Outcome.LOST, FailureCode.CRASHED)),
        (Verdict.RELEASE, result(Outcome.LOST, FailureCode.LEASE_ENDED)),
    ],
)
def test_verdicts(verdict, of):
    """Each outcome and each kind of failure has its verdict."""
    assert verdict == verdict_on(of)


def test_a_word_carries_the_result():
    """The queue gets the verdict, the code and the time; the submitter gets the result."""
    claim = Claim("j", 1, 7, 0, 0, 0, 0.0, b"")
    failed = result(Outcome.FAILED, FailureCode.TRUNCATED)

    word = word_on(claim, failed, PAYLOAD, busy_seconds=2.0)

    assert (claim, Verdict.FAILED, "TRUNCATED", 2.0, 0.0) == (
        word.claim, word.verdict, word.code, word.busy_seconds, word.delay_seconds,
    )  # fmt: skip
    assert failed == decode_result(word.result, PAYLOAD)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 0.5), (1, 1.0), (3, 4.0), (9, 60.0), (1000, 60.0)])
def test_delays_double_and_are_spread(attempts, seconds):
    """Half a second at first, a minute at most, half of that more or less."""
    delays = {delay_seconds(attempts) for _ in range(100)}

    assert all(0.5 * seconds <= delay <= 1.5 * seconds for delay in delays)
    assert len(delays) > 50
