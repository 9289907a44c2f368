"""The executor contract, on every executor."""

from __future__ import annotations

import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from contracts.executor_contract import ExecutorContract
from imgpipe.executors.futures import FuturesExecutor
from imgpipe.executors.processes import ProcessesExecutor
from imgpipe.executors.sequential import SequentialExecutor
from imgpipe.executors.threads import ThreadsExecutor


class TestSequential(ExecutorContract):
    """One picture after the other."""

    def make(self):
        """Return the executor."""
        return SequentialExecutor()


class TestThreads(ExecutorContract):
    """Two threads."""

    def make(self):
        """Return the executor."""
        return ThreadsExecutor(2, 1 << 30)


class TestProcesses(ExecutorContract):
    """Two child processes."""

    def make(self):
        """Return the executor."""
        return ProcessesExecutor(2, 1 << 30)


class TestFuturesOfThreads(ExecutorContract):
    """Somebody else's two threads."""

    def make(self):
        """Return the executor."""
        return FuturesExecutor(ThreadPoolExecutor(2), workers=2, owned=True)


class TestFuturesInBatches(ExecutorContract):
    """Somebody else's two threads, each given three tasks at a time."""

    def make(self):
        """Return the executor."""
        return FuturesExecutor(ThreadPoolExecutor(2), workers=2, window=8, chunk=3, owned=True)


class TestFuturesThatFitThemselves(ExecutorContract):
    """Somebody else's two threads, with batches as large as the window allows."""

    def make(self):
        """Return the executor."""
        return FuturesExecutor(ThreadPoolExecutor(2), workers=2, window=8, chunk="auto", owned=True)


@pytest.mark.skipif("forkserver" not in mp.get_all_start_methods(), reason="spawn is tried by dask")
class TestFuturesOfProcesses(ExecutorContract):
    """The standard library's two processes."""

    def make(self):
        """Return the executor."""
        return FuturesExecutor(ProcessPoolExecutor(2, mp.get_context("forkserver")), workers=2, owned=True)
