"""imgpipe: one pipeline of image filters over many pictures, in one thread or in many.

The names below are the public ones. They are loaded when they are first used, so that `import imgpipe` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgpipe.api import apply, process, run
    from imgpipe.errors import BadPipeline, ExecutorError, FailureCode, ImgpipeError, PictureError, UsageError
    from imgpipe.executors import Executor, create_executor
    from imgpipe.executors.futures import FuturesExecutor
    from imgpipe.executors.queued import QueuedExecutor, QueuedOptions
    from imgpipe.filters import Filter, Range, as_filter
    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo
    from imgpipe.journal import Journal
    from imgpipe.pictures.options import Limits, ReadOptions, WriteOptions
    from imgpipe.pipeline import Pipeline
    from imgpipe.plan import Plan, PlanOptions, make_plan
    from imgpipe.queue import open_queue
    from imgpipe.queue.memory import MemoryQueue
    from imgpipe.recipe import Recipe
    from imgpipe.report import Report
    from imgpipe.samples import make_samples
    from imgpipe.task import Failure, Outcome, Result, Task
    from imgpipe.work import run_task
    from imgpipe.worker import Worker, WorkerSettings

__version__ = "0.1.0"

_MODULES = {
    "imgpipe.api": ("apply", "process", "run"),
    "imgpipe.errors": ("BadPipeline", "ExecutorError", "FailureCode", "ImgpipeError", "PictureError", "UsageError"),
    "imgpipe.executors": ("Executor", "create_executor"),
    "imgpipe.executors.futures": ("FuturesExecutor",),
    "imgpipe.executors.queued": ("QueuedExecutor", "QueuedOptions"),
    "imgpipe.filters": ("Filter", "Range", "as_filter"),
    "imgpipe.frame": ("Frame",),
    "imgpipe.info": ("ImageInfo",),
    "imgpipe.journal": ("Journal",),
    "imgpipe.pictures.options": ("Limits", "ReadOptions", "WriteOptions"),
    "imgpipe.pipeline": ("Pipeline",),
    "imgpipe.plan": ("Plan", "PlanOptions", "make_plan"),
    "imgpipe.queue": ("open_queue",),
    "imgpipe.queue.memory": ("MemoryQueue",),
    "imgpipe.recipe": ("Recipe",),
    "imgpipe.report": ("Report",),
    "imgpipe.samples": ("make_samples",),
    "imgpipe.task": ("Failure", "Outcome", "Result", "Task"),
    "imgpipe.work": ("run_task",),
    "imgpipe.worker": ("Worker", "WorkerSettings"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [  # noqa: RUF022 - in order, with the version last, and tested to be all there is
    "BadPipeline",
    "Executor",
    "ExecutorError",
    "Failure",
    "FailureCode",
    "Filter",
    "Frame",
    "FuturesExecutor",
    "ImageInfo",
    "ImgpipeError",
    "Journal",
    "Limits",
    "MemoryQueue",
    "Outcome",
    "PictureError",
    "Pipeline",
    "Plan",
    "PlanOptions",
    "QueuedExecutor",
    "QueuedOptions",
    "Range",
    "ReadOptions",
    "Recipe",
    "Report",
    "Result",
    "Task",
    "UsageError",
    "Worker",
    "WorkerSettings",
    "WriteOptions",
    "apply",
    "as_filter",
    "create_executor",
    "make_plan",
    "make_samples",
    "open_queue",
    "process",
    "run",
    "run_task",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'imgpipe' has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only when a name is first used

    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
