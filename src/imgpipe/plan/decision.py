"""Decision: what is to be done with one picture, given its target, the ledger and the policy; a pure function."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imgpipe.plan.rows import Identity, State

if TYPE_CHECKING:
    import os

    from imgpipe.plan.rows import Row

OnExists = Literal["update", "skip", "overwrite", "error", "rename"]
Action = Literal["process", "skip", "refuse", "leave"]

_CLOCK_SECONDS = 2.0
"""How far the time of a file may lag behind the clock: file systems round it, network disks have their own clock."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a picture.

    `process` makes it a task, `skip` means that nothing has to be done, `refuse` that nothing may be done, `leave` that
    the picture is not meant by this run. `replace` allows an existing target to be replaced; `adopt` says that the
    target is the work of a run that was killed before it could note so.
    """

    action: Action
    reason: str
    replace: bool = False
    adopt: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is known about one picture before its turn: its absolute path, its file, recipe, target and row."""

    source: str
    source_identity: Identity
    fingerprint: str
    target: os.stat_result | None
    row: Row | None

    @property
    def target_identity(self) -> Identity:
        """By what the target is known again."""
        return Identity.of(self.target)

    @property
    def as_written(self) -> bool:
        """Whether the target is still the file that was written last."""
        return self.target is not None and self.row is not None and self.row.output == self.target_identity

    @property
    def is_ours(self) -> bool:
        """Whether the target was written by imgpipe, even if the run did not live to say so."""
        if self.target is None or self.row is None:
            return False
        began = self.row.state is State.PENDING and stat.S_ISREG(self.target.st_mode)
        return self.as_written or (began and self.target.st_mtime >= self.row.started_at - _CLOCK_SECONDS)

    @property
    def is_current(self) -> bool:
        """Whether the latest attempt was of this very source and recipe."""
        row = self.row
        return (
            row is not None
            and row.source == self.source
            and row.source_identity == self.source_identity
            and row.fingerprint == self.fingerprint
        )

    @property
    def is_up_to_date(self) -> bool:
        """Whether the target is what would be made again."""
        return self.is_current and self.as_written and self.row is not None and self.row.state is State.DONE

    @property
    def is_unfinished(self) -> bool:
        """Whether the latest attempt at this source failed or did not end."""
        return self.row is not None and self.row.source == self.source and self.row.state is not State.DONE


def decide(situation: Situation, on_exists: OnExists, *, retry_failed: bool) -> Decision:
    """Decide about a picture whose target is not its source; for `rename`, see `decide_name`."""
    row, target = situation.row, situation.target
    if retry_failed and not situation.is_unfinished:
        return Decision("leave", "did not fail")
    if target is None:
        reason = "new" if row is None else _stale(situation)
        return Decision("process", reason, replace=on_exists == "overwrite")
    if on_exists == "overwrite":
        return Decision("process", "replaces what is there", replace=True)
    if stat.S_ISDIR(target.st_mode):
        return Decision("refuse", "there is a folder of that name")
    if on_exists == "skip":
        return Decision("skip", "its output exists")
    if on_exists == "error":
        return Decision("refuse", "its output exists")
    if situation.is_up_to_date:
        return Decision("skip", "up to date")
    if not situation.is_ours:
        known = row is not None and row.output.size >= 0
        changed = "was changed since it was written" if known else "was not written by imgpipe"
        return Decision("refuse", f"it exists and {changed}")
    return Decision("process", _stale(situation), replace=True)


def decide_name(situation: Situation, *, retry_failed: bool) -> Decision | None:
    """Decide, for `rename`, whether this name is the one for the picture; None if another must be tried.

    A name under which the same source has its result already is right; any other that is taken is not.
    """
    row, target = situation.row, situation.target
    if retry_failed and not situation.is_unfinished:
        ends = situation.is_up_to_date or (row is None and target is None)
        return Decision("leave", "did not fail") if ends else None
    if situation.is_up_to_date:
        return Decision("skip", "up to date")
    if target is None:
        return Decision("process", "new" if row is None else _stale(situation))
    if situation.is_current and situation.is_ours and row is not None and row.state is State.PENDING:
        return Decision("process", _stale(situation), replace=True)
    return None


def decide_in_place(situation: Situation, *, retry_failed: bool) -> Decision:
    """Decide about a picture that is to be replaced by its own result: it must never be processed twice."""
    row = situation.row
    if row is None or row.source != situation.source:
        return Decision("leave", "did not fail") if retry_failed else Decision("process", "new", replace=True)
    if situation.as_written and row.output_fingerprint == situation.fingerprint:
        return Decision("leave", "did not fail") if retry_failed else Decision("skip", "up to date")
    if row.state is State.PENDING and situation.target is not None and row.source_identity != situation.target_identity:
        # It was published: before that, the file was what the row says.
        if row.fingerprint == situation.fingerprint:
            return Decision("skip", "finished by a run that was killed", adopt=True)
        return Decision("leave", "did not fail") if retry_failed else Decision("process", "other recipe", replace=True)
    if retry_failed and row.state is State.DONE:
        return Decision("leave", "did not fail")
    return Decision("process", _stale(situation), replace=True)


def _stale(situation: Situation) -> str:
    row = situation.row
    if row is None or row.state is State.FAILED:
        return "failed before"
    if row.state is State.PENDING:
        return "was interrupted"
    if row.fingerprint != situation.fingerprint:
        return "the recipe changed"
    if situation.target is None:
        return "its output is missing"
    return "the source changed"
