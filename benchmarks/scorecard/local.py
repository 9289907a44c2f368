"""R2, R6, R7: one machine; children that are killed, pictures that kill them, and runs that are cut off."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from typing import TYPE_CHECKING

import psutil
from PIL import Image

from benchmarks.chaos.oracle import faults_of
from benchmarks.chaos.scene import PIPELINE, Asked, expected_digests, identity, lay_out
from benchmarks.scorecard.row import IMGPIPE, MEBIBYTE, Found, decoders, environment
from imgpipe import Outcome, Pipeline, Recipe, Task, process
from imgpipe.executors.processes import ProcessesExecutor

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.scorecard.row import Order
    from imgpipe import Result

_EVERY_SECONDS = 0.3
_RECORDED_AT_ONCE = 64  # results that the ledger may still have in memory
_IN_WORK = 2


def children_killed(order: Order) -> Found:
    """R2: a random child of `--executor processes` is killed every 300 ms."""
    asked = _asked(order, order.size(10_000, 300))
    source, target = lay_out(asked, order.work / "row"), order.work / "row" / "out"
    stop, chance = threading.Event(), random.Random(order.seed)  # noqa: S311 - to be repeated
    kills: list[int] = []

    def kill() -> None:
        while not stop.wait(_EVERY_SECONDS):
            if there := decoders(psutil.Process()):
                victim = chance.choice(there)
                with contextlib.suppress(psutil.Error):
                    victim.kill()
                    kills.append(victim.pid)

    killer = threading.Thread(target=kill)
    results: list[Result] = []
    killer.start()
    try:
        with ProcessesExecutor(2, 1024 * MEBIBYTE) as executor:
            report = process(source, PIPELINE, target, executor=executor, each=results.append)
    finally:
        stop.set()
        killer.join()
    misses = faults_of(target, whole(asked, source), {}) | {
        "innocents that failed": sum(result.outcome is not Outcome.DONE for result in results),
        "without exactly one result": abs(asked.tasks - len({result.target for result in results})),
        "too few kills": max(order.size(20, 1) - len(kills), 0),
    }
    again = sum(result.attempt - 1 for result in results)
    facts = f"{asked.tasks:,} pictures, {len(kills)} kills of 2 children, {again} run again, {report.seconds:.0f} s"
    return Found(facts, misses)


def poison(order: Order) -> Found:
    """R6: pictures that crash, hang or fill their child, among good ones."""
    import deadly_filters  # its filters are for this row alone

    good, crash, hang, hog = order.size(1000, 60), order.size(10, 2), order.size(5, 1), order.size(5, 1)
    widths = [11] * crash + [12] * hang + [13] * hog + [20] * good
    random.Random(order.seed).shuffle(widths)  # noqa: S311 - to be repeated
    recipe = Recipe(Pipeline.of([deadly_filters.Fate()]))
    for width in set(widths):
        Image.new("RGB", (width, 10)).save(order.work / f"{width}.png")
    tasks = [
        Task(str(number), str(order.work / f"{width}.png"), str(order.work / "out" / f"{number}.png"), recipe)
        for number, width in enumerate(widths)
    ]
    with ProcessesExecutor(2, 128 * MEBIBYTE, timeout_seconds=1.0) as executor:
        results = {result.task_id: result for result in executor.run(tasks)}
    told = Counter(
        (widths[int(number)], result.failure.code.value if result.failure else "DONE")
        for number, result in results.items()
    )
    right = Counter({(11, "CRASHED"): crash, (12, "TIMEOUT"): hang, (13, "OUT_OF_MEMORY"): hog, (20, "DONE"): good})
    bad = crash + hang + hog
    deaths = sum(result.attempt for result in results.values() if not result.ok)
    misses = {
        "told otherwise": {f"{width}: {code}": count for (width, code), count in (told - right).items()},
        "more than 3 deaths for each": max(deaths - 3 * bad, 0),
        "outputs": abs(len(list((order.work / "out").iterdir())) - good),
    }
    facts = f"{good:,} good done; {crash} crash, {hang} hang, {hog} fill the memory: all told so, {deaths} deaths"
    return Found(facts, misses)


def resumed(order: Order) -> Found:
    """R7: the client is interrupted or killed at random points, and started again, until all is done; over and over."""
    asked = _asked(order, order.size(600, 300))
    source = lay_out(asked, order.work / "row")
    chance = random.Random(order.seed)  # noqa: S311 - to be repeated
    stops, redone, faults = Counter[str](), Counter[str](), Counter[str]()
    batches = 0
    while min(stops["SIGINT"], stops["SIGKILL"]) < order.size(25, 2):
        stop, executor = ("SIGINT", "SIGKILL")[batches % 2], ("threads", "processes", "sequential")[batches // 2 % 3]
        target = order.work / "row" / f"out-{batches}"
        batches += 1
        is_over = False
        while not is_over:
            before = _identities(target)
            is_over = _run(source, target, executor, chance.randrange(1, asked.tasks // 2), stop)
            redone[stop] += sum(before[name] != seen for name, seen in _identities(target).items() if name in before)
            stops[stop] += not is_over
        faults += Counter(faults_of(target, whole(asked, source), {}))
    misses = faults | {
        "redone after SIGINT": redone["SIGINT"],
        "redone beyond what was in work": max(redone["SIGKILL"] - stops["SIGKILL"] * (_RECORDED_AT_ONCE + _IN_WORK), 0),
    }
    facts = (
        f"{batches} batches of {asked.tasks}, {stops['SIGINT']} SIGINT and {stops['SIGKILL']} SIGKILL at random "
        f"points; done twice: {redone['SIGINT']} and {redone['SIGKILL']}"
    )
    return Found(facts, dict(misses))


def whole(asked: Asked, source: Path) -> dict[str, str]:
    """Return the digest that each output has to have."""
    expected = expected_digests(asked)
    return {path.name: expected[number % len(expected)] for number, path in enumerate(sorted(source.iterdir()))}


def _run(source: Path, target: Path, executor: str, point: int, stop: str) -> bool:
    """Run until there are so many results, then stop it; return whether all was done before."""
    words = [*IMGPIPE, "process", source, "-o", target, "-f", PIPELINE, "--executor", executor, "-j", str(_IN_WORK)]
    with subprocess.Popen(
        [*map(str, words), "--json", "--json-items"],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    ) as client:  # fmt: skip
        assert client.stdout is not None
        for line in client.stdout:
            event = json.loads(line)
            point -= event["type"] == "item" and event["outcome"] != "skipped"
            if not point:
                client.send_signal(signal.Signals[stop])
                break
        client.stdout.read()
        client.wait()
    return client.returncode == 0


def _identities(folder: Path) -> dict[str, tuple[int, int]]:
    if not folder.exists():
        return {}
    return {entry.name: identity(entry.path) for entry in os.scandir(folder) if not entry.name.startswith(".imgpipe")}


def _asked(order: Order, tasks: int) -> Asked:
    return Asked(tasks, 1, order.seed, 0.0, order.work)
