"""Filters that end, hang or fill the process that runs them; import it inside a test: others must not see them."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import subprocess
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from imgpipe import Filter
from imgpipe.pictures.staging import Staged

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe import Frame

Deed = Literal["segfault", "abort", "exit", "kill", "terminate", "hang", "hog", "raise", "nothing"]


class Deadly(Filter, name="test.deadly", modes=("L", "RGB"), alpha="separate"):
    """Do a deed to pictures of a certain width, and nothing to others; put a sign into a folder before it."""

    deed: Deed = "nothing"
    width: int = 0
    signs: str = ""

    def apply(self, frame: Frame) -> Frame:
        """Do it."""
        if self.width in (0, frame.width):
            if self.signs:
                Path(self.signs, str(os.getpid())).touch()
            DEEDS[self.deed]()
        return frame


class Fate(Filter, name="test.fate", modes=("L", "RGB"), alpha="separate"):
    """Do to each picture what its width says: 11 segfault, 12 hang, 13 fill the memory, others nothing."""

    def apply(self, frame: Frame) -> Frame:
        """Do it."""
        DEEDS[{11: "segfault", 12: "hang", 13: "hog"}.get(frame.width, "nothing")]()
        return frame


class LastWord(Filter, name="test.last_word", modes=("L", "RGB"), alpha="separate"):
    """Kill the process when it has published the picture, before it can say so."""

    signs: str = ""

    def apply(self, frame: Frame) -> Frame:
        """Lay the trap."""
        Path(self.signs, str(os.getpid())).touch()
        publish = Staged.publish

        def publish_and_die(*arguments: Any, **named: Any) -> int:
            publish(*arguments, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        Staged.publish = publish_and_die  # type: ignore[method-assign]  # in a child that is about to end
        return frame


def _hang() -> None:
    """Sleep in a native call that holds the interpreter's lock: nothing in Python can interrupt it."""
    ctypes.PyDLL(None).sleep(600)


def _hog() -> None:
    """Take memory until there is no more."""
    blocks = []
    while True:
        blocks.append(bytearray(64 << 20))


def _raise() -> None:
    raise ValueError("not this one")


DEEDS = {
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "terminate": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "hang": _hang,
    "hog": _hog,
    "raise": _raise,
    "nothing": lambda: None,
}


class Trespass(Filter, name="test.trespass", modes=("L", "RGB"), alpha="separate"):
    """Do with the file or the port `where` what a picture that has taken over its process would do."""

    deed: str = ""
    where: str = ""

    def apply(self, frame: Frame) -> Frame:
        """Do it."""
        TRESPASSES[self.deed](self.where)
        return frame


def _connect(where: str) -> None:
    with socket.create_connection(("127.0.0.1", int(where)), timeout=5):
        pass


def _listen(where: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(where)))


def _talk(where: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talker:
        talker.sendto(b"secret", ("127.0.0.1", int(where)))


def _multiply(where: str) -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


def _run(where: str) -> None:
    subprocess.run(["/bin/true"], check=True)


TRESPASSES: dict[str, Callable[[str], object]] = {
    "read": lambda where: Path(where).read_bytes(),
    "list": os.listdir,
    "write": lambda where: Path(where + ".new").write_bytes(b"mine"),
    "append": lambda where: open(where, "ab").close(),
    "truncate": lambda where: os.truncate(where, 0),
    "unlink": os.unlink,
    "rename": lambda where: os.rename(where, where + ".old"),
    "link": lambda where: os.link(where, where + ".link"),
    "symlink": lambda where: os.symlink(where, where + ".symlink"),
    "mkdir": lambda where: os.mkdir(where + ".folder"),
    "rmdir": os.rmdir,
    "connect": _connect,
    "listen": _listen,
    "talk": _talk,
    "open a socket": lambda where: socket.socket(socket.AF_UNIX).close(),
    "multiply": _multiply,
    "run": _run,
    "signal": lambda where: os.kill(int(where), 0),
    "look into": lambda where: Path("/proc", where, "environ").read_bytes(),
}


class Impostor(Filter, name="test.impostor", modes=("L", "RGB"), alpha="separate"):
    """Send the parent something that makes a file where it is unpickled, as a taken-over process would."""

    sign: str = ""

    def apply(self, frame: Frame) -> Frame:
        """Send it through every pipe."""
        for thing in gc.get_objects():
            if isinstance(thing, Connection) and thing.writable and thing.readable:
                thing.send(Poison(self.sign))
        return frame


class Poison:
    """Makes a file where it is unpickled."""

    def __init__(self, sign: str) -> None:
        self._sign = sign

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self._sign,)
