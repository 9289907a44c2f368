"""Tests of memory: the estimate is near the truth, and the budget keeps its limit, its order and its nerve."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgpipe.memory import MemoryBudget, memory_bytes, unlimited
from imgpipe.pictures.header import open_header
from imgpipe.pictures.options import Limits
from running_tasks import picture, recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

needs_vips = pytest.mark.skipif(
    importlib.util.find_spec("pyvips") is None and not os.environ.get("CI"), reason="pyvips is not installed"
)

# Measures in a process of its own: what another test has freed would be taken for nothing.
_MEASURE = """
import sys
from running_tasks import done
small, large, target, pipeline, options = sys.argv[1:]
done(small, target, pipeline, **eval(options))
def now(): return int(open("/proc/self/statm").read().split()[1]) * 4096
def most(): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
before = now()
done(large, target, pipeline, **eval(options))
print(most() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the kernel does not tell how much was used")
@pytest.mark.parametrize(
    ("name", "mode", "saving", "pipeline", "options"),
    [
        ("a.jpg", "RGB", {"progressive": True, "subsampling": 0}, "resize:400x300", {}),
        ("a.jpg", "RGB", {}, "blur:2", {"quality": 95, "optimize": True}),
        ("a.jpg", "RGB", {}, "sharpen", {}),
        pytest.param("a.jpg", "RGB", {}, "blur:2", {"engine": "vips"}, marks=needs_vips),
        pytest.param("a.jpg", "RGB", {}, "brightness:2", {"engine": "vips", "format": "png"}, marks=needs_vips),
        ("a.jpg", "CMYK", {}, "brightness:1.2", {"format": "webp"}),
        ("a.png", "RGBA", {"compress_level": 1}, "sharpen", {"effort": 1}),
        ("a.webp", "RGBA", {"method": 0}, "resize:500x", {"format": "jpeg"}),
        ("a.gif", "RGB", {"save_all": True, "frames": 3}, "blur:1", {"format": "png", "effort": 1}),
    ],
)
def test_estimate_is_near_the_truth(tmp_path, name, mode, saving, pipeline, options):
    """What is reserved for a picture is between 0.8 and 2.5 times what it takes."""
    side = 600 if "frames" in saving else 1200
    small, large = (_saved(tmp_path, size, name, mode, dict(saving)) for size in (40, side))
    with open_header(large, Limits()) as header:
        foreseen = memory_bytes(header.info, recipe(pipeline, **options))

    arguments = [small, large, str(tmp_path / "out"), pipeline, repr(options)]
    child = subprocess.run(
        [sys.executable, "-c", _MEASURE, *arguments],
        env=os.environ | {"PYTHONPATH": os.path.dirname(__file__)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "" == child.stderr
    assert 0.8 <= foreseen / int(child.stdout) <= 2.5


def test_estimate_grows_with_what_is_done(tmp_path):
    """More frames, more filters and a larger result never make the estimate smaller."""
    path = _saved(tmp_path, 60, "a.gif", "RGB", {"save_all": True, "frames": 3})

    with open_header(path, Limits()) as header:
        texts = ("", "blur:1", "blur:1 | sharpen", "blur:1 | sharpen | resize:900x900,enlarge=true")
        first = memory_bytes(header.info, recipe(frames="first"))
        estimates = [first, *(memory_bytes(header.info, recipe(text)) for text in texts)]

    assert sorted(estimates) == estimates


def _saved(folder: Path, side: int, name: str, mode: str, saving: dict[str, Any]) -> str:
    path = str(folder / f"{side}-{name}")
    # Fine grain would make the encoders' outputs larger than any picture's.
    image = picture(mode, (side // 4, side // 4)).resize((side, side), Image.Resampling.BICUBIC)
    if frames := saving.pop("frames", 0):
        saving |= {"append_images": [image.rotate(90 * turn) for turn in range(1, frames)], "duration": 50}
    image.save(path, **saving)
    return path


class _Watched(threading.Condition):
    """A condition that counts those who begin to wait, and can interrupt one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Semaphore(0)
        self.interrupted: set[str] = set()

    def wait(self, timeout: float | None = None) -> bool:
        name = threading.current_thread().name
        if name in self.interrupted:
            self.interrupted.discard(name)
            raise KeyboardInterrupt
        self.waiting.release()
        return super().wait(timeout)


class _Room:
    """A budget, and threads that stay in it until they are told to leave."""

    def __init__(self, limit: int) -> None:
        self.budget = MemoryBudget(limit)
        self.watched = _Watched()
        self.budget._changed = self.watched
        self.entered: list[str] = []
        self.came = threading.Semaphore(0)
        self._doors: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def send(self, name: str, needed: int) -> None:
        """Start a thread that asks for room."""
        self._doors[name] = threading.Event()
        self._threads[name] = threading.Thread(target=self._stay, args=(name, needed), name=name)
        self._threads[name].start()

    def _stay(self, name: str, needed: int) -> None:
        with contextlib.suppress(KeyboardInterrupt), self.budget.reserve(needed):
            self.entered.append(name)
            self.came.release()
            assert self._doors[name].wait(5)

    def leave(self, name: str) -> None:
        """Let one go, and wait until it is gone."""
        self._doors[name].set()
        self._threads[name].join(5)

    def waits(self) -> None:
        """Wait until one more thread waits."""
        assert self.watched.waiting.acquire(timeout=5)

    def comes(self) -> None:
        """Wait until one more thread is in."""
        assert self.came.acquire(timeout=5)


def test_those_who_fit_go_in_together():
    """As many are in as fit, and no more."""
    room = _Room(10)
    for name, needed in (("a", 6), ("b", 4)):
        room.send(name, needed)
        room.comes()
    room.send("c", 1)
    room.waits()

    assert ["a", "b"] == room.entered
    assert 10 == room.budget._used_bytes
    room.leave("b")
    room.comes()
    assert ["a", "b", "c"] == room.entered
    room.leave("a")
    room.leave("c")


def test_giant_goes_in_alone_and_is_not_starved():
    """One that needs more than the limit waits until nobody is in; small ones that came later wait behind it."""
    room = _Room(10)
    room.send("first", 5)
    room.comes()
    room.send("giant", 50)
    room.waits()
    room.send("small", 1)
    room.waits()
    assert ["first"] == room.entered

    room.leave("first")
    room.comes()

    assert ["first", "giant"] == room.entered
    room.leave("giant")
    room.comes()
    assert ["first", "giant", "small"] == room.entered
    room.leave("small")


@pytest.mark.parametrize("which", ["second", "third"])
def test_interrupted_waiter_leaves_the_queue_intact(which):
    """If one of those who wait is interrupted, those behind it come in as if it had never been."""
    room = _Room(10)
    room.send("first", 10)
    room.comes()
    for name in ("second", "third", "fourth"):
        room.send(name, 10)
        room.waits()

    room.watched.interrupted.add(which)
    with room.watched:
        room.watched.notify_all()
    room._threads[which].join(5)
    others = [name for name in ("first", "second", "third", "fourth") if name != which]
    for name in others[:-1]:
        room.leave(name)
        room.comes()
    room.leave(others[-1])

    assert others == room.entered
    assert (0, 0) == (room.budget._used_bytes, len(room.budget._queue))


def test_exception_gives_the_room_back():
    """Whatever ends the block, the bytes are free again."""
    budget = MemoryBudget(10)

    with pytest.raises(KeyboardInterrupt), budget.reserve(7):
        raise KeyboardInterrupt

    assert (0, 0) == (budget._used_bytes, budget._holders)


@given(st.integers(1, 20), st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_limit_is_never_passed(limit, needs, workers):
    """However many ask for however much, more than the limit is in use only by one alone; everybody gets in."""
    budget = MemoryBudget(limit)
    inside: list[int] = []
    seen: list[tuple[int, int]] = []
    lock = threading.Lock()
    left = iter(needs)

    def work() -> None:
        while True:
            with lock:
                needed = next(left, None)
            if needed is None:
                return
            with budget.reserve(needed):
                with lock:
                    inside.append(needed)
                    seen.append((sum(inside), len(inside)))
                with lock:
                    inside.remove(needed)

    _together(work, workers)

    assert len(needs) == len(seen)
    assert all(used <= limit or holders == 1 for used, holders in seen)
    assert (0, 0) == (budget._used_bytes, len(budget._queue))


def test_unlimited_lets_everything_in():
    """Without a budget nobody waits."""
    with unlimited(1 << 60), unlimited(1 << 60):
        pass


def _together(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
