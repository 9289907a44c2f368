"""S6, S7, S8: pictures that have taken over their process, payloads that are none, and a password that nobody tells."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import redis
from PIL import Image

from benchmarks.scorecard.row import Found, command, environment, started, tested
from imgpipe import Pipeline, Recipe, Task
from imgpipe.children.sandbox import landlock_abi
from imgpipe.queue import open_queue
from imgpipe.queue.payload import JobPayload, encode_task, needs_of_recipe
from imgpipe.queue.server import RedisServer
from imgpipe.queue.values import MOST_ITEMS, Item, JobSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scorecard.row import Order
    from imgpipe.queue.base import TaskQueue

_ENTER = """
import sys, time
from imgpipe.children.sandbox import Sandbox
box = Sandbox((sys.argv[1],), (sys.argv[1],))
start = time.perf_counter()
box.enter()
print(time.perf_counter() - start)
import os
try:
    pid = os.fork()
except OSError:
    print("refused")
else:
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    print("forked")
"""
_MOST_ENTER_SECONDS = 0.001
_PATIENCE_SECONDS = 300.0
_JOBS = 50
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1e300, "", "..", "../../../etc/passwd", "/etc/passwd", "x\0", [], [[]], {}, {"name": {}},
    "a" * 200,
    10**30, "os:system", "__import__('os')", "!!python/object", "c__builtin__\neval\n",
)  # fmt: skip


def sandboxed(order: Order) -> Found:
    """S6: the attacks that the suite tries, what entering costs, and whether a child can multiply."""
    if not landlock_abi():
        return Found(skipped="this kernel has no Landlock")
    said, misses = tested("executors/test_sandbox.py")
    alone = environment(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # or numpy starts some when it is imported
    costs, forked = [], 0
    for _ in range(order.size(9, 3)):
        ran = subprocess.run(
            [sys.executable, "-c", _ENTER, order.work], env=alone, capture_output=True, text=True, check=True
        )
        seconds, word = ran.stdout.split()
        costs.append(float(seconds))
        forked += word == "forked"
    cost = sorted(costs)[len(costs) // 2]
    misses |= {
        "not denied: more processes": forked,
        "entering takes longer than 1 ms": f"{cost * 1000:.2f} ms" if cost > _MOST_ENTER_SECONDS else "",
    }
    denied = "write, read, connect, run, look into or signal the parent"
    return Found(f"denied: {denied} ({said}); entering costs {cost * 1000:.2f} ms", misses)


def payloads(order: Order) -> Found:
    """S7: damaged jobs and tasks, and bytes in the queue's own keys; the worker goes on, and touches nothing else."""
    chance = random.Random(order.seed)  # noqa: S311 - to be repeated
    inside, outside = order.work / "root", order.work / "outside"
    for folder in (inside, inside / "in", inside / "out", outside):
        folder.mkdir()
    Image.new("RGB", (32, 24)).save(inside / "in" / "a.png")
    Image.new("RGB", (32, 24)).save(outside / "a.png")
    before = {path: path.stat().st_mtime_ns for path in (outside, outside / "a.png", order.work)}
    recipe = Recipe(Pipeline.parse("blur"))
    payload = JobPayload(recipe=recipe, source_root=str(inside / "in"), target_root=str(inside / "out"))
    task = encode_task(Task("", str(inside / "in" / "a.png"), str(inside / "out" / "a.png"), recipe), payload)
    evil = encode_task(
        Task("", str(outside / "a.png"), str(outside / "b.png"), recipe),
        JobPayload(recipe=recipe, source_root=str(outside), target_root=str(outside)),
    )
    count = order.size(10_000, 400)
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        queue = open_queue(server.url)
        words = ["worker", "--redis", server.url, "--root", inside, "-j", 1]
        with started(words, order.work / "log") as worker:
            needs = needs_of_recipe(recipe)
            _hand_over(queue, JobSpec(id="tasks", spec=payload.encode(), needs=needs, breaker=0, window=count + 1),
                       [_damaged(chance, chance.choice((task, evil))) for _ in range(count)])  # fmt: skip
            names = ["tasks"]
            for number in range(_JOBS):
                names.append(f"job-{number}")
                spec = JobSpec(id=names[-1], spec=_damaged(chance, payload.encode()), needs=needs, breaker=0)
                _hand_over(queue, spec, [task, evil])
            settled = _until(lambda: all(_is_over(queue, name) or _is_left(queue, name) for name in names))
            status = queue.status("tasks")
            garbage = _spoil(client, chance)
            _hand_over(queue, JobSpec(id="good", spec=payload.encode(), needs=needs), [task])
            _until(lambda: _is_over(queue, "good") or worker.poll() is not None, seconds=60)
            alive = _is_over(queue, "good")
            restarts = int(worker.poll() is not None)
        wrong = queue.fsck("tasks")
        queue.close()
    assert status is not None
    changed = [
        str(path.name) for path, seen in before.items() if path.stat().st_mtime_ns != seen and path != order.work
    ]
    misses = {
        "workers that ended": restarts,
        "not settled": 0 if settled else status.submitted - status.done - status.failed - status.lost,
        "lost": status.lost,
        "counts that do not add up": len(wrong),
        "files touched outside of the root": changed,
        "a good picture that was not done afterwards": int(not alive),
    }
    if restarts:
        misses["workers that ended"] = (order.work / "log").read_text(encoding="utf-8")[-300:]
    facts = (
        f"{count:,} damaged tasks: {status.failed:,} failed with a reason, {status.done:,} could be read all the same; "
        f"{_JOBS} damaged jobs, {garbage} entries of random bytes in the queue's lists"
    )
    return Found(facts, misses)


