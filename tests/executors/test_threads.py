"""Threads: what only the thread executor promises."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from imgpipe import ExecutorError, Pipeline, Recipe, Task
from imgpipe.executors.threads import ThreadsExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate_filter import GateKeeper
    from imgpipe import Result


@pytest.fixture
def gate(request) -> Iterator[GateKeeper]:
    """Return the keeper of a gate of this test's own; it is open again at the end."""
    import gate_filter

    keeper = gate_filter.KEEPERS[request.node.name] = gate_filter.GateKeeper()
    yield keeper
    keeper.open.set()
    del gate_filter.KEEPERS[request.node.name]


@pytest.fixture
def gated(request, gate, tmp_path, picture_file) -> list[Task]:
    """Return four tasks that wait at the gate."""
    recipe = Recipe(Pipeline.from_data([{"name": "test.gate", "key": request.node.name}]))
    paths = [picture_file(tmp_path, f"{n}.png") for n in range(4)]
    return [Task(str(n), path, str(tmp_path / f"out-{n}.png"), recipe) for n, path in enumerate(paths)]


def test_results_come_in_order_of_completion(gate, gated, tmp_path, picture_file):
    """A slow picture does not hold up the result of a quick one behind it."""
    quick = Task("quick", picture_file(tmp_path, "q.png"), str(tmp_path / "out-q.png"), Recipe())
    with ThreadsExecutor(2, 1 << 30) as executor:
        results = executor.run([gated[0], quick])
        first = next(results)
        gate.open.set()

        assert ["quick", "0"] == [first.task_id, next(results).task_id]


def test_works_on_as_many_pictures_as_there_are_workers(gate, gated):
    """Two workers have two pictures in work, not one and not three."""
    done: list[Result] = []
    with ThreadsExecutor(2, 1 << 30) as executor:
        consumer = threading.Thread(target=lambda: done.extend(executor.run(gated)))
        consumer.start()
        gate.wait_for_arrivals(2)
        gate.open.set()
        consumer.join()

    assert (4, 2) == (len(done), gate.most_inside)


def test_pictures_share_the_memory(gate, gated):
    """With memory for one picture, four workers do one at a time."""
    gate.open.set()
    with ThreadsExecutor(4, 1) as executor:
        done = list(executor.run(gated))

    assert (4, 1) == (len(done), gate.most_inside)


def test_the_worker_is_named(gated, gate):
    """A result says which thread has made it."""
    gate.open.set()
    with ThreadsExecutor(2, 1 << 30) as executor:
        workers = {result.worker for result in executor.run(gated)}

    assert workers <= {"imgpipe_0", "imgpipe_1"}


def test_a_closed_executor_says_so(gated):
    """Running on a closed executor is the caller's mistake, not a picture's."""
    executor = ThreadsExecutor(2, 1 << 30)
    executor.close()

    with pytest.raises(ExecutorError, match="threads"):
        list(executor.run(gated))
