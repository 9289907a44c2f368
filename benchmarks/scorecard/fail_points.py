"""Fail-points: for processes that run tasks; imported by name, it has pictures fail where and how their names say.

`write-kill.png` kills the process when it has been encoded, before it gets its name. The product has no such hooks:
its functions are replaced here, in processes that import this module, and nowhere else.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import imgpipe.children.child
import imgpipe.executors.sequential
import imgpipe.executors.threads
from imgpipe import Filter, work
from imgpipe.pictures.staging import Staged

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe import Frame

_HANG_SECONDS = 600
_current = threading.local()


class Points(Filter, name="scorecard.points", modes=("L", "RGB"), alpha="separate"):
    """Do to a picture what its name says, if it is about this point; otherwise nothing."""

    def apply(self, frame: Frame) -> Frame:
        """Leave the pixels as they are."""
        _point("filter")
        return frame


def _point(name: str) -> None:
    source: str = _current.source
    point, _, deed = os.path.basename(source).partition(".")[0].partition("-")
    if point != name:
        return
    sign = os.path.join(os.path.dirname(source), "..", "signs", f"{point}-{deed}")
    # What would end the run is done once, so that the next run can get by; what is told of a picture, every time.
    if deed != "raise" or point == "told":
        try:
            os.close(os.open(sign, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            if deed != "hang" or "own" not in os.environ.get("SCORECARD_HANGS", ""):
                return
    if deed == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == "hang":
        ctypes.PyDLL(None).sleep(_HANG_SECONDS)
    else:
        raise RuntimeError(f"at {name}")


def _before(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        _point(name)
        return function(*arguments, **named)

    return wrapped


def _after(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        answer = function(*arguments, **named)
        _point(name)
        return answer

    return wrapped


def _told(run_task: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(task: Any, **named: Any) -> Any:
        _current.source = task.source
        result = run_task(task, **named)
        _point("told")
        return result

    return wrapped


def _lay() -> None:
    for module in (imgpipe.children.child, imgpipe.executors.sequential, imgpipe.executors.threads):
        module.run_task = _told(module.run_task)  # type: ignore[attr-defined]  # where it is called by that name
    for name, function in (("open", "open_header"), ("decode", "decode")):
        setattr(work, function, _before(name, getattr(work, function)))
    Staged.publish = _before("write", Staged.publish)  # type: ignore[method-assign]
    Staged._name = _after("named", _before("name", Staged._name))  # type: ignore[method-assign]  # noqa: SLF001 - the very moment


if "SCORECARD_POINTS" in os.environ and "imgpipe" in sys.modules:
    _lay()
