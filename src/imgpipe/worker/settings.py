"""Settings: what a worker is told at its start, and what it tells while it runs and at its end; frozen values."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadOption
from imgpipe.queue.values import check_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.children.sandbox import Sandbox
    from imgpipe.queue.values import Routing

_SHORTEST_LEASE_SECONDS = 0.1
_BEATS_IN_A_LEASE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a worker can do, and how long it takes for what.

    - `labels`: what it can run; `io` and `cpu` are the kinds of filters. With `fifo` routing it takes whatever comes.
    - `slots`: pictures at once, each in a child process.
    - `lease_seconds`: a worker that nothing is heard of for so long loses its tasks to others. It beats five times as
      often, and looks each time for others whose lease has ended.
    - `grace_seconds`: how long pictures in work may take when it is told to end.
    - `idle_exit_seconds`, `max_jobs`: end after so long without a picture, after so many pictures.
    - `roots`: folders that sources and targets must lie in, symbolic links resolved; none allows every path.
    - `max_memory_bytes`: for pictures in work; None for 60 % of what is free. `timeout_seconds`: for one picture.
    - `prefetch_seconds`: so much work, by the time that tasks have taken lately, is fetched ahead.
    - `stall_seconds`: if its own parts stand still for so long, it lets its lease end, and others take over.
    """

    name: str
    labels: frozenset[str]
    slots: int = 1
    routing: Routing = "labels"
    lease_seconds: float = 15.0
    grace_seconds: float = 25.0
    idle_exit_seconds: float | None = None
    max_jobs: int | None = None
    roots: tuple[str, ...] = ()
    max_memory_bytes: int | None = None
    timeout_seconds: float | None = None
    sandbox: Sandbox | None = None
    prefetch_seconds: float = 0.25
    stall_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense; resolve the roots. The queue checks name, labels and slots again."""
        check_labels(self.labels)
        if self.slots < 1:
            raise BadOption("workers", self.slots, "a whole number above 0")
        if self.lease_seconds < _SHORTEST_LEASE_SECONDS:
            raise BadOption("lease", self.lease_seconds, f"at least {_SHORTEST_LEASE_SECONDS} seconds")
        if self.max_jobs is not None and self.max_jobs < 1:
            raise BadOption("max-jobs", self.max_jobs, "a whole number above 0")
        for root in self.roots:
            if not os.path.isdir(root):
                raise BadOption("root", root, "a folder that is there")
        object.__setattr__(self, "roots", tuple(os.path.realpath(root) for root in self.roots))

    @property
    def beat_seconds(self) -> float:
        """How often it says that it lives."""
        return self.lease_seconds / _BEATS_IN_A_LEASE


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth a line: a stable word, a sentence, and what it is about."""

    kind: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a worker has done until it ended, and `why` it did.

    `released` were given back. `late` were reported after others could have had them, and counted; `stale` were not.
    """

    why: str = ""
    seconds: float = 0.0
    done: int = 0
    failed: int = 0
    lost: int = 0
    retried: int = 0
    released: int = 0
    late: int = 0
    stale: int = 0
