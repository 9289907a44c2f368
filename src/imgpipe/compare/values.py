"""Values: what is compared, and what was measured; frozen values without any behaviour worth mentioning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.compare.attribution import Shares
    from imgpipe.compare.model import Fit
    from imgpipe.compare.prediction import Prediction
    from imgpipe.compare.spread import Spread
    from imgpipe.task import Result


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One way to run: an executor with a number of workers."""

    executor: str
    workers: int

    def __str__(self) -> str:
        return self.executor if self.executor == "sequential" else f"{self.executor} ×{self.workers}"


SEQUENTIAL = Cell("sequential", 1)
"""What all others are compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to compare.

    `cells` are the ways to run beside sequential. Each is measured `repetitions` times, in an order that `seed` decides
    anew for every repetition. `cores` is how many this process may use; for `probe_seconds` the GIL is watched.
    """

    cells: tuple[Cell, ...]
    repetitions: int = 5
    seed: int = 0
    cores: int = 1
    probe_seconds: float = 1.0

    @property
    def most_workers(self) -> int:
        """The largest number of workers."""
        return max((cell.workers for cell in self.cells), default=1)


@dataclass(frozen=True, slots=True)
class Pass:
    """All tasks sent through an executor once: time on the clock, and the results."""

    seconds: float
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """An output that is not what sequential has made of the same picture; both in words."""

    cell: Cell
    source: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class CellReport:
    """What was measured of one cell.

    `speedup` is relative to sequential in the same repetition, `work` the processor time of a picture relative to
    sequential. `waited_for_memory` is the share of the workers' time, beyond what sequential needs to ask for it.
    """

    cell: Cell
    passes: tuple[Pass, ...]
    speedup: Spread
    shares: Shares
    work: float
    waited_for_memory: float

    @property
    def efficiency(self) -> float:
        """Speed-up for each worker."""
        return self.speedup.median / self.cell.workers


@dataclass(frozen=True, slots=True)
class WorkloadReport:
    """What was measured of one pipeline; `left_out` holds the pictures that fail whoever runs them, with the reason."""

    name: str
    pipeline: str
    pictures: int
    tasks: int
    cpu_only: bool
    releases_gil: bool
    prediction: Prediction
    cells: tuple[CellReport, ...]
    fits: Mapping[str, Fit] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    def of(self, executor: str) -> list[CellReport]:
        """Return the cells of one executor, in order of their workers."""
        return [report for report in self.cells if report.cell.executor == executor]

    @property
    def executors(self) -> list[str]:
        """The executors that were measured, sequential first."""
        return list(dict.fromkeys(report.cell.executor for report in self.cells))


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was measured. `startup_seconds` is what each cell took until all its workers had answered."""

    settings: Settings
    machine: Mapping[str, object]
    workloads: tuple[WorkloadReport, ...]
    startup_seconds: Mapping[Cell, float]
    warnings: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether all outputs were the same, byte for byte."""
        return not any(workload.differences for workload in self.workloads)
