"""Packaging: what is in the wheel, what an import costs, and that version, changelog and locks agree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import imgpipe

ROOT = Path(__file__).parent.parent
HEAVY = ("PIL", "click", "cv2", "numpy", "psutil", "redis", "rich")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """Build the wheel from this source tree, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return zipfile.Path(built)


def ask(program: str, **environment: str) -> object:
    """Run a program in a child and return what it prints, read as JSON."""
    command = [sys.executable, "-c", f"import json, sys; {program}"]
    child = subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    answer: object = json.loads(child.stdout)
    return answer


def test_wheel_holds_two_packages_and_nothing_else(wheel: zipfile.Path) -> None:
    """The wheel has imgpipe and imgpipe_cli at its top, and its own description."""
    top = sorted(entry.name for entry in wheel.iterdir())

    assert ["imgpipe", f"imgpipe-{imgpipe.__version__}.dist-info", "imgpipe_cli"] == top


def test_wheel_holds_every_file_of_the_packages(wheel: zipfile.Path) -> None:
    """Modules, data files and the marker for type checkers are all in the wheel."""
    expected = {
        path.relative_to(base).as_posix()
        for base, package in ((ROOT / "src", "imgpipe"), (ROOT / "cli", "imgpipe_cli"))
        for path in (base / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    actual = {name for name in wheel.root.namelist() if ".dist-info/" not in name and name[-1] != "/"}

    assert "imgpipe/py.typed" in expected
    assert expected == actual


def test_wheel_works_without_the_sources(wheel: zipfile.Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, the wheel is found under both its names, and its own modules are the ones that run."""
    wheel.root.extractall(tmp_path)

    found = ask(
        "import importlib.metadata as m, imgpipe, imgpipe_cli.main as c;"
        "names = sorted(n for n, d in m.packages_distributions().items() if 'imgpipe' in d);"
        "print(json.dumps([names, m.version('imgpipe'), imgpipe.__file__, c.__file__]))",
        PYTHONPATH=str(tmp_path),
        COVERAGE_PROCESS_CONFIG="",  # this copy is not what is measured
    )

    names = ["imgpipe", "imgpipe_cli"]
    files = [str(tmp_path / "imgpipe" / "__init__.py"), str(tmp_path / "imgpipe_cli" / "main.py")]
    assert [names, imgpipe.__version__, *files] == found


def test_import_loads_nothing_heavy() -> None:
    """`import imgpipe` alone loads no picture library, and nothing of the command line."""
    loaded = ask(f"import imgpipe; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))")

    assert [] == loaded


@pytest.mark.parametrize("module", ["imgpipe", "imgpipe_cli"])
def test_modules_run_as_the_command(module: str) -> None:
    """`python -m imgpipe` works where the command is not on the path."""
    child = subprocess.run([sys.executable, "-m", module, "--version"], check=True, capture_output=True, text=True)

    assert f"imgpipe {imgpipe.__version__}" == child.stdout.strip()


def test_newest_version_in_the_changelog_is_this_one() -> None:
    """Nobody can release a version that the changelog does not know."""
    headings = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert imgpipe.__version__ == headings[0]


@pytest.mark.parametrize("name", ["run.txt", "dev.txt", "docs.txt"])
def test_lock_satisfies_the_project(name: str) -> None:
    """Whoever changes a requirement in pyproject.toml has to run `make lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    docs = project["dependency-groups"].pop("docs")
    groups = [docs] if name == "docs.txt" else [project["project"]["dependencies"]]
    if name == "dev.txt":
        groups += [project["build-system"]["requires"], *project["dependency-groups"].values()]
    wanted = [Requirement(entry) for group in groups for entry in group if isinstance(entry, str)]

    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    unmet = [str(entry) for entry in wanted if pinned.get(entry.name, "0") not in entry.specifier]
    assert [] == unmet


@pytest.mark.parametrize("name", ["run.txt", "dev.txt", "docs.txt"])
def test_lock_tells_nothing_of_the_machine_that_made_it(name: str) -> None:
    """A lock holds names, versions and hashes: no address, no folder, no option of pip."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()

    form = r'# Made by .*|[a-z0-9-]+==[\w.]+( ; [\w ."<>=!]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?'
    assert [] == [line for line in lines if not re.fullmatch(form, line)]
