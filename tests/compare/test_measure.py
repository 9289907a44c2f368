"""Measuring: every executor gets the same tasks, outputs are compared, nothing of the user's is touched."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from comparison_samples import cell, register_chance, workload
from imgpipe import Pipeline, Recipe, UsageError
from imgpipe.compare import Cell, Scratch, Settings, Watcher, Workload, cells_of, compare, default_workers, spread_over
from imgpipe.compare import comparison as comparison_module
from imgpipe.compare.attribution import Shares
from imgpipe.compare.comparison import default_workloads
from imgpipe.compare.workload import TASKS_PER_WORKER, small_copies

if TYPE_CHECKING:
    from imgpipe.compare import Comparison

SMALL = Settings(cells=(Cell("threads", 1), Cell("threads", 2)), repetitions=2, cores=2, probe_seconds=0.05)


@pytest.fixture(autouse=True)
def _quiet_machine(monkeypatch) -> None:
    """The load of the machine that runs the tests has no part in them."""
    monkeypatch.setattr(comparison_module, "busy_share", lambda _seconds: 0.0)


@pytest.fixture
def sources(tmp_path, picture_file) -> tuple[str, ...]:
    """Return three pictures."""
    return tuple(picture_file(tmp_path / "in", name) for name in ("a.jpg", "b.png", "c.webp"))


def compared(sources: tuple[str, ...], pipeline: str, settings: Settings = SMALL, **watch: Any) -> Comparison:
    """Compare one pipeline."""
    recipe = Recipe(Pipeline.parse(pipeline))
    with Scratch() as scratch:
        return compare([Workload(pipeline, recipe, sources)], settings, scratch, Watcher(**watch))


def test_every_cell_is_measured_as_often(sources):
    """Each cell has its repetitions, each with every task; sequential comes first."""
    (report,) = compared(sources, "resize:24x").workloads

    assert [Cell("sequential", 1), *SMALL.cells] == [cell.cell for cell in report.cells]
    assert {2} == {len(cell.passes) for cell in report.cells}
    assert {report.tasks} == {len(each.results) for cell in report.cells for each in cell.passes}
    assert (3, 0) == (report.pictures, report.tasks % 3)
    assert report.tasks >= 2 * TASKS_PER_WORKER
    assert () == report.differences


def test_sequential_is_the_unit(sources):
    """Sequential's speed-up over itself is 1, with no doubt about it."""
    base = compared(sources, "blur").workloads[0].cells[0]

    assert (1.0, 1.0, 1.0) == (base.speedup.median, base.speedup.low, base.speedup.high)
    assert 1.0 == base.work


def test_workers_are_counted(sources):
    """As many threads as the cell says have worked, and each task says by whom and how long."""
    usages = [
        result.usage for cell in compared(sources, "blur").workloads[0].cells for result in cell.passes[0].results
    ]

    assert all(usage is not None and usage.wall_seconds > 0 and usage.cpu_seconds >= 0 for usage in usages)


def test_prediction_comes_before_the_measuring(sources):
    """Somebody who watches hears the prediction first, then how many passes are done."""
    heard: list[str] = []

    compared(
        sources, "blur",
        predicted=lambda name, _prediction: heard.append(f"predicted {name}"),
        progress=lambda _name, done, of: heard.append(f"{done}/{of}"),
    )  # fmt: skip

    assert ["predicted blur", "0/9", "1/9"] == heard[:3]
    assert "9/9" == heard[-1]


def test_processes_give_the_same_bytes(sources):
    """Children are compared as well, and start before any clock runs."""
    settings = Settings(cells=(Cell("processes", 2),), repetitions=1, cores=2, probe_seconds=0.05)

    comparison = compared(sources, "resize:24x", settings)

    assert comparison.identical
    workers = {result.worker for each in comparison.workloads[0].cells[1].passes for result in each.results}
    assert {"child-1", "child-2"} == workers
    assert comparison.startup_seconds[Cell("processes", 2)] > 0


def test_difference_between_executors_is_found(sources, monkeypatch):
    """A filter that gives other pixels in children is found out there, and only there."""
    register_chance(monkeypatch)
    settings = Settings(cells=(Cell("threads", 1), Cell("processes", 1)), repetitions=1, cores=1, probe_seconds=0.05)

    comparison = compared(sources[:1], "test.only_children", settings)

    assert not comparison.identical
    differences = comparison.workloads[0].differences
    assert {Cell("processes", 1)} == {difference.cell for difference in differences}
    assert {sources[0]} == {difference.source for difference in differences}
    assert all(difference.expected != difference.actual for difference in differences)


def test_chance_is_found(sources, monkeypatch):
    """A filter that gives other pixels each time differs from itself."""
    register_chance(monkeypatch)
    differences = compared(sources[:1], "test.chance").workloads[0].differences

    assert Cell("sequential", 1) in {difference.cell for difference in differences}


