"""Child: the loop of one child process: take a task, run it, give back the result, until told to end."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
from functools import partial
from multiprocessing import forkserver
from typing import TYPE_CHECKING

from imgpipe.allocator import give_back_freed_buffers, keep_freed_buffers
from imgpipe.children.messages import Begun, Finished, Ready, Unfit
from imgpipe.children.sandbox import Sandbox, keep_to_one_thread
from imgpipe.children.system_calls import libc
from imgpipe.pictures.staging import always
from imgpipe.work import run_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from imgpipe.children.fence import Fence
    from imgpipe.info import ImageInfo
    from imgpipe.pipeline import Pipeline
    from imgpipe.task import Task

_SLACK_BYTES = 256 << 20  # stacks, libraries and small things beside the picture
_PR_SET_PDEATHSIG = 1
_IDLE_SECONDS = 0.1  # then a child holds no memory that another one may need


def serve(
    pipe: Connection, name: str, share_bytes: int, sandbox: Sandbox | None = None, fence: Fence | None = None
) -> None:
    """Take a pipeline to warm up for, then run tasks. Ends when told to, when the pipe breaks, when the parent dies.

    What the parent sends is trusted, pictures are not: a `sandbox` is entered between the two. Nothing is published
    that the `fence` does not allow.
    """
    # Ctrl-C at a terminal reaches every process of its group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGQUIT"):  # the parent asks what we are doing
        faulthandler.register(signal.SIGQUIT)
    _die_with_parent()
    keep_freed_buffers(share_bytes)
    memory = _Memory(share_bytes)

    @contextlib.contextmanager
    def reserve(needed_bytes: int, info: ImageInfo) -> Iterator[None]:
        asks = needed_bytes > share_bytes
        pipe.send(Begun(needed_bytes, f"{info.width}x{info.height} {info.format} {info.stored_mode}", asks))
        if asks:
            give_back_freed_buffers()
            pipe.recv()
        with memory.limited(needed_bytes):
            yield

    with contextlib.suppress(EOFError, OSError):
        try:
            if sandbox is not None:
                keep_to_one_thread()
            pipeline: Pipeline = pipe.recv()
            for step in pipeline.filters:
                step.warm_up()  # so that the first picture is not charged for it
            if sandbox is not None:
                sandbox.enter({type(step).__module__ for step in pipeline.filters})
            _watch_parent()
            pipe.send(Ready(memory.rss_bytes()))
            while (given := _next(pipe)) is not None:
                task, term = given
                may_publish = partial(fence.is_open, term) if fence is not None else always
                result = run_task(task, worker=name, reserve=reserve, may_publish=may_publish)
                pipe.send(Finished(result, memory.rss_bytes()))
        except (EOFError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - a module that cannot be imported here, whatever it raises
            pipe.send(Unfit(f"{type(error).__name__}: {error}"))


def _next(pipe: Connection) -> tuple[Task, int] | None:
    """Wait for the next task; what was kept for it goes back if it does not come soon."""
    if not pipe.poll(_IDLE_SECONDS):
        give_back_freed_buffers()
    given: tuple[Task, int] | None = pipe.recv()
    return given


class _Memory:
    """What this process weighs, and a lid on it while a picture is in work."""

    def __init__(self, share_bytes: int) -> None:
        self._share_bytes = share_bytes
        self._page_bytes = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

    def rss_bytes(self) -> int:
        """Return the memory in use, 0 where the system does not tell."""
        return self._pages(1) * self._page_bytes

    @contextlib.contextmanager
    def limited(self, needed_bytes: int) -> Iterator[None]:
        """Turn memory beyond twice the estimate into a `MemoryError`, before the system has to kill somebody."""
        size = self._pages(0) * self._page_bytes
        if not size:
            yield
            return
        import resource  # noqa: PLC0415 - POSIX only

        before = resource.getrlimit(resource.RLIMIT_AS)
        lid = size + max(2 * needed_bytes, self._share_bytes) + _SLACK_BYTES
        hard = before[1]
        resource.setrlimit(resource.RLIMIT_AS, (lid if hard == resource.RLIM_INFINITY else min(lid, hard), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)

    def _pages(self, column: int) -> int:
        try:
            with open("/proc/self/statm", "rb") as file:
                return int(file.read().split()[column])
        except OSError:
            return 0


def _die_with_parent() -> None:
    """See to it that no child outlives its parent, not even one that hangs in a native call."""
    if sys.platform == "linux":
        # Our own parent is the forkserver, which stays while a child holds this descriptor. Without it, it ends when
        # the program does that uses us, however that ends, and then the kernel ends us.
        alive = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)  # noqa: SLF001 - there is no other way
        if alive is not None:
            os.close(alive)
        libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch_parent() -> None:
    """Do the same where the kernel does not; not earlier, because a sandbox confines no thread that is there before."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
