"""ChildPool: what a worker asks of it beyond executors: waking, room, limits of one task, tasks alone, a fence."""

from __future__ import annotations

import math
import os
import socket
from typing import TYPE_CHECKING

import pytest

from imgpipe import Outcome, Pipeline, Task
from imgpipe.children import ChildPool
from imgpipe.children.fence import fence_clock
from imgpipe.children.process import Job, make_fence
from running_tasks import code_of, recipe
from worker_bench import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgpipe import Result
    from imgpipe.children.fence import Fence

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

BUDGET_BYTES = 1 << 30


@pytest.fixture(scope="module", autouse=True)
def _filters() -> None:
    """Register the filters of these tests."""
    import deadly_filters  # noqa: F401 - for its effect
    import worker_filters  # noqa: F401 - the same


@pytest.fixture
def fence() -> Fence:
    """Return a fence."""
    return make_fence()


@pytest.fixture
def pool(fence: Fence) -> Iterator[ChildPool]:
    """Return a pool of two children that are ready."""
    pool = ChildPool(2, BUDGET_BYTES, Pipeline(), fence=fence)
    until(lambda: pool.wait() or pool.room == 2)
    yield pool
    pool.close(drop=True)


def make_task(folder: Path, picture_file, name: str, pipeline: str) -> Task:
    """Return a task for a picture of its own."""
    return Task(name, picture_file(folder, f"{name}.png"), str(folder / f"{name}.out.png"), recipe(pipeline))


def results_of(pool: ChildPool) -> list[Result]:
    """Wait until nothing is in work."""
    results: list[Result] = []
    while pool.is_busy:
        results += pool.wait()
    return results


def test_a_pool_can_be_woken(pool):
    """Whoever waits for children also wakes when somebody rings."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"!")

        assert [] == pool.wait(ours)
        assert b"!" == ours.recv(9)


def test_room_is_the_number_of_free_children(tmp_path, picture_file, pool):
    """Each task takes a place, and gives it back with its result."""
    gate = tmp_path / "gate"
    pipeline = f'test.trace:log="{tmp_path / "log"}",gate="{gate}"'
    pool.submit(make_task(tmp_path, picture_file, "a", pipeline))
    assert 1 == pool.room
    pool.submit(make_task(tmp_path, picture_file, "b", pipeline))
    assert (0, 2) == (pool.room, len(pool.pids))
    gate.touch()

    assert [Outcome.DONE] * 2 == [result.outcome for result in results_of(pool)]
    assert 2 == pool.room


def test_a_task_has_a_limit_of_its_own(tmp_path, picture_file, pool):
    """The pool has none, one task has: it is ended, and says after how long."""
    hanging = make_task(tmp_path, picture_file, "a", "test.deadly:deed=hang")
    pool.submit_job(Job(hanging, timeout_seconds=0.3))
    pool.submit(make_task(tmp_path, picture_file, "b", "flip"))

    results = {result.task_id: result for result in results_of(pool)}

    failure = results["a"].failure
    assert failure is not None
    assert ("TIMEOUT", "it took longer than 0.3 s") == (failure.code.value, failure.message)
    assert results["b"].ok


def test_a_task_alone_has_no_neighbour(tmp_path, picture_file, pool):
    """It begins when nothing else is in work, in a fresh child, and nothing begins beside it."""
    gate, log = tmp_path / "gate", tmp_path / "log"
    pool.submit(make_task(tmp_path, picture_file, "a", f'test.trace:log="{log}",gate="{gate}"'))
    pids = set(pool.pids)
    pool.submit_job(Job(make_task(tmp_path, picture_file, "b", f'test.trace:log="{log}"'), alone=True))
    assert 0 == pool.room
    until(lambda: pool.wait() or log.exists())
    gate.touch()

    assert ["a", "b"] == [result.task_id for result in results_of(pool)]
    lines = [line.split() for line in log.read_text(encoding="ascii").splitlines()]
    assert ["begin", "end", "begin", "end"] == [line[0] for line in lines]
    assert len(pids | {int(line[2]) for line in lines}) >= 2


def test_nothing_is_published_behind_the_fence(tmp_path, picture_file, pool, fence):
    """A child publishes until the moment that its parent has set, and again when it is moved."""
    pool.submit(make_task(tmp_path, picture_file, "a", "flip"))
    assert results_of(pool)[0].ok
    fence.move(fence_clock() - 0.001)
    pool.submit(make_task(tmp_path, picture_file, "b", "flip"))

    late = results_of(pool)[0]

    assert (Outcome.LOST, "LEASE_ENDED") == (late.outcome, code_of(late))
    assert not os.path.exists(late.target)
    fence.move(math.inf)
    pool.submit(make_task(tmp_path, picture_file, "c", "flip"))
    assert results_of(pool)[0].ok


def test_what_was_given_in_an_old_term_is_not_published(tmp_path, picture_file, pool, fence):
    """When a new term has begun, the fence is open for what is given from now on, and for nothing else."""
    gate, log = tmp_path / "gate", tmp_path / "log"
    pool.submit(make_task(tmp_path, picture_file, "a", f'test.trace:log="{log}",gate="{gate}"'))
    until(lambda: pool.wait() or log.exists())
    fence.begin_term()
    pool.submit(make_task(tmp_path, picture_file, "b", "flip"))
    gate.touch()

    codes = {result.task_id: code_of(result) for result in results_of(pool)}

    assert {"a": "LEASE_ENDED", "b": ""} == codes
