"""FuturesExecutor: what an engine loses is found, told, and costs nobody else anything."""

from __future__ import annotations

import importlib
import multiprocessing as mp
import os
import threading
from concurrent.futures import Executor as Engine
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imgpipe import ExecutorError, FailureCode, Outcome, Pipeline, Recipe, Result, Task, UsageError
from imgpipe.executors._flight import MOST_LOST_IN_A_ROW
from imgpipe.executors.futures import BATCH_SECONDS, FuturesExecutor, _Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgpipe.executors.batch import Batch

needs_forkserver = pytest.mark.skipif("forkserver" not in mp.get_all_start_methods(), reason="needs a forkserver")


class Inline(Engine):
    """An engine that works when it is given something; `work` may lose it."""

    def __init__(self, work: Callable[[Callable[[Batch], list[Result]], Batch], list[Result]]) -> None:
        self.batches: list[Batch] = []
        self._work = work

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        """Do it now."""
        (batch,) = arguments
        self.batches.append(batch)
        future: Future[Any] = Future()
        try:
            future.set_result(self._work(function, batch))
        except ValueError as error:
            future.set_exception(error)
        return future


@pytest.fixture
def tasks(tmp_path, picture_file) -> list[Task]:
    """Return twelve tasks."""
    recipe = Recipe(Pipeline.parse("blur"))
    paths = [picture_file(tmp_path / "in", f"{n}.png", size=(20 + n, 10)) for n in range(12)]
    return [Task(str(n), path, str(tmp_path / "out" / f"{n}.png"), recipe) for n, path in enumerate(paths)]


def ids(batch: Batch) -> set[str]:
    """Return which tasks a batch has."""
    return {job.task.id for job in batch.jobs}


def why(result: Result) -> str:
    """Return why a picture was lost."""
    assert result.failure is not None
    assert FailureCode.CRASHED is result.failure.code
    return result.failure.message


def all_of(executor: FuturesExecutor, tasks: Iterable[Task]) -> tuple[list[Result], list[str]]:
    """Run tasks; return the results, and the error of the executor, if there was one."""
    results: list[Result] = []
    try:
        for result in executor.run(tasks):
            results.append(result)  # noqa: PERF402 - those before an error count
    except ExecutorError as error:
        return results, [str(error)]
    return results, []


def test_the_guilty_are_found_in_their_batch(tasks):
    """A picture that kills its worker takes a batch with it; halved again and again, only the guilty are given up."""

    def work(run, batch):
        if ids(batch) & {"3", "9"}:
            raise ValueError("the worker died")
        return run(batch)

    engine = Inline(work)
    results, errors = all_of(FuturesExecutor(engine, workers=1, window=12, chunk=6), tasks)

    outcomes = {result.task_id: result.outcome for result in results}
    assert [] == errors
    assert 12 == len(results) == len(outcomes)
    assert {"3", "9"} == {task_id for task_id, outcome in outcomes.items() if outcome is Outcome.LOST}
    assert all("ValueError: the worker died" in why(result) for result in results if not result.ok)


def test_a_picture_that_was_lost_by_chance_is_done(tasks):
    """One loss is no reason to give up: the next try tells its number."""
    engine = Inline(lambda run, batch: run(batch) if batch.tries > 1 else fail())
    results, errors = all_of(FuturesExecutor(engine, workers=2), tasks)

    assert [] == errors
    assert {(Outcome.DONE, 2)} == {(result.outcome, result.attempt) for result in results}
    assert 12 == len(results)


def fail() -> list[Result]:
    """Lose a batch."""
    raise ValueError("lost")


def test_what_was_lost_goes_out_alone(tasks):
    """Nothing else is in work while a suspect is tried again, so that nobody else can be to blame."""
    others: list[int] = []
    flying: set[Future[Any]] = set()

    class Watched(ThreadPoolExecutor):
        def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
            (batch,) = arguments
            if batch.tries > 1:
                others.append(sum(not future.done() for future in flying))
            future = super().submit(work, function, batch)
            flying.add(future)
            return future

    def work(run: Any, batch: Batch) -> list[Result]:
        if ids(batch) & {"0", "1", "7"} and batch.tries < 3:
            raise ValueError("lost")
        done: list[Result] = run(batch)
        return done

    with Watched(3) as engine:
        results, _ = all_of(FuturesExecutor(engine, workers=3), tasks)

    assert [0] * 6 == others
    assert [Outcome.DONE] * 12 == [result.outcome for result in results]


