"""HandingOut: hands tasks out in chunks, each chunk noted in the ledger before, and reports what needs no task."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe.errors import FailureCode
from imgpipe.pictures.staging import sweep
from imgpipe.plan.decision import Decision, Situation
from imgpipe.plan.placement import Placed
from imgpipe.plan.rows import NO_FILE, Row, State
from imgpipe.task import Failure, Outcome, Result, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.plan.ledger import Ledger
    from imgpipe.recipe import Recipe

Choice = tuple[Placed, Situation, Decision]

_CHUNK_TASKS = 64
_CHUNK_PICTURES = 256


class HandingOut:
    """A chunk of decisions on its way to become tasks."""

    def __init__(
        self, recipe: Recipe, fingerprint: str, ledger: Ledger, settle: Callable[[Result], None], *, durable: bool
    ) -> None:
        self._recipe, self._fingerprint, self._durable = recipe, fingerprint, durable
        self._ledger, self._settle = ledger, settle
        self._tasks: list[Task] = []
        self._rows: list[Row] = []
        self._pictures = 0
        self._swept: set[str] = set()

    @property
    def is_due(self) -> bool:
        """Whether the chunk is large enough. The first task must not wait until a million pictures were skipped."""
        return len(self._tasks) >= _CHUNK_TASKS or self._pictures >= _CHUNK_PICTURES

    def add(self, placed: Placed, situation: Situation, decision: Decision) -> None:
        """Make a task of a picture, or report at once what became of it without one."""
        self._pictures += 1
        number, path, target = str(placed.number), placed.source.path, placed.target
        size = placed.status.st_size if placed.status else 0
        if decision.action == "process":
            self._tasks.append(Task(number, path, target, self._recipe, decision.replace, self._durable))
            self._note(placed, situation, State.PENDING)
            if situation.row is not None and situation.row.state is State.PENDING:
                self._sweep(os.path.dirname(target) or os.curdir)
        elif decision.action == "skip":
            if decision.adopt:
                self._note(placed, situation, State.DONE)
            self._settle(Result(number, path, target, Outcome.SKIPPED, bytes_in=size))
        elif decision.action == "refuse":
            message = f"{display_name(target)}: {decision.reason}"
            failure = Failure(FailureCode.TARGET_EXISTS, message, "--on-exists overwrite or rename, or another folder")
            self._note(placed, situation, State.FAILED, failure)
            self._settle(Result(number, path, target, Outcome.FAILED, failure=failure, bytes_in=size))

    def flush(self) -> list[Task]:
        """Write the chunk's rows, then return its tasks and begin the next."""
        self._ledger.put(self._rows)
        tasks, self._tasks, self._rows, self._pictures = self._tasks, [], [], 0
        return tasks

    def sweep_again(self) -> None:
        """Sweep once more where a killed run was at work: its child processes may have lived on for a moment."""
        for folder in self._swept:
            sweep(folder)

    def _note(self, placed: Placed, situation: Situation, state: State, failure: Failure | None = None) -> None:
        before = situation.row
        same_source = before is not None and before.source == placed.whole
        row = Row(
            target=placed.key,
            source=placed.whole,
            source_identity=situation.source_identity,
            fingerprint=self._fingerprint,
            state=state,
            started_at=self._ledger.wall(),
            code=failure.code.value if failure else "",
            message=failure.message if failure else "",
            output=before.output if before else NO_FILE,
            output_fingerprint=before.output_fingerprint if before and same_source else "",
        )
        if state is State.DONE:
            row = replace(row, output=situation.target_identity, output_fingerprint=self._fingerprint)
        self._rows.append(row)

    def _sweep(self, folder: str) -> None:
        """Remove what a killed run left half-written; only a folder with an unfinished picture can have that."""
        if folder not in self._swept:
            self._swept.add(folder)
            sweep(folder)
