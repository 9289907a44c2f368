"""filters: every filter is listed and shown, those of users too; a broken plugin is a warning."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from imgpipe.filters import find, names, registry
from imgpipe.pipeline import Pipeline
from imgpipe_cli.filters import describe, example_of
from imgpipe_cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("own_registry")

MODULE = """
from typing import Annotated, Literal
import numpy as np
from imgpipe import Filter, Range, as_filter
from imgpipe.filters import Pattern

class Mine(Filter, name="mine", kind="io", gil="releases"):
    \"\"\"Do what I want. And\\x1b[2J more: `mine:nonsense=1` is wrong, `mine:how=loud` is right.\"\"\"

    aliases = {"way": "how"}
    how: Annotated[Literal["soft", "loud"], "how it\\u202e is done"]
    share: Annotated[float, Range(above=0)]
    count: Annotated[int, Range(5, 7)]

    def apply(self, frame):
        return frame

class Silent(Filter, name="silent"):
    level: int = 3

    def apply(self, frame):
        return frame

class Riddle(Filter, name="riddle"):
    word: Annotated[str, Pattern("xyzzy", "the magic word")]

    def apply(self, frame):
        return frame

@as_filter
def plain(pixels: np.ndarray, *, strength: float = 0.5) -> np.ndarray:
    return pixels
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch) -> Iterator[str]:
    """Return the name of a module with filters of a user's."""
    (tmp_path / "filters_of_a_user.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield "filters_of_a_user"
    sys.modules.pop("filters_of_a_user", None)


@pytest.fixture
def broken_plugin(monkeypatch) -> Iterator[None]:
    """Install a plugin that cannot be loaded."""
    plugins = [metadata.EntryPoint("bad", "no_such_module\x1b[31m", registry.ENTRY_POINT_GROUP)]
    monkeypatch.setattr(metadata, "entry_points", lambda **_: plugins)
    registry._load_plugins.cache_clear()
    yield
    registry._load_plugins.cache_clear()


def document(capfd: Any) -> Any:
    """Return the JSON document on stdout."""
    return json.loads(capfd.readouterr().out)


def test_list(capfd):
    """Each filter has a line: name, kind, GIL, and what it is for."""
    assert 0 == main(["filters", "list"])
    out, err = capfd.readouterr()
    lines = [line.split(maxsplit=3) for line in out.splitlines()]
    assert "" == err
    assert names() == [line[0] for line in lines]
    assert ["resize", "io", "releases", "Make the picture fit a box of `width` x `height` pixels."] == lines[0]
    assert ["blur", "io", "releases", "Blur with a Gaussian."] == lines[names().index("blur")]
    assert all(line[3].endswith(".") for line in lines)


def test_list_as_json(capfd):
    """The document lists all about every filter."""
    assert 0 == main(["filters", "list", "--json"])
    listed = document(capfd)
    assert "imgpipe.filters/1" == listed["schema"]
    assert [describe(find(name)) for name in names()] == listed["filters"]


@pytest.mark.parametrize("name", names())
def test_show(name: str, capfd):
    """The page of a filter names each parameter with what it accepts, its default and its help."""
    cls = find(name)

    assert 0 == main(["filters", "show", name])
    lines = capfd.readouterr().out.splitlines()
    assert f"{name}: {cls.spec.kind}, {cls.spec.gil} the GIL, works with {cls.spec.backend}" == lines[0]
    for parameter in cls.parameters().values():
        (at,) = [at for at, line in enumerate(lines) if line.startswith(f"  {parameter.name}: {parameter.expected}")]
        assert ("(required)" in lines[at]) is parameter.required
        assert f"      {parameter.help}" == lines[at + 1]
    for alias, field in cls.aliases.items():
        assert f"  {alias}: {field}" in lines
    assert f"  {example_of(cls)}" == lines[lines.index("Example") + 1]


@pytest.mark.parametrize("name", names())
def test_example_can_be_typed(name: str):
    """The example of every filter is a pipeline of that filter."""
    assert [find(name)] == [type(step) for step in Pipeline.parse(example_of(find(name))).filters]


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("resize", "resize:800x600"),
        ("blur", "blur:radius=2"),
        ("rotate", "rotate:angle=1,expand=true,background=#ffffff"),
        ("grayscale", "grayscale"),
    ],
)
def test_examples(name: str, example: str):
    """The docstring's own example comes first; without one, every parameter is spelt out."""
    assert example == example_of(find(name))


