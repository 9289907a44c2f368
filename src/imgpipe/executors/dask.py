"""DaskExecutor: runs tasks on a dask cluster: one that is there already, or one of this machine's own processes."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing as mp
import os
import sys
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadOption, ExecutorError
from imgpipe.executors.futures import FuturesExecutor
from imgpipe.pictures.staging import sweep

if TYPE_CHECKING:
    from distributed import LocalCluster

_CONNECT_SECONDS = 10
_TRIES = 2
"""A cluster gives a batch to four workers before it calls it lost; our own gives it back at once."""
_OWN_TRIES = 3


class DaskExecutor(FuturesExecutor):
    """Runs tasks through a dask `client`; `close` closes it, and `cluster` as well where there is one.

    Every worker has to see the same files under the same names, and to have the same imgpipe.
    """

    name = "dask"

    def __init__(self, client: Any, *, cluster: LocalCluster | None = None, window: int | None = None) -> None:
        super().__init__(
            client.get_executor(pure=False),  # pure: equal calls would be made once
            workers=_threads(client),
            window=window,
            chunk="auto",
            tries=_OWN_TRIES if cluster else _TRIES,
            owned=True,
            cancels=False,  # dask says that it has cancelled a picture, and goes on working on it
        )
        self._cluster = cluster
        self._open = contextlib.ExitStack()
        if cluster is not None:
            # A worker that is just being restarted when this ends would be taken out for ever.
            import dask  # noqa: PLC0415 - an optional extra

            self._open.enter_context(dask.config.set({"distributed.deploy.lost-worker-timeout": "1000 days"}))
            self._open.enter_context(cluster)
        self._open.enter_context(client)

    def close(self) -> None:
        """Leave the cluster, and end it if it is ours."""
        super().close()
        self._open.close()

    def abort(self) -> None:
        """Cancel all; end our own workers at once, and remove what they had half-written."""
        batches = list(self._flight.batches.values())
        folders = {os.path.dirname(job.task.target) or os.curdir for batch in batches for job in batch.jobs}
        super().abort()
        if self._cluster is None:
            return
        pids = {getattr(worker, "pid", None) for worker in self._cluster.workers.values()}
        for child in mp.active_children():
            if child.pid in pids:
                child.kill()
                child.join()
        for folder in folders:
            sweep(folder)


def open_dask(scheduler: str | None, workers: int | None) -> DaskExecutor:
    """Connect to a scheduler, or start `workers` processes here. The package `distributed` is an optional extra.

    Raises `BadOption` if it is missing, the scheduler does not answer or has no workers, and `ExecutorError` if its
    workers have another imgpipe, or none.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an optional extra, and slow to load
    except ImportError as error:
        raise BadOption("executor", "dask", f"pip install 'imgpipe[dask]' first ({error})") from error
    if scheduler is None:
        try:
            cluster = LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,  # what becomes of pictures stands in their results
                scheduler_kwargs={"allowed_failures": 0},
            )
            return DaskExecutor(Client(cluster, set_as_default=False), cluster=cluster)  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError) as error:
            raise ExecutorError(f"dask cannot start workers here: {error}") from error
    if workers is not None:
        raise BadOption("workers", workers, "none together with a scheduler: it has workers of its own")
    try:
        _knock(scheduler)
        client: Any = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        expected = f"the address of a scheduler that answers, as tcp://host:8786 ({error})"
        raise BadOption("scheduler", scheduler, expected) from error
    try:
        _check_workers(client, scheduler)
        return DaskExecutor(client)
    except BaseException:
        client.close()
        raise


def _knock(scheduler: str) -> None:
    """Raise `OSError` or `ValueError` if nobody answers: a client that finds out by itself leaves a thread behind."""
    from distributed.comm.core import connect  # noqa: PLC0415 - an optional extra
    from distributed.security import Security  # noqa: PLC0415 - the same
    from distributed.utils import LoopRunner  # noqa: PLC0415 - the same

    async def open_and_close() -> None:
        arguments = Security().get_connection_args("client")  # type: ignore[no-untyped-call]
        comm = await connect(scheduler, timeout=_CONNECT_SECONDS, **arguments)  # type: ignore[no-untyped-call]
        await comm.close()

    LoopRunner().run_sync(open_and_close)  # type: ignore[no-untyped-call]


def _check_workers(client: Any, scheduler: str) -> None:
    if not _threads(client):
        raise BadOption("scheduler", scheduler, "one with workers: start some with `dask worker` first")
    try:
        versions: dict[str, str] = client.run(_version)
    except Exception as error:
        raise ExecutorError(f"the dask workers cannot import imgpipe: {type(error).__name__}: {error}") from error
    ours = _version()
    strange = {address: version for address, version in versions.items() if version != ours}
    if strange:
        address, version = next(iter(strange.items()))
        raise ExecutorError(f"the dask worker {address} has imgpipe {version}, not {ours}")


def _version() -> str:
    return str(sys.modules["imgpipe"].__version__)  # it is there: we are a part of it, and may not import upwards


def _threads(client: Any) -> int:
    return sum(client.nthreads().values())
