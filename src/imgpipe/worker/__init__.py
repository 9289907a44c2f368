"""Worker: takes tasks from a queue and runs them in supervised children, on this machine, for as long as it may."""

from imgpipe.worker.settings import Event, Summary, WorkerSettings
from imgpipe.worker.worker import Worker

__all__ = ["Event", "Summary", "Worker", "WorkerSettings"]