def secrets(order: Order) -> Found:
    """S8: a password in the address of Redis, through all commands, with right and wrong servers; the compose file."""
    # The short form is a part of the suite, which has these tests as well.
    said, misses = ("not asked", {}) if order.short else tested("test_compose.py")
    source, told = order.work / "in", dict[str, bytes]()
    source.mkdir()
    Image.new("RGB", (32, 24)).save(source / "a.png")
    (source / "b.png").write_bytes(b"broken")
    token = order.work / "token"
    token.write_text("canary-token-0123456789abcdef", encoding="ascii")
    with RedisServer(tcp=True) as server:
        password = server.url.partition("://:")[2].partition("@")[0]
        far = f"redis://:{password}@127.0.0.1:1/0"
        for kind, url in (("right", server.url), ("wrong", server.url.replace(password, password[::-1])), ("far", far)):
            for words in _commands(source, order):
                told[f"{kind} {' '.join(words[:2])}"] = _said(words, url)
            told[f"{kind} worker"] = _beside(["worker", "--json"], order, url)
            told[f"{kind} serve"] = _beside(["serve", "--port", "0", "--token-file", str(token)], order, url)
    canaries = {"password": (password, password[::-1]), "token": (token.read_text(encoding="ascii"),)}
    leaks = {
        f"{what} in {place}": 1
        for place, output in told.items()
        for what, words in canaries.items()
        if any(word.encode() in output for word in words)
    }
    kept = [path.name for path in order.work.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    misses |= {"leaks": leaks, "files with the password": kept}
    size = sum(map(len, told.values()))
    return Found(
        f"{len(told)} runs with a password, {size / 1000:.0f} kB of output: none tells it; compose: {said}", misses
    )


def _commands(source: Any, order: Order) -> list[list[str]]:
    asked = [
        ["doctor", "--redis", "URL"], ["doctor", "--json", "--redis", "URL"], ["jobs", "list"],
        ["jobs", "list", "--json"],
        ["jobs", "status", "none"], ["workers"], ["queue", "check"], ["metrics", "--json"], ["metrics", "--prometheus"],
        ["monitor", "--once"], ["monitor", "--once", "--json"], ["check"], ["scale", "--json"],
        ["process", str(source), "-o", str(order.work / "out"), "-f", "blur", "--executor", "redis", "--json"],
    ]  # fmt: skip
    return asked[:4] if order.short else asked


def _said(words: list[str], url: str) -> bytes:
    """Run a command to its end, but not longer than a while; the address comes by an option, or by the environment."""
    given = [url if word == "URL" else word for word in words]
    try:
        done = command(*given, seconds=12, env=environment(IMGPIPE_REDIS=url))
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"") + (error.stderr or b"")
    return done.stdout + done.stderr


def _beside(words: list[str], order: Order, url: str) -> bytes:
    """Run a command that does not end; tell it to, when it has had time to say something."""
    log = order.work / "beside.log"
    with started(words, log, env=environment(IMGPIPE_REDIS=url), cwd=order.work) as run:
        _until(lambda: run.poll() is not None, seconds=3)
        run.terminate()
        _until(lambda: run.poll() is not None, seconds=10)
        run.kill()
        assert run.stdout is not None
        said: bytes = run.stdout.read()
    return said + log.read_bytes()


def _hand_over(queue: TaskQueue, spec: JobSpec, payloads: list[bytes]) -> None:
    queue.create(spec)
    after = 0
    for start in range(0, len(payloads), MOST_ITEMS):
        items = [Item(start + number, data) for number, data in enumerate(payloads[start : start + MOST_ITEMS])]
        after = queue.submit(spec.id, items, after=after, last=start + MOST_ITEMS >= len(payloads)).next


def _is_over(queue: TaskQueue, job: str) -> bool:
    status = queue.status(job)
    return status is not None and status.is_over


def _is_left(queue: TaskQueue, job: str) -> bool:
    """Whether a job is one that this worker leaves to others, which may know what it does not."""
    return job != "tasks" and queue.status(job) is not None


def _spoil(client: redis.Redis, chance: random.Random) -> int:
    """Put random bytes into all lists of the queue; return how many entries."""
    count = 0
    for key in list(client.scan_iter("*")):
        if client.type(key) == b"list":
            for _ in range(20):
                client.rpush(key, chance.randbytes(chance.randrange(60)))
                count += 1
    return count


def _damaged(chance: random.Random, data: bytes) -> bytes:
    """Return random bytes, or JSON with some bytes, or some values, replaced by others."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(200))
    if chance.random() < 0.5:
        raw = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            raw[chance.randrange(len(raw))] = chance.choice(b'"{}[]:,0-9aenul\\\0\xff./')
        return bytes(raw)

    def swap(value: Any) -> Any:
        if chance.random() < 0.2:
            return chance.choice(_ODD)
        if isinstance(value, dict):
            return {key: swap(inner) for key, inner in value.items()}
        return [swap(inner) for inner in value] if isinstance(value, list) else value

    return json.dumps(swap(json.loads(data))).encode()


def _until(condition: Callable[[], bool], seconds: float = _PATIENCE_SECONDS) -> bool:
    """Wait until something is so; return whether it was in time."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        if time.monotonic() > end:
            return False
        pause.wait(0.05)
    return True
