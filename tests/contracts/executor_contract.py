"""What every executor promises, written once; `tests/executors` runs it on all of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from imgpipe import FailureCode, Outcome, Pipeline, Recipe, Task, run_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgpipe import Executor

MOST_AHEAD = 8
"""More than the window of any executor with two workers."""


class ExecutorContract:
    """Subclass it and say how the executor is made, with two workers where it has workers."""

    def make(self) -> Executor:
        """Return a new executor."""
        raise NotImplementedError

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        """Return an executor that is closed after the test."""
        with self.make() as executor:
            yield executor

    @pytest.fixture
    def tasks(self, tmp_path: Path, picture_file) -> list[Task]:
        """Return ten tasks, each with a picture of its own."""
        recipe = Recipe(Pipeline.parse("resize:24x | blur:1 | sharpen"))
        paths = [picture_file(tmp_path / "in", f"{n}.png", size=(30 + n, 20)) for n in range(10)]
        (tmp_path / "out").mkdir()
        return [Task(str(n), path, str(tmp_path / "out" / f"{n}.jpg"), recipe) for n, path in enumerate(paths)]

    def test_every_task_gives_exactly_one_result(self, executor, tasks):
        """Ten tasks go in, their ten results come out, and their outputs are there."""
        results = list(executor.run(tasks))

        assert [task.id for task in tasks] == sorted(result.task_id for result in results)
        assert {Outcome.DONE} == {result.outcome for result in results}

    def test_outputs_are_those_of_the_plain_function(self, executor, tasks, tmp_path):
        """Wherever `run_task` is called, the bytes of the output are the same."""
        list(executor.run(tasks))
        made = [(tmp_path / "out" / f"{task.id}.jpg").read_bytes() for task in tasks]
        for task in tasks:
            run_task(task)

        assert [(tmp_path / "out" / f"{task.id}.jpg").read_bytes() for task in tasks] == made

    def test_no_tasks_give_no_results(self, executor):
        """An empty run ends at once."""
        assert [] == list(executor.run([]))

    def test_runs_again(self, executor, tasks):
        """An executor serves several runs, one after the other."""
        first = list(executor.run(tasks[:3]))
        second = list(executor.run(iter(tasks[3:])))

        assert (3, 7) == (len(first), len(second))

    def test_takes_tasks_only_as_results_are_asked_for(self, executor, tasks):
        """A million inputs never wait in memory: tasks are taken a few at a time."""
        taken = 0

        def counted() -> Iterator[Task]:
            nonlocal taken
            for number in range(1000):
                taken += 1
                yield tasks[number % len(tasks)]

        results = executor.run(counted())

        assert taken == 0
        for yielded in range(1, 30):
            next(results)
            assert taken <= yielded + MOST_AHEAD
        results.close()

    def test_a_bad_picture_never_raises(self, executor, tasks, tmp_path):
        """Damaged, missing and impossible pictures become failed results; the others are done."""
        (tmp_path / "in" / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no picture")
        recipe = tasks[0].recipe
        bad = [
            Task("damaged", str(tmp_path / "in" / "bad.jpg"), str(tmp_path / "out" / "bad.jpg"), recipe),
            Task("missing", str(tmp_path / "in" / "none.jpg"), str(tmp_path / "out" / "none.jpg"), recipe),
            Task("folder", str(tmp_path / "in"), str(tmp_path / "out" / "folder.jpg"), recipe),
        ]

        results = {result.task_id: result for result in executor.run([*bad, *tasks])}

        assert len(bad) + len(tasks) == len(results)
        assert FailureCode.NOT_FOUND == results["missing"].failure.code
        assert FailureCode.NOT_A_FILE == results["folder"].failure.code
        assert results["damaged"].outcome is Outcome.FAILED
        assert all(results[task.id].outcome is Outcome.DONE for task in tasks)

    def test_an_error_of_the_tasks_comes_after_the_results(self, executor, tasks):
        """When the source of tasks breaks, what is in work is finished and reported before the error arrives."""

        def breaking() -> Iterator[Task]:
            yield from tasks[:3]
            raise LookupError("no more")

        results: list[str] = []
        with pytest.raises(LookupError, match="no more"):
            results.extend(result.task_id for result in executor.run(breaking()))

        assert ["0", "1", "2"] == sorted(results)

    def test_closing_the_results_drops_the_rest(self, executor, tasks, tmp_path):
        """Whoever stops listening stops the run: what has not started never starts, and nothing half-done is left."""
        results = executor.run(tasks * 50)
        next(results)
        results.close()

        assert all(path.suffix == ".jpg" for path in (tmp_path / "out").iterdir())
        assert 3 == len(list(executor.run(tasks[:3])))

    def test_close_leaves_nothing_behind(self, tasks):
        """After close no thread of the executor lives, even if a run was left in the middle."""
        before = set(threading.enumerate())
        executor = self.make()
        results = executor.run(tasks * 10)
        next(results)
        results.close()
        executor.close()

        assert before >= set(threading.enumerate())

    def test_close_may_be_called_twice(self):
        """Closing again does nothing."""
        executor = self.make()
        executor.close()
        executor.close()
