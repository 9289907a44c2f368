"""Uploads: processes pictures that come as bodies, in children, since they may be made to crash or hang a decoder."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING, BinaryIO

from imgpipe.children.sandbox import Sandbox, landlock_abi
from imgpipe.display import display_name
from imgpipe.errors import ExecutorError, FailureCode, PictureError
from imgpipe.executors import create_executor
from imgpipe.filters import registry
from imgpipe.machine import default_memory_bytes, usable_cores
from imgpipe.memory import MemoryBudget, memory_bytes
from imgpipe.pictures.header import open_header
from imgpipe.task import Failure, Result, Task
from imgpipe.web.problems import busy, refused_picture
from imgpipe.work import check

if TYPE_CHECKING:
    from imgpipe.executors import Executor
    from imgpipe.recipe import Recipe

_MOST_SLOTS = 8
_MEMORY_SHARE = 0.5  # of what a batch takes: one, and workers of ours, may be at work beside us
_PATIENCE_SECONDS = 20.0
_TOO_SLOW = "send a smaller picture, or ask for less to be done"


class Uploads:
    """A slot for each core; a picture that finds none waits for one. Nothing is started or made before it is needed.

    All of them keep to one budget of memory. Safe to use from several threads.
    """

    def __init__(self, timeout_seconds: float) -> None:
        count = min(usable_cores(), _MOST_SLOTS)
        budget_bytes = int(default_memory_bytes() * _MEMORY_SHARE)
        self._memory = MemoryBudget(budget_bytes)
        self._slots = [_Slot(self._memory, budget_bytes // count, timeout_seconds) for _ in range(count)]
        self._free: LifoQueue[_Slot] = LifoQueue()  # whose child was at work last, and is warm, comes first
        for slot in self._slots:
            self._free.put(slot)

    def process(self, body: bytes, recipe: Recipe) -> tuple[Result, BinaryIO]:
        """Return what became of a picture, and the open file that it has become. It is gone once that is closed.

        Raises `Refused` for a picture that cannot be processed, and when no slot is free for long.
        """
        try:
            slot = self._free.get(timeout=_PATIENCE_SECONDS)
        except Empty:
            raise busy("other pictures are in work", seconds=5) from None
        try:
            return slot.process(body, recipe)
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """End the children."""
        for slot in self._slots:
            slot.close()


class _Slot:
    """A child, and a folder; where the kernel can see to that, the child has no other one."""

    def __init__(self, memory: MemoryBudget, share_bytes: int, timeout_seconds: float) -> None:
        self._memory, self._share_bytes, self._timeout_seconds = memory, share_bytes, timeout_seconds
        self._folder = ""
        self._executor: Executor | None = None

    def process(self, body: bytes, recipe: Recipe) -> tuple[Result, BinaryIO]:
        executor = self._executor or self._start()
        with tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as folder:
            source, target = os.path.join(folder, "body"), os.path.join(folder, "result")
            with open(source, "wb") as file:
                file.write(body)
            try:
                with open_header(source, recipe.limits) as header:
                    check(header.info, recipe)
                    needed_bytes = memory_bytes(header.info, recipe)
                with self._memory.reserve(needed_bytes):
                    (result,) = executor.run([Task("body", source, target, recipe)])
            except PictureError as error:
                raise _refused(error, source) from error
            except ExecutorError:
                self.close()
                raise
            if result.failure is not None:
                raise _refused(result.failure, source)
            return result, _taken(target)

    def close(self) -> None:
        """End the child, whatever it does."""
        if self._executor is not None:
            self._executor.abort()
            self._executor = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> Executor:
        self._folder = tempfile.mkdtemp(prefix="imgpipe-upload-")
        modules = {registry.find(name).__module__ for name in registry.names()}
        files = [getattr(sys.modules[module], "__file__", None) for module in modules]
        read = tuple(os.path.dirname(file) for file in files if file)
        self._executor = create_executor(
            "processes",
            workers=1,
            max_memory_bytes=self._share_bytes,
            timeout_seconds=self._timeout_seconds,
            sandbox=Sandbox(read=read, write=(self._folder,)) if landlock_abi() else None,
        )
        return self._executor


def _taken(path: str) -> BinaryIO:
    """Return the content of a file as one that has no name, and stays when the folder goes."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer owns it, see FilePart
    with open(path, "rb") as source:
        shutil.copyfileobj(source, file)
    file.flush()  # its length is asked for
    return file


def _refused(failure: PictureError | Failure, source: str) -> Exception:
    """Return the refusal of a picture, without the name that it had here."""
    remedy = _TOO_SLOW if failure.code is FailureCode.TIMEOUT else failure.remedy
    return refused_picture(failure.code, failure.message.replace(display_name(source), "the body"), remedy)
