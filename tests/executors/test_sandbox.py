"""Sandbox: a picture that has taken over its process reaches the inputs and the outputs, and nothing else."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from imgpipe import ExecutorError, Failure, FailureCode, Outcome, Pipeline, Recipe, Result, Task, UsageError
from imgpipe.children import sandbox as sandboxes
from imgpipe.children.messages import Begun, Finished, Go, Ready, Unfit, heard
from imgpipe.children.sandbox import Sandbox, landlock_abi, not_covered
from imgpipe.children.system_calls import can_refuse_calls
from imgpipe.executors.processes import ProcessesExecutor
from imgpipe_cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_landlock = pytest.mark.skipif(not landlock_abi(), reason="this kernel has no Landlock")

MEMORY = 1 << 30
_SINCE = {"truncate": 3, "connect": 4, "listen": 4, "signal": 6}
_CALLS = {"talk", "open a socket", "multiply"}  # which Landlock does not forbid


@pytest.fixture(scope="module", autouse=True)
def deadly_filters():
    """Register the filters of these tests."""
    import deadly_filters

    return deadly_filters


@pytest.fixture
def places(tmp_path, picture_file) -> dict[str, Path]:
    """Return an input folder with a picture, an output folder, and one that is nobody's business, with a file."""
    found = {name: tmp_path / name for name in ("in", "out", "private")}
    for folder in found.values():
        folder.mkdir()
    picture_file(found["in"], "a.png", size=(40, 30))
    (found["private"] / "key").write_text("secret")
    (found["private"] / "empty").mkdir()
    return found


@pytest.fixture
def port() -> Iterator[str]:
    """Return a port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


@pytest.fixture
def free_port() -> str:
    """Return a port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return str(unused.getsockname()[1])


def trespasses(places: dict[str, Path], port: str, free_port: str) -> list[tuple[str, str]]:
    """Return deeds and what they are done to; in this order all of them succeed where nobody forbids them."""
    key, source = str(places["private"] / "key"), str(places["in"] / "a.png")
    return [
        ("read", key), ("list", str(places["private"])), ("write", key), ("append", key), ("link", key),
        ("symlink", key), ("mkdir", key), ("rmdir", str(places["private"] / "empty")), ("truncate", key),
        ("write", source), ("append", source), ("link", source), ("run", ""), ("look into", str(os.getpid())),
        ("connect", port), ("listen", free_port), ("talk", port), ("open a socket", ""), ("multiply", ""),
        ("signal", str(os.getpid())),
        ("rename", key), ("truncate", source), ("unlink", source),
    ]  # fmt: skip


def run(places: dict[str, Path], pipelines: list[Pipeline], sandbox: Sandbox | None) -> list[Result]:
    """Send the picture through each pipeline; return the results in this order."""
    source, out = str(places["in"] / "a.png"), places["out"]
    if sandbox is None:  # what succeeds here destroys the source
        (out / "copy.png").write_bytes(Path(source).read_bytes())
        source = str(out / "copy.png")
    tasks = [Task(f"{n:02}", source, str(out / f"{n}.png"), Recipe(step)) for n, step in enumerate(pipelines)]
    with ProcessesExecutor(1, MEMORY, sandbox=sandbox) as executor:
        return sorted(executor.run(tasks), key=lambda result: result.task_id)


def pipelines_of(deeds: list[tuple[str, str]]) -> list[Pipeline]:
    """Return a pipeline for each deed."""
    return [Pipeline.from_data([{"name": "test.trespass", "deed": deed, "where": where}]) for deed, where in deeds]


@needs_landlock
def test_nothing_else_can_be_reached(places, port, free_port):
    """Reading, writing, removing, running, talking: whatever the kernel knows to forbid ends as a failed picture."""
    abi = landlock_abi()
    deeds = [deed for deed in trespasses(places, port, free_port) if _SINCE.get(deed[0], 1) <= abi]
    if not can_refuse_calls():
        deeds = [deed for deed in deeds if deed[0] not in _CALLS]
    results = run(places, pipelines_of(deeds), Sandbox((str(places["in"]),), (str(places["out"]),)))

    said = {
        deed: result.failure.message if result.failure else "done" for deed, result in zip(deeds, results, strict=True)
    }
    assert [] == [
        deed for deed, message in said.items() if "ermission" not in message and "not permitted" not in message
    ]
    assert ("a.png",) == tuple(path.name for path in places["in"].iterdir())
    assert {"key", "empty"} == {path.name for path in places["private"].iterdir()}


@needs_landlock
def test_without_a_sandbox_all_of_it_can_be(places, port, free_port):
    """The same deeds succeed in a child that is not confined: it is the sandbox that forbids them."""
    deeds = trespasses(places, port, free_port)
    results = run(places, pipelines_of(deeds), None)

    assert [] == [(deed, result.failure) for deed, result in zip(deeds, results, strict=True) if not result.ok]