def test_show_as_json(capfd):
    """The document of one filter gives types, limits and defaults as data."""
    assert 0 == main(["filters", "show", "sharpen", "--json"])
    shown = document(capfd)
    assert ("imgpipe.filters/1", "sharpen", "cpu", "releases", "numpy", {"radius": "sigma"}) == tuple(
        shown[key] for key in ("schema", "name", "kind", "gil", "backend", "aliases")
    )
    assert {
        "name": "sigma",
        "types": ["float"],
        "expected": "a number at least 0.1 and at most 100",
        "choices": [],
        "low": 0.1,
        "high": 100,
        "required": False,
        "default": 1.0,
        "help": "standard deviation of the Gaussian, in pixels",
    } == shown["parameters"][1]


def test_required_parameter_has_no_default_in_json(capfd):
    """A null would be a default; what is required has none at all."""
    assert 0 == main(["filters", "show", "crop", "--json"])
    width, *_, y = document(capfd)["parameters"]
    assert (True, False) == (width["required"], "default" in width)
    assert (False, None) == (y["required"], y["default"])


def test_unknown_filter(capfd):
    """A misspelt name is a usage error that names the nearest filter."""
    assert 2 == main(["filters", "show", "shapren"])
    assert ("", "imgpipe: shapren: unknown filter (did you mean sharpen?)\n") == capfd.readouterr()


def test_filters_of_a_user(module: str, capfd):
    """--import adds filters to the list, behind the built-in ones."""
    assert 0 == main(["filters", "list", "--import", module])
    lines = capfd.readouterr().out.splitlines()
    assert ["mine", "plain", "riddle", "silent"] == [line.split()[0] for line in lines[14:]]
    assert ["mine", "io", "releases", "Do what I want."] == lines[14].split(maxsplit=3)
    assert ["silent", "cpu", "holds"] == lines[17].split()


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("mine", "mine:how=soft,share=1,count=5"),
        ("silent", "silent:level=3"),
        ("riddle", "riddle"),
        ("plain", "plain:strength=0.5"),
    ],
)
def test_example_of_a_users_filter(name: str, example: str, module: str, capfd):
    """An example in the docstring that is wrong is not shown; what cannot be guessed is left to the reader."""
    assert 0 == main(["filters", "show", name, "--import", module])
    lines = capfd.readouterr().out.splitlines()
    assert f"  {example}" == lines[lines.index("Example") + 1]


def test_text_of_a_user_is_shown_safely(module: str, capfdbinary):
    """Docstrings and help are foreign text: nothing in them can act on the terminal."""
    assert 0 == main(["filters", "show", "mine", "--import", module])
    out = capfdbinary.readouterr().out.decode()
    assert [] == [char for char in out if not char.isprintable() and char != "\n"]
    assert "And\\x1b[2J more" in out
    assert "how it\\u202e is done" in out


def test_filter_without_a_docstring(module: str, capfd):
    """What Python makes up for a dataclass without a docstring is not shown as one."""
    assert 0 == main(["filters", "show", "silent", "--import", module])
    assert "Silent(" not in capfd.readouterr().out


@pytest.mark.parametrize("command", [["list"], ["show", "blur"]])
def test_module_that_cannot_be_imported(command: list[str], capfd):
    """A module that does not exist is a usage error."""
    assert 2 == main(["filters", *command, "--import", "no_such_module"])
    out, err = capfd.readouterr()
    assert "" == out
    assert err.startswith("imgpipe: import: got 'no_such_module', expected a module that can be imported")


@pytest.mark.filterwarnings("always")
def test_broken_plugin_is_a_warning(broken_plugin, capfdbinary):
    """A plugin that cannot be loaded takes no other filter with it, and its name cannot act on the terminal."""
    assert 0 == main(["filters", "list"])
    out, err = capfdbinary.readouterr()
    assert len(names()) == len(out.splitlines())
    assert err.startswith(b"imgpipe: warning: the filter plugin no_such_module\\x1b[31m cannot be loaded: ")
    assert 1 == len(err.splitlines())


@pytest.mark.filterwarnings("always")
def test_broken_plugin_leaves_json_clean(broken_plugin, capfd):
    """The warning stands on stderr, the document on stdout."""
    assert 0 == main(["filters", "list", "--json"])
    assert len(names()) == len(document(capfd)["filters"])
