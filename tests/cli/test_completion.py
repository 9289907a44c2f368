"""completion: the scripts are accepted by their shells, and completing a word gives what can stand there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.shell_completion import BashComplete

from imgpipe.filters import names
from imgpipe_cli.main import imgpipe, main

if TYPE_CHECKING:
    from pathlib import Path


def completions(*words: str) -> list[str]:
    """Return what the last word may become."""
    complete = BashComplete(imgpipe, {}, "imgpipe", "_IMGPIPE_COMPLETE")
    return [str(item.value) for item in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_accepted_by_its_shell(shell: str, capfd):
    """The shell finds no fault with the script."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert 0 == main(["completion", shell])
    script = capfd.readouterr().out

    done = subprocess.run([shell, "-n"], input=script, capture_output=True, check=False, text=True)

    assert (0, "") == (done.returncode, done.stderr)
    assert "_IMGPIPE_COMPLETE" in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_asks_the_command_that_answers(shell: str, capfd):
    """Each script sets the variable that `imgpipe` looks for, to the name of its own shell."""
    assert 0 == main(["completion", shell])
    assert f"_IMGPIPE_COMPLETE={shell}_complete" in capfd.readouterr().out


def test_other_shell(capfd):
    """A shell without a script is refused, and the ones with one are named."""
    assert 2 == main(["completion", "tcsh"])
    out, err = capfd.readouterr()
    assert "" == out
    assert all(shell in err for shell in ("'tcsh'", "'bash'", "'zsh'", "'fish'"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pro"], ["process"]),
        (["filters", "s"], ["show"]),
        (["filters", "show", "gr"], ["grayscale"]),
        (["filters", "show", ""], names()),
        (["completion", "z"], ["zsh"]),
        (["process", "x", "--format", "we"], ["webp"]),
        (["filters", "show", "nothing-like-it"], []),
    ],
)
def test_words(words: list[str], expected: list[str], own_registry):
    """Commands, filters and choices are completed."""
    assert expected == completions(*words)


def test_command_line_answers_a_shell(tmp_path: Path):
    """The command itself sees that a shell asks, answers and ends, without running anything."""
    asked = {"_IMGPIPE_COMPLETE": "bash_complete", "COMP_WORDS": "imgpipe samples here --co", "COMP_CWORD": "3"}

    done = subprocess.run([sys.executable, "-m", "imgpipe_cli"], env={**os.environ, **asked}, cwd=tmp_path,
                          capture_output=True, check=False, text=True)  # fmt: skip

    assert (0, "plain,--count\n", "") == (done.returncode, done.stdout, done.stderr)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_a_command(tmp_path: Path):
    """With the script loaded as the help says, bash completes `imgpipe pro`."""
    command = tmp_path / "imgpipe"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m imgpipe_cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    program = 'eval "$(imgpipe completion bash)"; COMP_WORDS=(imgpipe pro); COMP_CWORD=1; _imgpipe_completion imgpipe;'
    program += 'complete -p imgpipe; echo "${COMPREPLY[@]}"'

    done = subprocess.run(["bash", "-c", program], capture_output=True, check=False, text=True,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})  # fmt: skip

    assert "" == done.stderr
    registered, completed = done.stdout.splitlines()
    assert "_imgpipe_completion imgpipe" in registered
    assert "process" == completed
