"""ExitCode: what the command tells the shell; documented in docs/guide/command-line.md, never renumbered."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    SOME_FAILED = 3
    NO_INPUT = 4
    UNREACHABLE = 5
    CHECK_FAILED = 7
    LOCKED = 8
    INTERRUPTED = 130
    TERMINATED = 143