def test_a_picture_gets_as_many_tries_as_allowed(tasks):
    """The last of them is the end of it."""
    engine = Inline(lambda run, batch: fail())
    results, errors = all_of(FuturesExecutor(engine, workers=1, tries=4), tasks[:1])

    assert ([], [4]) == (errors, [result.attempt for result in results])
    assert [1, 2, 3, 4] == [batch.tries for batch in engine.batches]


def test_an_engine_that_loses_everything_is_broken(tasks):
    """After ten pictures lost in a row there is no point in feeding it a million; all that were taken have a result."""
    taken: list[str] = []

    def counted():
        for number in range(1000):
            taken.append(str(number))
            yield tasks[number % len(tasks)]

    results, errors = all_of(FuturesExecutor(Inline(lambda run, batch: fail()), workers=2), counted())

    assert "ValueError: lost" in errors[0]
    assert MOST_LOST_IN_A_ROW <= len(results) == len(taken) < 100


@needs_forkserver
def test_a_broken_pool_tells_what_it_had(tmp_path, picture_file):
    """A pool of processes ends with its first child: each picture that was taken has one result, then the run ends."""
    importlib.import_module("deadly_filters")
    recipe = Recipe(Pipeline.parse("test.deadly:deed=kill,width=24"))
    paths = [picture_file(tmp_path / "in", f"{n}.png", size=(20 + n, 10)) for n in range(12)]
    taken: list[str] = []

    def tasks():
        for number, path in enumerate(paths):
            taken.append(str(number))
            yield Task(str(number), path, str(tmp_path / "out" / f"{number}.png"), recipe)

    with ProcessPoolExecutor(2, mp.get_context("forkserver")) as engine:
        results, errors = all_of(FuturesExecutor(engine, workers=2), tasks())

    assert "BrokenProcessPool" in errors[0]
    assert taken == sorted((result.task_id for result in results), key=int)
    assert Outcome.LOST is next(result.outcome for result in results if result.task_id == "4")
    assert {Outcome.DONE, Outcome.LOST} >= {result.outcome for result in results}


def test_an_engine_that_is_shut_down_says_so(tasks):
    """A pool that takes nothing more is the executor's failure; what it refused has a result all the same."""
    engine = ThreadPoolExecutor(1)
    engine.shutdown()

    results, errors = all_of(FuturesExecutor(engine, workers=1), tasks)
    assert ["0"] == [result.task_id for result in results]
    assert "shutdown" in errors[0]


def test_a_cancelled_future_is_a_loss(tasks):
    """An engine may cancel what it has been given, as one does that restarts."""

    class Cancelling(Inline):
        def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    results, errors = all_of(FuturesExecutor(Cancelling(lambda run, batch: []), workers=1), tasks[:1])

    assert [] == errors
    assert "cancelled" in why(results[0])


@needs_forkserver
def test_a_task_that_cannot_travel_is_told(tmp_path, picture_file):
    """A filter that no other process can import is a loss with the reason in it; the pool lives on."""
    from imgpipe import Filter

    class Homeless(Filter, name="test.homeless_too"):
        """A filter without a module."""

        def apply(self, frame):
            """Do nothing."""
            return frame

    source = picture_file(tmp_path, "a.png")
    bad = Task("bad", source, str(tmp_path / "bad.png"), Recipe(Pipeline([Homeless()])))
    good = Task("good", source, str(tmp_path / "good.png"), Recipe(Pipeline.parse("blur")))
    with ProcessPoolExecutor(1, mp.get_context("forkserver")) as engine:
        results, errors = all_of(FuturesExecutor(engine, workers=1), [bad, good])

    by_id = {result.task_id: result for result in results}
    assert [] == errors
    assert "Homeless" in why(by_id["bad"])
    assert Outcome.DONE is by_id["good"].outcome


