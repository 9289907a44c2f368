"""Processes: a picture that kills, hangs or fills its child costs nobody else anything."""

from __future__ import annotations

import importlib
import os
import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest
from PIL import Image

from imgpipe import ExecutorError, FailureCode, Outcome, Pipeline, Recipe, Task, UsageError
from imgpipe.executors.processes import ProcessesExecutor

if TYPE_CHECKING:
    from pathlib import Path

    from imgpipe import Failure, Result

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

MEMORY = 1 << 30


@pytest.fixture(scope="module", autouse=True)
def deadly_filters():
    """Register the filters of these tests."""
    import deadly_filters

    return deadly_filters


def make_tasks(folder: Path, picture_file, widths: list[int], pipeline: str, height: int = 10) -> list[Task]:
    """Return a task for a picture of each width."""
    (folder / "out").mkdir(exist_ok=True)
    recipe = Recipe(Pipeline.parse(pipeline))
    sources = {width: picture_file(folder / "in", f"{width}.png", size=(width, height)) for width in set(widths)}
    return [Task(str(n), sources[w], str(folder / "out" / f"{n}-{w}.png"), recipe) for n, w in enumerate(widths)]


def why(result: Result) -> Failure:
    """Return why a picture has failed."""
    assert result.failure is not None
    return result.failure


def outputs(folder: Path) -> set[str]:
    """Return the files that were written."""
    return {path.name for path in (folder / "out").iterdir()}


@pytest.mark.parametrize(
    ("deed", "word"),
    [("segfault", "SIGSEGV"), ("abort", "SIGABRT"), ("exit", "exit code 0")],
)
def test_a_crash_costs_its_own_picture(tmp_path, picture_file, deed, word):
    """The picture that kills its child is tried three times, then lost, and told with how it died; the rest is done."""
    tasks = make_tasks(tmp_path, picture_file, [20, 21, 11, 22, 23], f"test.deadly:deed={deed},width=11")
    with ProcessesExecutor(2, MEMORY) as executor:
        results = {result.task_id: result for result in executor.run(tasks)}

    lost = results.pop("2")
    assert (Outcome.LOST, FailureCode.CRASHED, 3) == (lost.outcome, why(lost).code, lost.attempt)
    assert word in why(lost).message
    assert "11x10 png RGB" in why(lost).message
    assert {Outcome.DONE} == {result.outcome for result in results.values()}
    assert {"0-20.png", "1-21.png", "3-22.png", "4-23.png"} == outputs(tmp_path)


def test_a_hanging_picture_is_ended(tmp_path, picture_file):
    """A native call that never returns is ended by force at its time limit; nobody waits for it."""
    tasks = make_tasks(tmp_path, picture_file, [20, 11, 21, 22], "test.deadly:deed=hang,width=11")
    with ProcessesExecutor(2, MEMORY, timeout_seconds=0.5) as executor:
        results = {result.task_id: result for result in executor.run(tasks)}

    assert (Outcome.FAILED, FailureCode.TIMEOUT) == (results["1"].outcome, why(results["1"]).code)
    assert "0.5 s" in why(results["1"]).message
    assert {"0-20.png", "2-21.png", "3-22.png"} == outputs(tmp_path)


def test_a_picture_that_fills_the_memory_fails_alone(tmp_path, picture_file):
    """Memory far beyond the estimate becomes a failure of that picture, before the system has to kill anybody."""
    tasks = make_tasks(tmp_path, picture_file, [20, 11, 21], "test.deadly:deed=hog,width=11")
    with ProcessesExecutor(2, 256 << 20) as executor:
        results = {result.task_id: result for result in executor.run(tasks)}

    assert (Outcome.FAILED, FailureCode.OUT_OF_MEMORY) == (results["1"].outcome, why(results["1"]).code)
    assert {"0-20.png", "2-21.png"} == outputs(tmp_path)


def test_a_picture_that_was_killed_from_outside_is_not_blamed(tmp_path, picture_file):
    """A signal that somebody sent is chance: the picture gets more tries than one that crashes."""
    tasks = make_tasks(tmp_path, picture_file, [11], "test.deadly:deed=terminate")
    with ProcessesExecutor(1, MEMORY) as executor:
        (result,) = executor.run(tasks)

    assert (Outcome.LOST, 10) == (result.outcome, result.attempt)
    assert "SIGTERM" in why(result).message


def test_in_place_a_picture_is_never_processed_twice(tmp_path, picture_file, deadly_filters):
    """A child that dies between publishing and saying so has done its picture."""
    source = picture_file(tmp_path, "a.png", size=(40, 30))
    signs = tmp_path / "signs"
    signs.mkdir()
    pipeline = Pipeline.from_data(["flip", {"name": "test.last_word", "signs": str(signs)}])
    with Image.open(source) as image:
        flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    with ProcessesExecutor(1, MEMORY) as executor:
        (result,) = executor.run([Task("1", source, source, Recipe(pipeline))])

    assert Outcome.DONE is result.outcome
    assert 1 == len(list(signs.iterdir()))
    with Image.open(source) as image:
        assert flipped.tobytes() == image.tobytes()


