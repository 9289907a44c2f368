"""The executor contract, on every executor."""

from __future__ import annotations

from contracts.executor_contract import ExecutorContract
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