def test_relative_names_begin_where_the_caller_stands(tmp_path, tasks, monkeypatch):
    """A worker that stands elsewhere finds the files, and the result tells the names that were given."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)

    def work(run, batch):
        os.chdir(elsewhere)
        done = run(batch)
        os.chdir(tmp_path)
        return done

    task = Task("1", os.path.join("in", "0.png"), os.path.join("out", "x.png"), tasks[0].recipe)
    (result,) = FuturesExecutor(Inline(work), workers=1).run([task])

    assert (Outcome.DONE, task.source, task.target) == (result.outcome, result.source, result.target)
    assert (tmp_path / "out" / "x.png").exists()


def test_in_place_a_picture_is_never_processed_twice(tmp_path, picture_file):
    """A worker that dies after it has replaced a picture has done it; the next try sees that and leaves it alone."""
    source = picture_file(tmp_path, "a.png", size=(40, 30))
    with Image.open(source) as image:
        flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    def work(run, batch):
        done = run(batch)
        if batch.tries == 1:
            raise ValueError("died before it could say so")
        return done

    task = Task("1", source, source, Recipe(Pipeline.parse("flip")))
    (result,) = FuturesExecutor(Inline(work), workers=1).run([task])

    assert (Outcome.DONE, ("done-before",)) == (result.outcome, result.notes)
    with Image.open(source) as image:
        assert flipped.tobytes() == image.tobytes()


def test_an_engine_of_others_is_not_shut_down(tasks):
    """Whoever made the engine ends it."""
    with ThreadPoolExecutor(1) as engine:
        with FuturesExecutor(engine, workers=1) as executor:
            results = list(executor.run(tasks))

        assert 12 == len(results)
        assert "works" == engine.submit(lambda: "works").result()


def test_abort_cancels_what_has_not_begun(tasks):
    """With one thread that is busy, nothing that waits behind it ever starts."""
    busy = threading.Event()
    with ThreadPoolExecutor(1) as engine:
        engine.submit(busy.wait)
        executor = FuturesExecutor(engine, workers=1)
        ends: list[tuple[list[Result], list[str]]] = []
        thread = threading.Thread(target=lambda: ends.append(all_of(executor, tasks)))
        thread.start()
        while len(executor._flight.batches) < 2:
            assert thread.is_alive()
        executor.abort()
        thread.join()
        busy.set()

    ((results, errors),) = ends
    assert [Outcome.LOST] * 2 == [result.outcome for result in results]
    assert "aborted" in errors[0]


def test_batches_fit_the_time_that_pictures_take():
    """Quick pictures travel together, slow ones alone, and no more of them than a worker's part of the window."""
    pace = _Pace(1, 8)

    def learn(seconds: float) -> int:
        pace.learn([Result("1", "a", "b", Outcome.DONE, seconds={"decode": seconds})])
        return pace.size

    assert 4 == learn(BATCH_SECONDS / 4)
    assert 8 == [learn(BATCH_SECONDS / 100) for _ in range(20)][-1]
    assert 1 == [learn(BATCH_SECONDS * 5) for _ in range(20)][-1]
    pace.learn([Result("1", "a", "b", Outcome.LOST)])
    assert 1 == pace.size


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"workers": 0}, "workers: got 0"),
        ({"workers": 2, "window": 0}, "window: got 0"),
        ({"workers": 2, "chunk": 0}, "window: got 0|chunk: got 0"),
        ({"workers": 2, "window": 4, "chunk": 5}, "chunk: got 5, expected no more than the window of 4 tasks"),
        ({"workers": 2, "tries": 0}, "tries: got 0"),
    ],
)
def test_impossible_numbers(numbers, message):
    """Numbers that cannot be are refused with what would be right."""
    with pytest.raises(UsageError, match=message):
        FuturesExecutor(Inline(lambda run, batch: []), **numbers)