def test_a_thousand_pictures_with_twenty_that_are_deadly(tmp_path, picture_file):
    """Ten that crash, five that hang and five that fill the memory: 980 are done, 20 are told with their reasons."""
    widths = [11] * 10 + [12] * 5 + [13] * 5 + [20] * 980
    random.Random(7).shuffle(widths)
    tasks = make_tasks(tmp_path, picture_file, widths, "test.fate")
    with ProcessesExecutor(2, 128 << 20, timeout_seconds=1.0) as executor:
        results = list(executor.run(tasks))

    by_width: dict[int, set[str]] = {width: set() for width in widths}
    for result in results:
        by_width[widths[int(result.task_id)]].add(why(result).code if result.failure else "DONE")
    assert 1000 == len({result.task_id for result in results})
    assert {11: {"CRASHED"}, 12: {"TIMEOUT"}, 13: {"OUT_OF_MEMORY"}, 20: {"DONE"}} == by_width
    assert 980 == len(outputs(tmp_path))


def test_children_killed_all_the_time(tmp_path, picture_file):
    """With a random child killed again and again during the run, nothing is lost and nobody innocent fails."""
    tasks = make_tasks(tmp_path, picture_file, [800] * 60, "blur:20 | sharpen", height=600)
    stop = threading.Event()
    kills = []

    def killer() -> None:
        chance = random.Random(1)
        while not stop.wait(0.1):
            children = [p for p in psutil.Process().children(recursive=True) if _is_child(p)]
            if children:
                victim = chance.choice(children)
                victim.kill()
                kills.append(victim.pid)

    thread = threading.Thread(target=killer)
    with ProcessesExecutor(2, MEMORY) as executor:
        thread.start()
        try:
            results = list(executor.run(tasks))
        finally:
            stop.set()
            thread.join()

    assert kills
    assert {Outcome.DONE} == {result.outcome for result in results}
    assert 60 == len(results)


def _is_child(process: psutil.Process) -> bool:
    """Whether a process is one that works on pictures, not one that starts them."""
    try:
        parents = process.parents()
        return len(parents) > 1 and parents[0].pid != os.getpid() and "resource_tracker" not in str(process.cmdline())
    except psutil.Error:
        return False


def test_large_pictures_take_turns(tmp_path, picture_file):
    """Pictures that need more than a child's share ask for it, and get it one after the other."""
    tasks = make_tasks(tmp_path, picture_file, [400, 401, 402, 20], "blur")
    with ProcessesExecutor(2, 4096) as executor:
        results = list(executor.run(tasks))

    assert {Outcome.DONE} == {result.outcome for result in results}


def test_no_child_outlives_its_parent(tmp_path, picture_file):
    """When the parent is killed, children that hang in a native call are gone as well."""
    make_tasks(tmp_path, picture_file, [11, 12], "test.deadly")
    (tmp_path / "signs").mkdir()
    pipeline = Pipeline.from_data([{"name": "test.deadly", "deed": "hang", "signs": str(tmp_path / "signs")}])
    program = (
        "import sys, deadly_filters\nfrom imgpipe import process\n"
        f"process({str(tmp_path / 'in')!r}, {str(pipeline)!r}, {str(tmp_path / 'out')!r},"
        " executor='processes', workers=2)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__) + "/.."}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, start_new_session=True) as parent:
        while len(list((tmp_path / "signs").iterdir())) < 2:
            assert parent.poll() is None
        family = [psutil.Process(int(sign.name)) for sign in (tmp_path / "signs").iterdir()]
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    _, alive = psutil.wait_procs(family, timeout=10)

    assert [] == alive


def test_a_filter_that_children_cannot_import_is_refused(tmp_path, picture_file, monkeypatch):
    """A filter defined in the program itself is refused with the remedy, before any child is started."""
    from imgpipe import Filter

    class Homeless(Filter, name="test.homeless"):
        """A filter without a module."""

        def apply(self, frame):
            """Do nothing."""
            return frame

    monkeypatch.setattr(Homeless, "__module__", "__main__")
    tasks = make_tasks(tmp_path, picture_file, [20], "test.homeless")

    with ProcessesExecutor(1, MEMORY) as executor, pytest.raises(UsageError, match="put it into a module"):
        list(executor.run(tasks))


def test_children_that_cannot_begin_end_the_run(tmp_path, picture_file, monkeypatch):
    """When children cannot load what they need, the error says why, instead of blaming pictures."""
    module = tmp_path / "gone_filters.py"
    module.write_text(
        "from imgpipe import Filter\n\n\nclass Gone(Filter, name='test.gone'):\n"
        "    def apply(self, frame):\n        return frame\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("gone_filters")
    module.unlink()
    tasks = make_tasks(tmp_path, picture_file, [20], "test.gone")

    with ProcessesExecutor(1, MEMORY) as executor, pytest.raises(ExecutorError, match="No module named 'gone_filters'"):
        list(executor.run(tasks))
