"""Oracle: looks at the files, the results and the queue's counts after a run, and says what is wrong with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from benchmarks.chaos.scene import digest, expected_digests, identity
from imgpipe.task import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.chaos.scene import Scene

_COUNTS = ("submitted", "done", "failed", "lost", "attempts", "losses", "deliveries", "late", "duplicates")
_LITTER = re.compile(r"\.imgpipe-.*\.tmp")


def judged(scene: Scene) -> dict[str, Any]:
    """Return the counts of all that can be wrong, each of which has to be 0, and what the queue has counted.

    Beside what is wrong with files: `given up` are pictures that were in work in too many workers when these died;
    `wrong` are those without a result, with more than one, or with another one, and counts that do not add up.
    """
    expected = expected_digests(scene.asked)
    names = sorted(path.name for path in scene.source.iterdir())
    results, report, status = scene.seen.results, scene.report(), scene.queue.status(scene.job)
    assert status is not None
    outcomes = {name: [result.outcome for result in results.get(name, ())] for name in names}
    given_up = [name for name in names if outcomes[name] == [Outcome.LOST]]
    wrong = [name for name in names if outcomes[name] not in ([Outcome.DONE], [Outcome.LOST])]
    sums = scene.queue.fsck(scene.job)
    differ = (status.submitted, status.done, status.lost) != (len(names), report.done, len(given_up))
    whole = {name: expected[number % len(expected)] for number, name in enumerate(names)}
    not_done = [result for name in names for result in results.get(name, ()) if result.outcome is not Outcome.DONE]
    return {
        "misses": faults_of(scene.target, whole, scene.seen.files)
        | {"given up": len(given_up), "wrong": len(wrong) + len(sums) + differ},
        "counted": {name: getattr(status, name) for name in _COUNTS},
        "not done": [f"{result.outcome}: {result.failure.message}" for result in not_done[:5] if result.failure],
    }


def faults_of(target: Path, whole: Mapping[str, str], seen: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Return what is wrong with the files in a folder that should have the digests in `whole`.

    - lost: pictures without an output; corrupt: outputs that a sequential run would not make.
    - litter: temporary files; changed: files that were written again after their result was known, see `identity`.
    """
    there = {path.name for path in target.iterdir()}
    changed = [name for name in seen if name in there and identity(str(target / name)) != seen[name]]
    return {
        "lost": len(whole.keys() - there),
        "corrupt": sum(digest(target / name) != whole[name] for name in whole.keys() & there),
        "litter": sum(_LITTER.fullmatch(name) is not None for name in there),
        "changed": len(changed),
    }
