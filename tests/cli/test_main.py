"""Main: every way in which a command can end has its code, and nothing that was typed reaches the terminal raw."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from typing import TYPE_CHECKING, Any

import click
import pytest

from imgpipe import __version__
from imgpipe.errors import (
    BadOption,
    BadPipeline,
    ExecutorError,
    FailureCode,
    NothingToDo,
    OutputCollision,
    OutputExists,
    OutputLocked,
    PictureError,
    Problem,
    UsageError,
)
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.completion import completion_command
from imgpipe_cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    "process", "compare", "filters", "info", "up", "worker", "jobs", "workers", "queue", "monitor", "metrics", "check",
    "scale", "stress", "lesson", "serve", "samples", "doctor", "completion",
)  # fmt: skip
HOSTILE = ("\x1b]0;owned\x07", "a\rb", "\x9b31m", "\u202egpj", "\udcff\udcfe", "a\nall went well", "\u2028x")


def child(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "imgpipe_cli", *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)


def command_that(monkeypatch: pytest.MonkeyPatch, does: BaseException | int | None) -> list[str]:
    """Make a command raise or return something; return the arguments that call it."""

    def callback(**_given: object) -> int | None:
        if isinstance(does, BaseException):
            raise does
        return does

    monkeypatch.setattr(completion_command, "callback", callback)
    return ["completion", "bash"]


@pytest.mark.parametrize("code", [None, *ExitCode])
def test_code_that_a_command_returns(code: ExitCode | None, monkeypatch):
    """What a command returns is the exit code; nothing means that all is well."""
    assert (code or 0) == main(command_that(monkeypatch, code))


@pytest.mark.parametrize(
    ("code", "error", "shown"),
    [
        (1, ExecutorError("no child can be started"), "imgpipe: no child can be started"),
        (1, PictureError(FailureCode.CANNOT_WRITE, "no folder"), "imgpipe: no folder"),
        (2, UsageError("this and that"), "imgpipe: this and that"),
        (2, BadOption("quality", 101, "1 to 100"), "imgpipe: quality: got 101, expected 1 to 100"),
        (2, BadPipeline([Problem("a", "b"), Problem("c", "d", "e")]), "imgpipe: a: b\nimgpipe: c: d (e)"),
        (2, OutputCollision([("a", "b", "c")], 1, "use --name"),
         "imgpipe: a and b would both be written to c\nimgpipe: use --name"),
        (2, OutputExists("a is there"), "imgpipe: a is there"),
        (4, NothingToDo("no picture"), "imgpipe: no picture"),
        (8, OutputLocked("out is in use"), "imgpipe: out is in use"),
        (2, click.ClickException("what?"), "imgpipe: what?"),
        (2, click.FileError("a", "gone"), "imgpipe: Could not open file 'a': gone"),
        (130, click.Abort(), ""),
        (130, KeyboardInterrupt(), ""),
    ],
)  # fmt: skip
def test_code_and_message_of_every_error(code: int, error: BaseException, shown: str, monkeypatch, capfd):
    """Each class of errors has its exit code, and its message stands on stderr, one line for each problem."""
    arguments = command_that(monkeypatch, error)

    assert code == main(arguments)
    out, err = capfd.readouterr()
    assert ("", shown) == (out, err.strip())


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("proces", "did you mean process?"), ("xyz", f"commands: {', '.join(COMMANDS)}"), ("Info", "did you mean info?")],
)
def test_unknown_command(typed: str, hint: str, capfd):
    """A command that does not exist names the nearest one, or all."""
    assert 2 == main([typed, "in", "-o", "out"])
    assert f"imgpipe: no command '{typed}'; {hint}" == capfd.readouterr().err.splitlines()[-1]


def test_version(capfd):
    """The version is one line on stdout."""
    assert 0 == main(["--version"])
    assert (f"imgpipe {__version__}\n", "") == capfd.readouterr()


def test_help_names_every_command(capfd):
    """The help lists all commands, each with a sentence."""
    assert 0 == main(["--help"])
    out = capfd.readouterr().out
    listed = [line.split(maxsplit=1) for line in out.split("Commands:\n")[1].splitlines()]
    assert list(COMMANDS) == [words[0] for words in listed]
    assert all(len(words) == 2 for words in listed)


def test_no_command_shows_the_help_as_an_error(capfd):
    """Without a command there is nothing to do, and the help says what there is."""
    assert 2 == main([])
    out, err = capfd.readouterr()
    assert "" == out
    assert err.startswith("Usage: imgpipe [OPTIONS] COMMAND")


def test_wrong_option_shows_the_usage_of_its_command(capfd):
    """What is wrong comes last, below the usage of the command that it was given to."""
    assert 2 == main(["info", "--colour", "a.jpg"])
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("Usage: imgpipe info ")
    assert "imgpipe: No such option" in lines[-1]
    assert "--colour" in lines[-1]


def test_version_and_help_load_nothing_heavy():
    """Neither the version nor any help needs numpy, Pillow, OpenCV, psutil or rich."""
    program = (
        "import sys; from imgpipe_cli.main import main; main(['--version']);"
        f"[main([name, '--help']) for name in {COMMANDS}]; main(['filters', 'show', '--help']);"
        "print('loaded:', [name for name in ('numpy', 'PIL', 'cv2', 'psutil', 'rich') if name in sys.modules])"
    )

    out = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout

    assert "loaded: []" == out.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["filters", "list"], ["completion", "fish"]])
def test_reader_that_has_gone_is_no_error(arguments: list[str]):
    """When whoever reads the output has gone, the command ends quietly, with code 0."""
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run([sys.executable, "-m", "imgpipe_cli", *arguments], stdout=writer, stderr=subprocess.PIPE,
                          check=False, timeout=60)  # fmt: skip
    os.close(writer)

    assert (0, b"") == (done.returncode, done.stderr)


def test_reader_of_both_outputs_that_has_gone_is_no_crash(tmp_path: Path):
    """With `2>&1 | head` the messages have nowhere to go either; the code stays one of ours."""
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run([sys.executable, "-m", "imgpipe_cli", "samples", str(tmp_path), "--count=1", "--size=8x8"],
                          stdout=writer, stderr=writer, check=False, timeout=60)  # fmt: skip
    os.close(writer)

    assert 0 == done.returncode


def test_head_reads_one_byte(tmp_path: Path):
    """A long output cut off by `head -c 1` ends without a word."""
    shell = f"'{sys.executable}' -m imgpipe_cli filters list --json | head -c 1; echo \" ${{PIPESTATUS[0]}}\""

    done = subprocess.run(["bash", "-c", shell], capture_output=True, check=False, timeout=60)

    assert (b"{ 0\n", b"") == (done.stdout, done.stderr)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "before",
    [
        [],
        ["process"],
        ["process", "-f"],
        ["process", "x", "-o", "y", "-f"],
        ["process", "x", "--in-place", "--executor"],
        ["process", "x", "--workers"],
        ["process", "x", "--format"],
        ["info"],
        ["info", "--max-pixels"],
        ["filters"],
        ["filters", "show"],
        ["filters", "list", "--import"],
        ["samples", "--size"],
        ["samples", "--count"],
        ["completion"],
        ["doctor"],
    ],
)
def test_nothing_typed_reaches_the_terminal_raw(before: list[str], text: str, tmp_path, monkeypatch, capfdbinary):
    """Whatever is wrong with an argument, its characters cannot act on the terminal, nor pass for a message of ours."""
    monkeypatch.chdir(tmp_path)

    code = main([*before, text])

    out, err = (stream.decode() for stream in capfdbinary.readouterr())
    assert code in (ExitCode.USAGE, ExitCode.NO_INPUT)
    assert [] == [char for char in out + err if not char.isprintable() and char != "\n"]
    assert [] == [line for line in err.splitlines() if line.startswith(("all went", "imgpipe: all went"))]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_option_is_shown_safely(text: str, capfdbinary):
    """A name of an option can be as hostile as a value."""
    assert 2 == main(["info", f"--{text}", "x"])
    err = capfdbinary.readouterr().err.decode()
    assert [] == [char for char in err if not char.isprintable() and char != "\n"]


def test_unexpected_error_is_one_line_and_a_file(tmp_path, monkeypatch, capfd):
    """What nobody expected says its name in one line; the details are in a file, made safe too."""
    arguments = command_that(monkeypatch, ZeroDivisionError("by\x1b[31m\nzero\udcff"))
    with monkeypatch.context() as patch:  # not longer: pytest itself needs such files
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        code = main(arguments)

    assert 1 == code
    first, second = capfd.readouterr().err.splitlines()
    assert "imgpipe: unexpected ZeroDivisionError: by\\x1b[31m\\x0azero\\xff" == first
    (file,) = tmp_path.iterdir()
    assert f"imgpipe: please report it with {file}" == second
    text = file.read_text(encoding="utf-8")
    assert text.startswith("Traceback (most recent call last):\n")
    assert "raise does" in text
    assert "\x1b" not in text


def test_unexpected_error_without_a_place_for_its_file(tmp_path, monkeypatch, capfd):
    """Where no file can be written, the one line is there all the same."""
    arguments = command_that(monkeypatch, ZeroDivisionError("by zero"))
    with monkeypatch.context() as patch:  # not longer: pytest itself needs such files
        patch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
        code = main(arguments)

    assert 1 == code
    first, second = capfd.readouterr().err.splitlines()
    assert "imgpipe: unexpected ZeroDivisionError: by zero" == first
    assert second.startswith("imgpipe: the details cannot be kept in a file")


@pytest.mark.filterwarnings("always")
def test_warning_is_one_safe_line(monkeypatch, capfd):
    """A warning of the library is a line on stderr, without Python's place and code; the handler is put back."""
    before = warnings.showwarning
    monkeypatch.setattr(completion_command, "callback", lambda **_: warnings.warn("odd\x1b[31m\nthing", stacklevel=1))

    assert 0 == main(["completion", "bash"])
    assert ("", "imgpipe: warning: odd\\x1b[31m\\x0athing\n") == capfd.readouterr()
    assert before is warnings.showwarning


@pytest.mark.parametrize("module", ["imgpipe", "imgpipe_cli", "imgpipe_cli.main"])
def test_modules_hand_the_code_to_the_shell(module: str):
    """`python -m` ends with the code of the command, under each of its names."""
    done = subprocess.run([sys.executable, "-m", module, "info", "missing.jpg"], capture_output=True, check=False)

    assert (4, b"imgpipe: missing.jpg does not exist") == (done.returncode, done.stderr.strip())


def test_terminal_that_lacks_characters_gets_escapes():
    """An output whose encoding lacks a character shows its escape, and the command ends well."""
    done = child("filters", "show", "edges", env={**os.environ, "PYTHONIOENCODING": "iso8859-5"})

    assert (0, b"") == (done.returncode, done.stderr)
    assert b"sqrt(dx\\xb2 + dy\\xb2)" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_in_help_keep_their_lines(name, capsys):
    """Nothing of the marks that ask for it is shown."""
    code = main([name, "--help"])
    shown = capsys.readouterr().out

    assert (ExitCode.DONE, False) == (code, "\\b" in shown)
    assert f"imgpipe {name}" in shown