def test_bad_pictures_are_left_out(sources, tmp_path):
    """A picture that fails whoever runs it is named, and the others are compared."""
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")

    (report,) = compared((*sources, str(bad)), "blur").workloads

    assert [str(bad)] == [source for source, _ in report.left_out]
    assert (3, ()) == (report.pictures, report.differences)


def test_nothing_but_bad_pictures(tmp_path):
    """Without a picture, there is nothing to compare."""
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")

    with pytest.raises(UsageError, match="none of the pictures can be processed"):
        compared((str(bad),), "blur")


def test_nothing_is_touched_and_nothing_is_left(sources, tmp_path, monkeypatch):
    """Pictures stay as they are, and the temporary folder goes."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    before = {path: (Path(path).read_bytes(), os.stat(path).st_mtime_ns) for path in sources}

    compared(sources, "blur")

    assert before == {path: (Path(path).read_bytes(), os.stat(path).st_mtime_ns) for path in sources}
    assert [] == os.listdir(tmp_path / "temporary")
    assert ["a.jpg", "b.png", "c.webp"] == sorted(os.listdir(tmp_path / "in"))


def test_busy_machine_is_told(sources, monkeypatch):
    """More than a fifth of the cores in use by others is worth a warning."""
    monkeypatch.setattr(comparison_module, "busy_share", lambda _seconds: 0.5)

    assert "others kept 50 % of the cores busy" in compared(sources, "blur").warnings[0]


@pytest.mark.parametrize(("share", "said"), [(0.05, False), (0.4, True), (None, False)])
def test_disturbance_is_told(share, said):
    """One thread on a machine of its own never waits for a core; if it does, somebody else was there."""
    shares = Shares(run=0.5, core=share, gil=0.0, io=0.0, idle=0.5)
    report = workload(cell("threads", 2, 1.5))
    report = dataclasses.replace(report, cells=(cell("sequential", 1, 1.0, shares=shares), *report.cells[1:]))

    assert said == ("sequential waited 40 % of its time" in comparison_module.disturbed(report))
    assert said == bool(comparison_module.disturbed(report))


def test_order_is_decided_by_the_seed():
    """Every repetition has another order, the same for the same seed."""
    from imgpipe.compare.measure import _orders

    cells = [Cell("threads", count) for count in range(1, 9)]

    def orders(seed: int) -> list[list[Cell]]:
        return list(_orders(cells, Settings(cells=(), repetitions=4, seed=seed)))

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)
    assert 4 == len({tuple(order) for order in orders(1)})
    assert all(sorted(order) == cells for order in orders(1))


def test_default_workloads_are_of_each_kind(sources):
    """Pillow, OpenCV and pure Python; the last on small copies, also of what cannot be made smaller."""
    with Scratch() as scratch:
        workloads = default_workloads((*sources, "missing.jpg"), scratch)

        assert ["resize", "sharpen", "teach.pyblur"] == [workload.name for workload in workloads]
        assert (*sources, "missing.jpg") == workloads[0].sources
        assert "missing.jpg" == workloads[2].sources[-1]
        assert all(os.path.isfile(source) and source not in sources for source in workloads[2].sources[:-1])


def test_small_copies_are_small(tmp_path, picture_file):
    """No side is longer than asked for."""
    from PIL import Image

    (small,) = small_copies([picture_file(tmp_path, "a.png", size=(90, 30))], str(tmp_path), 45)

    with Image.open(small) as image:
        assert (45, 15) == image.size


@pytest.mark.parametrize(
    ("cores", "expected"), [(1, (1, 2)), (2, (1, 2)), (4, (1, 2, 4)), (6, (1, 2, 4, 6)), (16, (1, 2, 4, 8, 16))]
)
def test_default_workers(cores, expected):
    """Powers of two up to the cores, and the cores; two even where there is one."""
    assert expected == default_workers(cores)


def test_cells():
    """Sequential is not counted twice, and alone there is nothing to compare."""
    assert (Cell("threads", 1), Cell("threads", 2)) == cells_of(("sequential", "threads"), (1, 2))
    with pytest.raises(UsageError, match="executors"):
        cells_of(("sequential",), (1, 2))


@pytest.mark.parametrize(("count", "expected"), [(2, "ab"), (3, "abc"), (10, "abdfg")])
def test_spread_over(count, expected):
    """A part of the pictures is taken evenly, the whole as it is."""
    pictures = "abcdefghij"[:count]

    taken = spread_over(pictures, 5)

    assert len(taken) == min(count, 5)
    assert tuple(sorted(set(taken))) == taken
    assert count > 5 or tuple(expected) == taken
