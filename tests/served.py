"""Served: `imgpipe serve` in a process of its own, and the lines for curl that one types at it."""

from __future__ import annotations

import http.client
import re
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_SECONDS = 60


class Served:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int, told: list[str]) -> None:
        self.process, self.port, self.told = process, port, told

    def send(self, target: str) -> socket.socket:
        """Ask for something, and leave the connection open."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return sock

    def end(self) -> tuple[int, str]:
        """Wait for the end, and return the exit code and what was written to stderr."""
        _, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, err


@contextmanager
def serve(*arguments: str, cwd: Path | None = None) -> Iterator[Served]:
    """Start the command on a free port."""
    command = [sys.executable, "-m", "imgpipe", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=cwd
    ) as process:
        try:
            assert process.stdout is not None
            told = [process.stdout.readline(), process.stdout.readline()]
            match = re.search(r"http://127\.0\.0\.1:(\d+)/", told[0])
            assert match is not None, (told, process.communicate()[1])
            yield Served(process, int(match[1]), told)
        finally:
            process.kill()


def curl(line: str, port: int, folder: Path) -> bytes:
    """Type a line for curl, or do what it would; return what came of it, also if that went into a file."""
    line = line.replace("localhost:8000", f"localhost:{port}")
    words = shlex.split(line)
    if not shutil.which("curl"):
        return _fetch(words)
    quick = line.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
    done = subprocess.run(["sh", "-c", quick], cwd=folder, capture_output=True, timeout=120, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return (folder / words[words.index("-o") + 1]).read_bytes() if "-o" in words else done.stdout


def _fetch(words: list[str]) -> bytes:
    address = urlsplit(next(word for word in words if word.startswith("http://")))
    headers = dict([words[words.index("-H") + 1].split(": ", 1)]) if "-H" in words else {}
    body = words[words.index("-d") + 1] if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if body else "GET"
    connection = http.client.HTTPConnection(address.netloc, timeout=120)
    connection.request(method, f"{address.path}?{address.query}".rstrip("?"), body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.status < 300, data
    return data
