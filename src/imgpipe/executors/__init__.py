"""Executors: where tasks run. The name decides; tasks, results and output bytes are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.errors import BadOption
from imgpipe.executors.base import Executor
from imgpipe.executors.choice import Choice, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imgpipe.children.sandbox import Sandbox
    from imgpipe.executors.queued import QueuedOptions

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
    "redis": "redis",
    "queue": "redis",
    "distributed": "redis",
}

_MEMORY_ELSEWHERE = {
    "dask": "dask's workers keep to their own --memory-limit",
    "redis": "`imgpipe worker --max-memory` is where it belongs",
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
    redis: str | None = None,
    namespace: str | None = None,
    queued: QueuedOptions | None = None,
    modules: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> Executor:
    """Make an executor. By default it has a worker for every core that this process may use, and 60 % of its memory.

    `timeout_seconds` for one picture can be kept by `processes` and `redis` alone: threads cannot be stopped; a
    `sandbox` confines nothing but `processes`. `scheduler` is the address of a dask cluster that is there already,
    `redis` the URL of a Redis server, with workers that others have started, or `embedded` for a server and `workers`
    here; then `modules` are those with the filters that they need. Raises `BadOption` for an unknown name, a number of
    workers below 1, and for what the executor cannot do.
    """
    from imgpipe.machine import default_memory_bytes, usable_cores  # noqa: PLC0415 - loads psutil

    name = executor_name(name)
    _check_numbers(name, workers, max_memory_bytes, timeout_seconds)
    _refuse_foreign(name, sandbox=sandbox, scheduler=scheduler, redis=redis, namespace=namespace)
    if name == "sequential":
        from imgpipe.executors.sequential import SequentialExecutor  # noqa: PLC0415 - only what is used is loaded

        return SequentialExecutor()
    if name == "dask":
        from imgpipe.executors.dask import open_dask  # noqa: PLC0415 - only what is used is loaded

        return open_dask(scheduler, workers if scheduler or workers else usable_cores())
    if name == "redis":
        from imgpipe.executors.redis import open_redis  # noqa: PLC0415 - only what is used is loaded

        return open_redis(
            redis,
            namespace=namespace,
            options=queued,
            timeout_seconds=timeout_seconds,
            workers=workers,
            modules=modules,
            say=say,
        )
    workers, max_memory_bytes = workers or usable_cores(), max_memory_bytes or default_memory_bytes()
    if name == "processes":
        from imgpipe.executors.processes import ProcessesExecutor  # noqa: PLC0415 - only what is used is loaded

        return ProcessesExecutor(workers, max_memory_bytes, timeout_seconds=timeout_seconds, sandbox=sandbox)
    from imgpipe.executors.threads import ThreadsExecutor  # noqa: PLC0415 - only what is used is loaded

    return ThreadsExecutor(workers, max_memory_bytes)


def _check_numbers(name: str, workers: int | None, max_memory_bytes: int | None, timeout_seconds: float | None) -> None:
    if workers is not None and workers < 1:
        raise BadOption("workers", workers, "a whole number above 0")
    if max_memory_bytes is not None and max_memory_bytes < 1:
        raise BadOption("max-memory", max_memory_bytes, "a number of bytes above 0")
    if max_memory_bytes is not None and name in _MEMORY_ELSEWHERE:
        raise BadOption("max-memory", max_memory_bytes, f"none: {_MEMORY_ELSEWHERE[name]}")
    can_end = name in ("processes", "redis")
    if timeout_seconds is not None and (not can_end or timeout_seconds <= 0):
        expected = "seconds above 0" if can_end else "none: only --executor processes can end a picture, and redis"
        raise BadOption("timeout", timeout_seconds, expected)


def _refuse_foreign(
    name: str, *, sandbox: Sandbox | None, scheduler: str | None, redis: str | None, namespace: str | None
) -> None:
    """Refuse what only another executor has."""
    if sandbox is not None and name != "processes":
        who = "`imgpipe worker --sandbox`" if name == "redis" else "--executor processes"
        raise BadOption("sandbox", name, f"{who}: only a process can be confined")
    if scheduler is not None and name != "dask":
        raise BadOption("scheduler", scheduler, "none: only --executor dask has one")
    for option, value in (("redis", redis), ("namespace", namespace)):
        if value is not None and name != "redis":
            raise BadOption(option, value, "none: only --executor redis has one")
