"""The registry: built-in filters by name, plugins by entry point, your modules by import, and no two under one name."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from filter_samples import built_in
from imgpipe.errors import BadOption, BadPipeline
from imgpipe.filters import Filter, find, import_filters
from imgpipe.filters.blur import Blur
from imgpipe.frame import Frame  # noqa: TC001 - a filter's annotations are read when it is defined
from imgpipe.pipeline import Pipeline

if TYPE_CHECKING:
    from pathlib import Path

SEPIA = '''
from typing import Annotated
import numpy as np
from imgpipe.filters import Range, as_filter

@as_filter(kind="io")
def {name}(pixels: np.ndarray, *, strength: Annotated[float, Range(0, 1), "how brown"] = 1.0) -> np.ndarray:
    """Make it brown."""
    return pixels
'''


def install(folder: Path, name: str, source: str) -> None:
    """Lay a distribution of one module, with an entry point, where Python finds it."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[imgpipe.filters]\n{name} = {name}\n")


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the folder on its path."""
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_built_in_filters_have_their_modules() -> None:
    """Each built-in filter lives in the module of its name, in a class of its name; those that teach share one."""
    for name in built_in():
        cls = find(name)
        module, _, own_name = name.rpartition(".")

        assert f"imgpipe.filters.{module or own_name}" == cls.__module__
        assert own_name == cls.__name__.lower()
        assert name == cls.spec.name


def test_kinds_are_the_documented_ones() -> None:
    """Sharpen, edges and the blur in pure Python want a worker for computing; the others run anywhere."""
    kinds = {name: find(name).spec.kind for name in built_in()}

    assert {"sharpen", "edges", "teach.pyblur"} == {name for name, kind in kinds.items() if kind == "cpu"}


def test_plugins_are_found(tmp_path: Path) -> None:
    """A distribution that names a module under `imgpipe.filters` has its filters in every pipeline."""
    install(tmp_path, "sepia_tones", SEPIA.format(name="sepia"))

    result = run(
        tmp_path,
        "from imgpipe.pipeline import Pipeline\n"
        "from imgpipe.filters import names\n"
        "print(Pipeline.parse('blur | sepia:0.5'), Pipeline.parse('sepia').kinds, names()[-1])",
    )

    assert ("blur | sepia:strength=0.5 frozenset({'io'}) sepia\n", "") == (result.stdout, result.stderr)


def test_broken_plugin_takes_nothing_with_it(tmp_path: Path) -> None:
    """A plugin that cannot be loaded, or takes a name that is taken, is named in a warning; the rest works."""
    install(tmp_path, "broken_one", "raise RuntimeError('no licence')")
    install(tmp_path, "thief", SEPIA.format(name="blur"))
    install(tmp_path, "works", SEPIA.format(name="works"))

    result = run(
        tmp_path,
        f"from imgpipe.filters import names, find\nprint(names()[{len(built_in())}:], find('blur').__module__)",
    )

    assert "['works'] imgpipe.filters.blur\n" == result.stdout
    assert "the filter plugin broken_one cannot be loaded: no licence" in result.stderr
    assert "the filter plugin thief cannot be loaded: filter 'blur' is already defined" in result.stderr


def test_plugins_are_not_loaded_for_built_in_filters(tmp_path: Path) -> None:
    """A pipeline of built-in filters does not wait for plugins."""
    install(tmp_path, "slow_plugin", "raise RuntimeError('loaded')")

    result = run(tmp_path, "from imgpipe.pipeline import Pipeline; print(Pipeline.parse('blur | edges'))")

    assert ("blur | edges\n", "") == (result.stdout, result.stderr)


def test_modules_can_be_imported(tmp_path: Path) -> None:
    """`import_filters` brings in a module of your own, and its filters can travel to other processes."""
    (tmp_path / "my_filters.py").write_text(SEPIA.format(name="mine"))

    result = run(
        tmp_path,
        "from imgpipe.filters import import_filters\n"
        "from imgpipe.pipeline import Pipeline\n"
        "import pickle\n"
        "import_filters(['my_filters'])\n"
        "mine = Pipeline.parse('mine:0.25')\n"
        "print(mine, pickle.loads(pickle.dumps(mine)) == mine)",
    )

    assert ("mine:strength=0.25 True\n", "") == (result.stdout, result.stderr)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "No module named 'bad_filters'"),
        ("x = = 1", "invalid syntax"),
        ("1 / 0", "division by zero"),
        (SEPIA.format(name="blur"), "filter 'blur' is already defined by imgpipe.filters.blur.Blur"),
    ],
)
def test_bad_modules_are_a_bad_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, reason: str
) -> None:
    """A module that cannot be imported is the caller's mistake, and the message says why."""
    monkeypatch.syspath_prepend(tmp_path)
    if source:
        (tmp_path / "bad_filters.py").write_text(source)

    with pytest.raises(BadOption, match="import: got 'bad_filters'") as caught:
        import_filters(["bad_filters"])

    assert reason in str(caught.value)


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("name", ["a b", "a|b", "a:b", "a,b", "a=b", '"a"', "-", "a\n"])
def test_names_must_be_typed(name: str) -> None:
    """A name that the text form could not hold is refused."""
    with pytest.raises(ValueError, match="a filter cannot be named"):

        class Odd(Filter, name=name):
            def apply(self, frame: Frame) -> Frame:
                return frame


@pytest.mark.usefixtures("own_registry")
def test_loading_a_module_again_replaces_its_filters() -> None:
    """The same class defined again, as by a reload, takes the name over."""

    def define() -> type[Filter]:
        class Mine(Filter, name="mine"):
            """Do nothing."""

            def apply(self, frame: Frame) -> Frame:
                return frame

        return Mine

    first, second = define(), define()

    assert find("mine") is second
    assert first is not second


@pytest.mark.parametrize("name", ["", "nope", "Blur", "x" * 500, "a\x1b[31m"])
def test_unknown_names(name: str) -> None:
    """An unknown name is a problem of the pipeline, in a message that can be shown."""
    with pytest.raises(BadPipeline, match="unknown filter") as caught:
        find(name)

    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_steps_can_be_joined() -> None:
    """Pipelines are put together with |."""
    assert Pipeline.parse("blur | blur | edges") == Pipeline([Blur()]) | Blur() | Pipeline.parse("edges")
