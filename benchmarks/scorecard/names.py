"""S5: files with names that would like to act on a terminal, through everything that shows names."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import subprocess
import unicodedata
import urllib.parse
from typing import TYPE_CHECKING, Any

from benchmarks.scorecard.row import IMGPIPE, Found, command, environment, started
from imgpipe.queue.server import RedisServer
from imgpipe.samples import sample

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.scorecard.row import Order

_EVIL = (
    b"\x1b]0;owned\x07", b"\x1b[38;5;201m", b"\x1b[2J", b"\x1b[?1049l", b"\x1bP+q\x1b\\", b"\x1b[6n", b"\x9b31m",
    b"\xc2\x9b31m", b"\xc2\x9d0;owned\xc2\x9c", b"\n", b"\r", b"\r\n", b"\t", b"\x07", b"\x08\x08\x08", b"\x7f",
    b"\x0e",
    "\u202egpj".encode(), "\u2066\u2069".encode(), "\u200b\ufeff".encode(), "\u2028\u2029".encode(),
    "\U000e0041".encode(),
    b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"[bold]", b"[red", b"[link=x]a", b"%2e%2e", b"%s%n{0}", b"$(id)",
    b"`id`", b"-rf", b"--help", b"@list", b"a b", b"'\"", b"\\", b"*?[a]", b"~", "é日本".encode(), b"a" * 200, b"a..",
)  # fmt: skip
_OWN = re.compile(rb"\x1b\[[0-9;]*[mKABCDGHJ]|\x1b\[\?(?:25|2026|1049)[hl]")
_FORBIDDEN = (b"\x1b[38;5;201", b"\x1b[6n", b"owned\x07")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def nasty_names(order: Order) -> Found:
    """S5: what is written to a terminal has no sequence but our own; what is written for machines has every name."""
    source = order.work / "in"
    source.mkdir()
    names = _names(random.Random(order.seed), order.size(200, 40))  # noqa: S311 - to be repeated
    sample(1, 64, 48).save(order.work / "good.jpg")
    good = (order.work / "good.jpg").read_bytes()
    for number, name in enumerate(names):
        with open(os.path.join(os.fsencode(source), name), "wb") as file:
            file.write(b"broken" if number % 3 else good)
    wrong: dict[str, Any] = {}
    shown = 0
    with RedisServer() as server:
        at = ["--redis", server.url]
        queued = ["--executor", "redis", *at]
        with started(["worker", *at, "-j", 1], order.work / "worker.log"):
            looks: dict[str, list[object]] = {
                "process": ["process", source, "-o", order.work / "out", "-f", "resize:20x"],
                "process on redis": ["process", source, "-o", order.work / "far", "-f", "resize:20x", *queued],
                "info": ["info", source],
                "preview": ["process", source, "-o", order.work / "none", "-f", "blur", "--dry-run"],
                "one by one": ["info", *(os.path.join(os.fsencode(source), name) for name in names[:20])],
                "jobs": ["jobs", "list", *at],
                **{f"monitor {view}": ["monitor", "--once", "--view", view, *at] for view in (1, 2, 4)},
            }
            for what, words in looks.items():
                output = _on_a_terminal(words)
                shown += len(output)
                if found := _acts(output):
                    wrong[what] = found
        wrong |= _served(order, names)
    told = command("process", source, "-o", order.work / "machines", "-f", "resize:20x", "--json", "--json-items")
    events = [json.loads(line) for line in told.stdout.splitlines()]
    came_back = {os.fsencode(os.path.basename(event["source"])) for event in events if event["type"] == "item"}
    misses = {
        "shown": wrong,
        "exceptions": (told.stderr if b"Traceback" in told.stderr else b"").decode(errors="replace")[-300:],
        "names that did not come back": len(set(names) - came_back),
    }
    facts = f"{len(names)} names through {len(looks)} commands on a terminal and a server, {shown / 1000:.0f} kB: only"
    return Found(f"{facts} our own escape sequences; all names came back in JSON", misses)


def _names(chance: random.Random, count: int) -> list[bytes]:
    """Return names, all different: each evil by itself, then several together."""
    names = [evil + b".jpg" for evil in _EVIL]
    while len(names) < count:
        name = b"".join(chance.choice(_EVIL) for _ in range(chance.randrange(2, 4)))[:200] + b"%d.jpg" % len(names)
        names.append(name)
    return names[:count]


def _on_a_terminal(words: list[object]) -> bytes:
    """Run `imgpipe` on a terminal of its own; return all that it has written there."""
    ours, theirs = pty.openpty()
    arguments = [word if isinstance(word, bytes) else os.fsencode(str(word)) for word in words]
    process = subprocess.Popen(
        [*map(os.fsencode, IMGPIPE), *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env=environment(TERM="xterm-256color", COLUMNS="160", LINES="50", PYTHONUTF8="1"),
    )  # fmt: skip
    os.close(theirs)
    output = b""
    while block := _read(ours):
        output += block
    os.close(ours)
    process.wait()
    return output


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # how Linux says that nobody is there any more
        return b""


def _acts(output: bytes) -> str:
    """Return what in it acts on a terminal and is not ours, "" if there is nothing."""
    if b"Traceback" in output:
        return output[output.index(b"Traceback") :][-300:].decode(errors="replace")
    for bad in _FORBIDDEN:
        if bad in output:
            return repr(bad)
    rest = _OWN.sub(b"", output).replace(b"\r\n", b"\n").replace(b"\r", b"")
    try:
        text = rest.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: {rest[max(error.start - 20, 0) : error.start + 20]!r}"
    acting = [char for char in text if unicodedata.category(char) in _INVISIBLE and char != "\n"]
    return repr(text[max(text.index(acting[0]) - 30, 0) : text.index(acting[0]) + 30]) if acting else ""


def _served(order: Order, names: list[bytes]) -> dict[str, Any]:
    """Ask a server for each name; return what in its log acts, and answers that are no JSON."""
    import http.client

    log: Path = order.work / "serve.log"
    wrong: dict[str, Any] = {}
    with started(["serve", "--port", 0, "--images", order.work / "in"], log, cwd=order.work) as run:
        assert run.stdout is not None
        port = int(re.findall(rb"127\.0\.0\.1:(\d+)/", run.stdout.readline())[0])
        for name in names:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/api/image/info/?name=" + urllib.parse.quote_from_bytes(name))
            answer = connection.getresponse()
            try:
                json.loads(answer.read())
            except ValueError as error:
                wrong["an answer"] = f"{name!r}: {error}"
            if answer.status >= 500:
                wrong["a status"] = f"{name!r}: {answer.status}"
            connection.close()
        run.terminate()
        logged = run.stdout.read() + log.read_bytes()
    if found := _acts(logged):
        wrong["the server's log"] = found
    return wrong