@needs_landlock
def test_pictures_are_made_as_ever(places, tmp_path):
    """Filters, codecs and folders that have to be made work inside, and give the bytes that they give outside."""
    formats = ("jpg", "png", "webp", "tiff", "gif", "avif")
    recipe = Recipe(Pipeline.parse("resize:20x | sharpen | blur:1 | edges"))
    source = str(places["in"] / "a.png")
    made = {}
    for name, box in (("inside", Sandbox((source,), (str(places["out"]),))), ("outside", None)):
        tasks = [Task(f, source, str(places["out"] / name / f"deep/{f}.{f}"), recipe) for f in formats]
        with ProcessesExecutor(2, MEMORY, sandbox=box) as executor:
            assert {Outcome.DONE} == {result.outcome for result in executor.run(tasks)}
        made[name] = [Path(task.target).read_bytes() for task in tasks]

    assert made["outside"] == made["inside"]


@needs_landlock
def test_links_out_of_the_inputs_are_not_followed(places):
    """A symbolic link among the inputs that leads elsewhere fails alone."""
    (places["private"] / "b.png").write_bytes((places["in"] / "a.png").read_bytes())
    (places["in"] / "link.png").symlink_to(places["private"] / "b.png")
    tasks = [
        Task(name, str(places["in"] / name), str(places["out"] / name), Recipe(Pipeline.parse("blur")))
        for name in ("a.png", "link.png")
    ]
    with ProcessesExecutor(1, MEMORY, sandbox=Sandbox((str(places["in"]),), (str(places["out"]),))) as executor:
        results = {result.task_id: result for result in executor.run(tasks)}

    assert results["a.png"].ok
    assert results["link.png"].failure is not None
    assert "PERMISSION_DENIED" == results["link.png"].failure.code


@needs_landlock
def test_a_crash_in_the_sandbox_costs_its_own_picture(places):
    """Children that take the place of the dead are confined as well, and clean up as ever."""
    crash = Pipeline.from_data([{"name": "test.deadly", "deed": "segfault"}])
    read = pipelines_of([("read", str(places["private"] / "key"))])
    box = Sandbox((str(places["in"]),), (str(places["out"]),))
    crashed, denied = run(places, [crash, *read], box)

    assert (Outcome.LOST, Outcome.FAILED) == (crashed.outcome, denied.outcome)
    assert [] == list(places["out"].iterdir())


