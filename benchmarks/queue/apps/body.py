"""Body: what the jobs do, the same for all queues. What they leave behind is how anybody knows that they ran."""

from __future__ import annotations

import mmap
import os
import struct
import sys
import threading
import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BEST = os.environ.get("BENCH_BEST") == "1"
URL = os.environ.get("BENCH_URL", "")
_SIDE = 256


def noop(name: str) -> None:
    """Do nothing but count, in memory that the harness shares: no system call."""
    del name
    count()


def count(number: int = 1) -> None:
    """Add to the number of jobs that this thread has done."""
    memory = _counter(os.getpid(), threading.get_ident())
    struct.pack_into("<q", memory, 0, struct.unpack_from("<q", memory, 0)[0] + number)


def thumbnail(name: str) -> None:
    """Make out/NAME of in/NAME, and write down that it began and that it is done, each with one write that appends."""
    from PIL import Image

    folder = os.environ["BENCH_FOLDER"]
    _write_down(folder, f"begin {name}")
    target = os.path.join(folder, "out", name)
    temporary = f"{target}.{os.getpid()}.part"
    with Image.open(os.path.join(folder, "in", name)) as picture:
        picture.thumbnail((_SIDE, _SIDE))
        picture.save(temporary, picture.format)
    os.replace(temporary, target)
    _write_down(folder, f"end {name}")


def submit_lines(submit: Callable[[str, Sequence[str]], None]) -> None:
    """Hand over the jobs of standard input; print seconds and processor seconds that it took."""
    names = sys.stdin.read().split()
    wall, cpu = time.perf_counter(), time.process_time()
    submit(sys.argv[1], names)
    print(time.perf_counter() - wall, time.process_time() - cpu)


@cache
def _counter(pid: int, thread: int) -> mmap.mmap:
    path = os.path.join(os.environ["BENCH_FOLDER"], f"count-{pid}-{thread}")
    with open(path, "w+b") as file:
        file.write(bytes(8))
        file.flush()
        return mmap.mmap(file.fileno(), 8)


def _write_down(folder: str, what: str) -> None:
    ledger = os.open(os.path.join(folder, "ledger"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(ledger, f"{what} {os.environ['CHAOS_WORKER']} {time.monotonic()}\n".encode())
    finally:
        os.close(ledger)
