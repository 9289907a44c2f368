"""Executors: where tasks run. The name decides; tasks, results and output bytes are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.errors import BadOption
from imgpipe.executors.base import Executor
from imgpipe.executors.choice import Choice, choose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.children.sandbox import Sandbox

__all__ = ["ALIASES", "Choice", "Executor", "choose", "create_executor", "executor_name"]

ALIASES: Mapping[str, str] = {
    "auto": "auto",
    "sequential": "sequential",
    "seq": "sequential",
    "threads": "threads",
    "thread": "threads",
    "threading": "threads",
    "processes": "processes",
    "process": "processes",
    "multiprocessing": "processes",
    "dask": "dask",
}


def executor_name(name: str) -> str:
    """Return the usual name for a name or an alias. Raises `BadOption` for an unknown one."""
    if name.lower() not in ALIASES:
        raise BadOption("executor", name, "one of " + ", ".join(dict.fromkeys(ALIASES.values())))
    return ALIASES[name.lower()]


def create_executor(
    name: str,
    *,
    workers: int | None = None,
    max_memory_bytes: int | None = None,
    timeout_seconds: float | None = None,
    sandbox: Sandbox | None = None,
    scheduler: str | None = None,
) -> Executor:
    """Make an executor. By default it has a worker for every core that this process may use, and 60 % of its memory.

    `timeout_seconds` for one picture can be kept by `processes` alone: threads cannot be stopped; a `sandbox` confines
    nothing else either. `scheduler` is the address of a dask cluster that is there already. Raises `BadOption` for an
    unknown name, a number of workers below 1, and for what the executor cannot do.
    """
    from imgpipe.machine import default_memory_bytes, usable_cores  # noqa: PLC0415 - loads psutil

    name = executor_name(name)
    if workers is not None and workers < 1:
        raise BadOption("workers", workers, "a whole number above 0")
    if max_memory_bytes is not None and max_memory_bytes < 1:
        raise BadOption("max-memory", max_memory_bytes, "a number of bytes above 0")
    if timeout_seconds is not None and (name != "processes" or timeout_seconds <= 0):
        expected = "seconds above 0" if name == "processes" else "none: only --executor processes can end a picture"
        raise BadOption("timeout", timeout_seconds, expected)
    if sandbox is not None and name != "processes":
        raise BadOption("sandbox", name, "--executor processes: only a process can be confined")
    if scheduler is not None and name != "dask":
        raise BadOption("scheduler", scheduler, "none: only --executor dask has one")
    if name == "sequential":
        from imgpipe.executors.sequential import SequentialExecutor  # noqa: PLC0415 - only what is used is loaded

        return SequentialExecutor()
    if name == "dask":
        from imgpipe.executors.dask import open_dask  # noqa: PLC0415 - only what is used is loaded

        if max_memory_bytes is not None:
            raise BadOption("max-memory", max_memory_bytes, "none: dask's workers keep to their own --memory-limit")
        return open_dask(scheduler, workers if scheduler or workers else usable_cores())
    workers, max_memory_bytes = workers or usable_cores(), max_memory_bytes or default_memory_bytes()
    if name == "processes":
        from imgpipe.executors.processes import ProcessesExecutor  # noqa: PLC0415 - only what is used is loaded

        return ProcessesExecutor(workers, max_memory_bytes, timeout_seconds=timeout_seconds, sandbox=sandbox)
    from imgpipe.executors.threads import ThreadsExecutor  # noqa: PLC0415 - only what is used is loaded

    return ThreadsExecutor(workers, max_memory_bytes)