@needs_landlock
def test_a_filter_with_threads_is_refused(places, tmp_path, monkeypatch):
    """A thread that is there before the sandbox would stay free: the run ends, and says why."""
    module = tmp_path / "threaded_filters.py"
    module.write_text(
        "import threading\nfrom imgpipe import Filter\n\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start() if __name__ in __import__('sys').modules"
        " and __import__('multiprocessing').parent_process() else None\n\n\n"
        "class Threaded(Filter, name='test.threaded'):\n    def apply(self, frame):\n        return frame\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    __import__("threaded_filters")
    box = Sandbox((str(places["in"]),), (str(places["out"]),))

    with pytest.raises(ExecutorError, match="cannot confine 2 threads"):
        run(places, [Pipeline.parse("test.threaded")], box)


@needs_landlock
def test_on_the_command_line(places, capfd, monkeypatch):
    """`--sandbox` confines the children to the inputs and the output, and makes `auto` choose processes."""
    monkeypatch.chdir(places["in"].parent)
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    common = ["process", "in", "-o", "out", "--sandbox", "--progress", "none"]

    assert 0 == main([*common, "-f", "resize:20x | sharpen"])
    assert "processes" in capfd.readouterr().out
    key = places["private"] / "key"
    assert 3 == main([*common, "--import", "deadly_filters", "-f", f"test.trespass:deed=read,where={key}"])
    assert "Permission denied" in capfd.readouterr().out


@needs_landlock
def test_listed_files_can_be_read(places, capfd, monkeypatch):
    """Files that are named one by one, in a list or through a link lie within the sandbox."""
    monkeypatch.chdir(places["in"].parent)
    (places["private"] / "b.png").write_bytes((places["in"] / "a.png").read_bytes())
    Path("c.png").symlink_to(places["private"] / "b.png")
    Path("list.txt").write_text("in/a.png\n")
    common = ["-o", "out", "--sandbox", "--progress", "none", "-f", "blur"]

    assert 0 == main(["process", "@list.txt", "c.png", "priv*/b.png", *common])


@needs_landlock
def test_children_in_a_sandbox_die_with_their_parent(places):
    """The kernel's promise to end children with their parent holds inside as well."""
    signs = places["out"] / "signs"
    signs.mkdir()
    pipeline = Pipeline.from_data([{"name": "test.deadly", "deed": "hang", "signs": str(signs)}])
    program = (
        "import sys, deadly_filters\nfrom imgpipe_cli.main import main\n"
        f"main(['process', {str(places['in'])!r}, '-o', {str(places['out'])!r}, '--sandbox', '-f', {str(pipeline)!r}])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL) as parent:
        while not (marks := list(signs.iterdir())):
            assert parent.poll() is None
        child = psutil.Process(int(marks[0].name))
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=10)

    assert [] == alive


def test_a_child_that_was_taken_over_does_not_take_over_its_parent(places):
    """What a child sends is read as messages alone: a pickle that would do something is not, and costs its picture."""
    sign = places["private"] / "was here"
    impostor = Pipeline.from_data([{"name": "test.impostor", "sign": str(sign)}])
    source, out = str(places["in"] / "a.png"), places["out"]
    steps = [impostor, Pipeline.parse("blur"), Pipeline.parse("sharpen")]
    tasks = [Task(str(n), source, str(out / f"{n}.png"), Recipe(step)) for n, step in enumerate(steps)]
    with ProcessesExecutor(2, MEMORY) as executor:
        results = {result.task_id: result for result in executor.run(tasks)}

    lost = results.pop("0")
    assert (Outcome.LOST, 1, False) == (lost.outcome, lost.attempt, sign.exists())
    assert lost.failure is not None
    assert "a child names posix.mkdir" in lost.failure.message
    assert {Outcome.DONE} == {result.outcome for result in results.values()}


@pytest.mark.parametrize(
    "message",
    [
        Ready(5),
        Unfit("no"),
        Begun(7, "1x1 png RGB", asks=True),
        Finished(Result("1", "a", "b", Outcome.FAILED, {"decode": 0.5}, Failure(FailureCode.TIMEOUT, "late")), 9),
    ],
)
def test_messages_are_heard_as_they_were_said(message):
    """All that a child has to say arrives."""
    assert message == heard(pickle.dumps(message))


@pytest.mark.parametrize("message", [os.getcwd, Path, "words", {"a": 1}, Go(), Finished(Path("x"), 1)])  # type: ignore[arg-type]
def test_nothing_else_is_heard(message):
    """Anything but what a child has to say is refused before it is made."""
    with pytest.raises(pickle.UnpicklingError):
        heard(pickle.dumps(message))


def test_without_landlock_it_is_an_error(places, monkeypatch, capfd):
    """A sandbox that is none would be worse than none: where the kernel cannot, nothing is done."""
    monkeypatch.setattr(sandboxes, "landlock_abi", lambda: 0)

    with pytest.raises(UsageError, match="with Landlock"):
        Sandbox(("in",), ("out",))
    assert 2 == main(["process", str(places["in"]), "-o", str(places["out"]), "--sandbox", "-f", "blur"])
    assert "Landlock" in capfd.readouterr().err
    assert [] == [path for path in places["out"].iterdir() if path.suffix == ".png"]


@needs_landlock
def test_other_executors_cannot_be_confined(places):
    """Threads share one process with everything else: asked for both, nothing is done."""
    common = ["process", str(places["in"]), "-o", str(places["out"]), "-f", "blur"]

    assert 2 == main([*common, "--sandbox", "--executor", "threads"])


@pytest.mark.parametrize(("abi", "count"), [(1, 4), (3, 3), (4, 2), (5, 1), (6, 0), (9, 0)])
def test_what_older_kernels_cannot_forbid_is_named(abi, count):
    """Each version of Landlock covers more; what it does not is told."""
    calls = [] if can_refuse_calls() else ["more processes", "UDP and unix sockets"]
    assert count == len(not_covered(abi)) - len(calls)
    assert calls == not_covered(abi)[count:]
    assert ("TCP" in not_covered(abi)) is (abi < 4)


@needs_landlock
@pytest.mark.parametrize("abi", range(1, 6))
def test_older_kernels_are_spoken_to_in_their_words(abi, places, monkeypatch, tmp_path):
    """Asked for no more than an older version knows, the kernel takes the rules, and forbids to read elsewhere and run.

    It does so alone, where system calls cannot be refused.
    """
    if abi > landlock_abi():
        pytest.skip(f"this kernel has version {landlock_abi()}")
    program = (
        "from imgpipe.children import sandbox\n"
        f"sandbox.landlock_abi = lambda: {abi}\nsandbox.can_refuse_calls = lambda: False\n"
        f"sandbox.Sandbox(({str(places['in'])!r},), ({str(places['out'])!r},)).enter()\n"
        f"open({str(places['in'] / 'a.png')!r}).close()\nopen({str(places['out'] / 'new')!r}, 'w').close()\n"
        f"try:\n    open({str(places['private'] / 'key')!r})\nexcept PermissionError:\n    print('denied')\n"
        "try:\n    __import__('os').execv('/bin/true', ['true'])\nexcept PermissionError:\n    print('denied')\n"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )

    assert ("denied\ndenied\n", "") == (child.stdout, child.stderr)
