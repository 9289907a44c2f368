"""Site: the reference has all that the program has, links lead somewhere, and the lock is one that can be trusted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml

import imgpipe
from imgpipe.errors import FailureCode
from imgpipe.filters import find, names
from imgpipe.web.problems import TITLES
from imgpipe.web.routes import ROUTES
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.main import imgpipe as program

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^):#\s]*)(?:#([^)\s]+))?\)")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Return the folder of all pages, as `make docs` hands it to mkdocs."""
    folder: Path = tmp_path_factory.mktemp("site") / "source"
    subprocess.run([sys.executable, "docs/generate.py", str(folder)], cwd=ROOT, check=True)
    return folder


def test_every_command_and_option(source):
    """The page of commands has each of them, with every option that its help has."""
    page = (source / "reference" / "cli.md").read_text(encoding="utf-8")
    told = {
        line.split("\n")[0]: set(re.findall(r"(?<![\w-])--?[a-z0-9][a-z0-9-]*", line))
        for line in re.split(r"^#+ ", page, flags=re.MULTILINE)
    }

    for path, command in _commands(program, "imgpipe"):
        options = {
            word for one in command.params if isinstance(one, click.Option) and not one.hidden for word in one.opts
        }
        assert set() == options - told[path], path


def test_every_filter_endpoint_and_name(source):
    """The other pages have each filter with its parameters, each endpoint, and each public name."""
    filters, http, python = (
        (source / "reference" / f"{name}.md").read_text() for name in ("filters", "http", "python")
    )
    built_in = [name for name in names() if not name.startswith("test.")]  # other tests have filters of their own
    parameters = {f"- `{parameter}`: " for name in built_in for parameter in find(name).parameters()}

    assert [] == [name for name in built_in if f"\n## {name}\n" not in filters]
    assert set() == {each for each in parameters if each not in filters}
    assert [] == [route.path for route in ROUTES if f"\n## {route.method} {route.path}\n" not in http]
    assert [] == [name for name in imgpipe.__all__ if f"\n## {name}\n" not in python and name != "__version__"]


def test_every_error_has_its_anchor(source):
    """What a `type` over HTTP, a report and an exit code say can be looked up, and nothing else has a section."""
    page = (source / "errors.md").read_text(encoding="utf-8")
    found = _anchors(page)

    assert set() == {*TITLES, *(f"exit-{code}" for code in ExitCode)} - found
    assert [code.value for code in FailureCode] == re.findall(r"^### (\w+)", page, re.MULTILINE)
    assert [code.value.lower().replace("_", "-") for code in FailureCode] == re.findall(
        r"^### .*#(\S+) }", page, re.MULTILINE
    )


def test_links_lead_somewhere(source):
    """Each link names a page of the site, and an anchor that this has."""
    broken = []
    for page in source.rglob("*.md"):
        for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
            file = page.parent / target if target else page
            inside = os.path.normpath(file).startswith(str(source))
            if not (inside and file.is_file()) or (anchor and anchor not in _anchors(file.read_text(encoding="utf-8"))):
                broken.append(f"{page.name}: {target}#{anchor}")

    assert [] == broken


def test_navigation_names_pages(source):
    """Each entry of the navigation is a page."""
    wanted = list(_leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))

    assert [] == [name for name in wanted if not (source / name).is_file()]


def test_lock():
    """Each package of the site has one version and hashes, and nothing is told of the machine that locked them."""
    lines = (ROOT / "requirements" / "docs.txt").read_text(encoding="utf-8").splitlines()
    form = r"# Made .*|[a-z0-9-]+==[\w.]+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?"

    assert [] == [line for line in lines if not re.fullmatch(form, line)]
    assert any(line.startswith("mkdocs-material==9.8.") for line in lines)


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                yield f"{path} {name}", inner
                yield from _commands(inner, f"{path} {name}")


def _anchors(text: str) -> set[str]:
    """Return the anchors that are written down, and those that headings have by themselves."""
    given = re.findall(r"id=['\"]([\w-]+)|{ #([\w-]+) }", text)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {one or other for one, other in given} | {
        re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from _leaves(each)
