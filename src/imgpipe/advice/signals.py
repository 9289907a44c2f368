"""Signals: all that the advice knows of one class of tasks at one moment; frozen, to JSON and back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imgpipe.advice.fields import read_fields, to_json
from imgpipe.advice.histogram import Histogram
from imgpipe.errors import BadOption

if TYPE_CHECKING:
    from collections.abc import Mapping


class Objective(StrEnum):
    """What is wanted of a class. A stream's tasks are not to wait; a batch is to be over, its tasks wait on purpose."""

    STREAM = "stream"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine with workers for the class. Shares are from 0 to 1: of its quota of cores, of its memory limit.

    `throttled_share` is the share of periods in which its quota stopped it. None is unknown, never 0.
    """

    name: str
    cores: int
    cpu_share: float | None = None
    throttled_share: float | None = None
    memory_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSignal:
    """A live worker that can take the class, and is not draining. `idle_seconds` is 0 while it works."""

    id: str
    slots: int
    idle_seconds: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Slots of workers with the same labels. Those that several classes can use are shared out between them."""

    labels: str
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """One class of tasks at one moment. None is unknown, never 0.

    Counters, which only go up, since the queue began:

    - `enqueued_total`: tasks that have begun to wait, another try counted again.
    - `done_total`, `failed_total` (the lost among them), `retried_total`: tries that have ended, by how.
    - `lost_total`: tasks given up because their workers died.
    - `busy_seconds_total`: slots' time in work, with that of running tasks where it is known.
    - `waited_seconds_total`: waits of tasks that have been taken.
    - `durations`: tries by their time in work.

    Right now: `ready` tasks wait, the oldest for `oldest_wait_seconds`; `running` are in work. `slots` are there,
    `warming_slots` are starting or were asked for; `pools` says which they are. `slots_per_worker` is the usual number.
    `coverage` is the share of slots that have reported lately. A new worker takes `start_seconds`.
    `cpu_share_of_busy` is processor time for each second in work, `handover_seconds` (the 95th percentile) what it
    takes to fetch a task and hand in its result.

    Of a batch, `remaining` tasks are to be done, within `deadline_seconds` if there is a deadline.

    `at_seconds` is the queue's clock, in seconds since 1970. `age_seconds` is how old all this was when it was asked
    for: whoever cannot reach the queue hands over what he had last, with its age.
    """

    task_class: str
    at_seconds: float
    age_seconds: float = 0.0
    objective: Objective = Objective.STREAM
    remaining: int | None = None
    deadline_seconds: float | None = None
    paused: bool = False
    enqueued_total: int | None = None
    done_total: int | None = None
    failed_total: int | None = None
    retried_total: int = 0
    lost_total: int | None = None
    busy_seconds_total: float | None = None
    waited_seconds_total: float | None = None
    durations: Histogram | None = None
    ready: int | None = None
    running: int | None = None
    oldest_wait_seconds: float | None = None
    slots: int | None = None
    warming_slots: int = 0
    slots_per_worker: int = 1
    coverage: float | None = None
    start_seconds: float | None = None
    workers: tuple[WorkerSignal, ...] = ()
    pools: tuple[Pool, ...] = ()
    hosts: tuple[Host, ...] = ()
    cpu_share_of_busy: float | None = None
    handover_seconds: float | None = None
    redis_latency_seconds: float | None = None
    redis_memory_share: float | None = None

    @property
    def finished_total(self) -> int | None:
        """Tries that have ended, None where that is unknown."""
        if self.done_total is None or self.failed_total is None:
            return None
        return self.done_total + self.failed_total + self.retried_total

    @property
    def all_slots(self) -> int | None:
        """Slots that are there or coming."""
        return None if self.slots is None else self.slots + self.warming_slots

    def to_data(self) -> dict[str, Any]:
        """Return the `inputs` of `scaling[]` in `imgpipe.metrics/1`: the same names, but `_s` for seconds."""
        data: dict[str, Any] = to_json(self)
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Signals:
        """Read `inputs` again; what a newer imgpipe has added is ignored. Raises `BadOption` that names the field."""
        values = read_fields(cls, data, "inputs", parts={"workers": WorkerSignal, "pools": Pool, "hosts": Host})
        if values.get("durations") is not None:
            values["durations"] = _histogram(values["durations"])
        if "objective" in values:
            values["objective"] = _objective(values["objective"])
        return cls(**values)


def _histogram(data: Any) -> Histogram:
    names = [field.name for field in fields(Histogram)]
    if not isinstance(data, dict) or not {"bounds_s", "counts"} <= data.keys():
        raise BadOption("inputs.durations", data, "an object with bounds_s and counts")
    numbers = {name: data[name.replace("_seconds", "_s")] for name in names}
    for name, values in numbers.items():
        if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
            raise BadOption(f"inputs.durations.{name}", values, "a list of numbers")
    return Histogram(tuple(map(float, numbers["bounds_seconds"])), tuple(map(int, numbers["counts"])))


def _objective(value: Any) -> Objective:
    try:
        return Objective(value)
    except ValueError as error:
        raise BadOption("inputs.objective", value, f"one of {', '.join(Objective)}") from error
