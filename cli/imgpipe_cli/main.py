"""Main: the `imgpipe` command: finds the subcommand, loads only that, turns every error into one line and a code."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import sys
import tempfile
import traceback
import warnings
from typing import TYPE_CHECKING, Any

import click

from imgpipe import __version__
from imgpipe.display import display_name
from imgpipe.errors import ImgpipeError, NothingToDo, OutputLocked, QueueRefused, QueueUnavailable, UsageError
from imgpipe_cli.codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Command to module; the module has a click command of the same name with `_command` behind it.
_COMMANDS = ("process", "compare", "filters", "info", "up", "worker", "jobs", "workers", "queue", "monitor", "metrics",
             "check", "scale", "stress", "lesson", "serve", "samples", "doctor", "completion")  # fmt: skip

_CODES = (
    (NothingToDo, ExitCode.NO_INPUT),
    (OutputLocked, ExitCode.LOCKED),
    (QueueUnavailable, ExitCode.UNREACHABLE),
    (QueueRefused, ExitCode.UNREACHABLE),
    (UsageError, ExitCode.USAGE),
)
_NOBODY_ANSWERS = "start a Redis server with `imgpipe up`, or name another one with --redis"


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"imgpipe_cli.{cmd_name}"), f"{cmd_name}_command")
        return _laid_out(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a subcommand, or name the nearest one."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"commands: {', '.join(_COMMANDS)}"
            raise click.UsageError(f"no command '{args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Read the command line; it may ask for help or the version."""
        with _noticing_a_closed_output():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        with _noticing_a_closed_output():
            return super().invoke(ctx)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="imgpipe", message="%(prog)s %(version)s")
def imgpipe() -> None:
    """Send many pictures through one pipeline of filters: in one thread or in many."""


def _laid_out(command: click.Command) -> click.Command:
    """Let examples keep their lines: click looks for a backspace, and a docstring has the letters of one."""
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _laid_out(inner)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. Completion, which a shell asks for, ends the process instead."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal's encoding lacks must not end the run
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(arguments)


class _OutputClosed(Exception):
    """Whoever read our output has gone. Not an OSError: of those, click would end the process with code 1."""


@contextlib.contextmanager
def _noticing_a_closed_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _OutputClosed from error


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = imgpipe.main(arguments, prog_name="imgpipe", standalone_mode=False)
        with _noticing_a_closed_output():
            sys.stdout.flush()
    except click.ClickException as error:
        return _refuse(error)
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except _OutputClosed:
        # Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except ImgpipeError as error:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)
        return _complain(f"{error}\n{_NOBODY_ANSWERS}" if type(error) is QueueUnavailable else error, code)
    except Exception as error:  # noqa: BLE001 - the last resort: one line here, the rest in a file
        return _unexpected(error)
    return code if isinstance(code, int) else ExitCode.DONE


def _refuse(error: click.ClickException) -> ExitCode:
    """Say what click says about a command line that it cannot read: made safe, for it repeats what was typed."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
        click.echo(f"Try '{error.ctx.command_path} --help' for help.\n", err=True)
    # One line: what was typed may hold line breaks, and pass for a message of ours.
    return _complain(" ".join(error.format_message().split()), ExitCode.USAGE)


def _complain(error: Exception | str, code: ExitCode) -> ExitCode:
    for line in str(error).split("\n"):
        click.echo(f"imgpipe: {display_name(line)}", err=True)
    return code


def _show_warning(message: Warning | str, *_where: object, **_more: object) -> None:
    """Show a warning as one safe line, without the line of code that Python would add."""
    click.echo(f"imgpipe: warning: {display_name(message)}", err=True)


def _unexpected(error: Exception) -> ExitCode:
    lines = [line for part in traceback.format_exception(error) for line in part.splitlines()]
    click.echo(f"imgpipe: unexpected {type(error).__name__}: {display_name(error)}", err=True)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="imgpipe-error-", suffix=".txt", delete=False,
                                         encoding="utf-8") as file:  # fmt: skip
            file.writelines(display_name(line) + "\n" for line in lines)
    except OSError as unwritable:
        click.echo(f"imgpipe: the details cannot be kept in a file: {display_name(unwritable)}", err=True)
        return ExitCode.UNEXPECTED
    click.echo(f"imgpipe: please report it with {display_name(file.name)}", err=True)
    return ExitCode.UNEXPECTED


if __name__ == "__main__":
    sys.exit(main())
