"""Examples: each is run as its reader would run it, in an empty folder, and prints what it says that it prints."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
MODULES = {"fragile.py"}  # what a program imports, and nobody runs
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name not in MODULES)


@pytest.mark.skipif(os.name != "posix", reason="some need POSIX signals, or a Redis server")
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, tmp_path, request):
    """A program ends well, and prints what stands under "Prints:" on its top; `...` stands for what differs."""
    if "redis" in name:
        request.getfixturevalue("redis_binary")
    told = ast.get_docstring(ast.parse((EXAMPLES / name).read_text(encoding="utf-8"))) or ""
    expected = dedent(told.partition("Prints:\n\n")[2]) + "\n"
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert 0 == done.returncode, done.stderr
    assert OutputChecker().check_output(expected, done.stdout, ELLIPSIS), done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_is_short(name):
    """A program fits on a screen or two, begins with a sentence, and uses nothing that is private."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 60
    assert text.startswith('"""')
    assert [] == re.findall(r"^(?:from|import) imgpipe\S*\b_\w+", text, re.MULTILINE)


@pytest.mark.slow
def test_notebook(tmp_path, monkeypatch):
    """Cell by cell: the outputs are the same wherever the work was done, and both drawings are there."""
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            *body, last = ast.parse("".join(cell["source"])).body
            if not isinstance(last, ast.Expr):
                body, last = [*body, last], ast.parse("None").body[0]
            assert isinstance(last, ast.Expr)
            exec(compile(ast.Module(body, []), cell["id"], "exec"), names)
            shown.append(eval(compile(ast.Expression(last.value), cell["id"], "eval"), names))

    assert names["comparison"].identical
    assert ["<svg", "<svg"] == [thing._repr_svg_()[:4] for thing in shown if hasattr(thing, "_repr_svg_")]


def test_notebook_is_stripped():
    """The notebook is committed without outputs: they are the reader's own."""
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]

    assert 10 == len(cells)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
