"""Filters that leave a trace, wait or are slow in a child of a worker; import it inside a test, or with --import."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from imgpipe import FailureCode, Filter
from imgpipe.errors import PictureError

if TYPE_CHECKING:
    from imgpipe import Frame

PATIENCE_SECONDS = 60.0


class Trace(Filter, name="test.trace", modes=("L", "RGB")):
    """Write down in a file which picture begins, by its width, and which ends; wait in between for a gate to open."""

    log: Annotated[str, "a file to which lines are added"] = ""
    gate: Annotated[str, "a file: while it is not there, pictures that are wide enough wait"] = ""
    wide: Annotated[int, "pictures from this width on wait"] = 0

    def apply(self, frame: Frame) -> Frame:
        """Leave the pixels as they are."""
        self._write("begin", frame.width)
        if self.gate and frame.width >= self.wide:
            wait_for_file(self.gate)
        self._write("end", frame.width)
        return frame

    def _write(self, what: str, width: int) -> None:
        line = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(line, f"{what} {width} {os.getpid()}\n".encode())
        finally:
            os.close(line)


class HoldGil(Filter, name="test.hold_gil", modes=("L", "RGB")):
    """Sleep in a native call that holds the interpreter's lock."""

    milliseconds: int = 0

    def apply(self, frame: Frame) -> Frame:
        """Leave the pixels as they are."""
        ctypes.PyDLL(None).usleep(self.milliseconds * 1000)
        return frame


class Killer(Filter, name="test.killer", modes=("L", "RGB")):
    """Kill the whole process group at pictures of a certain width, after a while, as one does that fills the memory."""

    width: int = 0

    def apply(self, frame: Frame) -> Frame:
        """Do it."""
        if frame.width == self.width:
            threading.Event().wait(0.5)
            os.killpg(0, signal.SIGKILL)
        return frame


class FullOnce(Filter, name="test.full_once", modes=("L", "RGB")):
    """Say that the disk is full, the first time."""

    sign: str = ""

    def apply(self, frame: Frame) -> Frame:
        """Leave the pixels as they are, the second time."""
        if not Path(self.sign).exists():
            Path(self.sign).touch()
            raise PictureError(FailureCode.DISK_FULL, "no space left")
        return frame


class Chance(Filter, name="test.worker_chance", modes=("L", "RGB")):
    """Paint pictures with the number of the process: no two workers give the same."""

    def apply(self, frame: Frame) -> Frame:
        """Paint."""
        from PIL import Image

        return frame.with_image(Image.new(frame.image.mode, frame.image.size, os.getpid() % 251))


def wait_for_file(path: str) -> None:
    """Wait until a file is there."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.01)):
        if Path(path).exists():
            return
        pause.wait(0.01)
    raise TimeoutError(path)
