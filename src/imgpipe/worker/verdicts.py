"""Verdicts: turns what became of a picture into a worker's word for the queue; pure but for a little chance."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from imgpipe.errors import FailureCode
from imgpipe.queue.payload import encode_result
from imgpipe.queue.values import Settled, Verdict
from imgpipe.task import Outcome

if TYPE_CHECKING:
    from imgpipe.queue.payload import JobPayload
    from imgpipe.queue.values import Claim
    from imgpipe.task import Result

_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.5, 60.0


def word_on(claim: Claim, result: Result, payload: JobPayload | None, *, busy_seconds: float = 0.0) -> Settled:
    """Return the word on a task. Without the job's payload, which could not be read, its result stays at home."""
    verdict = verdict_on(result)
    return Settled(
        claim,
        verdict,
        encode_result(result, payload) if payload else b"",
        code=result.failure.code.value if result.failure else "",
        busy_seconds=busy_seconds,
        delay_seconds=delay_seconds(claim.attempts) if verdict is Verdict.RETRY else 0.0,
    )


def verdict_on(result: Result) -> Verdict:
    """Return the verdict: for good, worth another try, or none at all.

    A full disk and a storage that does not answer may pass. Without its lease, a worker has no say. The rest would be
    the same anywhere.
    """
    if result.ok:
        return Verdict.DONE
    failure = result.failure
    if failure is not None and failure.code is FailureCode.LEASE_ENDED:
        return Verdict.RELEASE
    if failure is not None and (failure.passing or failure.code is FailureCode.DISK_FULL):
        return Verdict.RETRY
    return Verdict.LOST if result.outcome is Outcome.LOST else Verdict.FAILED


def delay_seconds(attempts: int) -> float:
    """Return how long to wait before the next try: half a second, doubled with each, a minute at most, spread."""
    longest = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * float(2**attempts))
    return longest * random.uniform(0.5, 1.5)  # noqa: S311 - only to be not all at once
