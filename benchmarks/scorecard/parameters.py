"""S2: pipelines made of odd values; they are refused at once, or do what they say within their time."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from PIL import Image

from benchmarks.scorecard.row import MEBIBYTE, Found
from imgpipe import Pipeline, Recipe, Task, UsageError
from imgpipe.executors.processes import ProcessesExecutor
from imgpipe.filters import find, names

if TYPE_CHECKING:
    from benchmarks.scorecard.row import Order
    from imgpipe import Result

_ODD: tuple[Any, ...] = (
    float("nan"), float("inf"), float("-inf"), 1e999, 1e9, 1e308, -0.0, -1, -1e9, 0, 1, 2,
    3, 0.5, 1.5, 100, 255, 10_000,
    65_536, 2**31, 2**63, 10**30, True, False, None, "", "nan", "1e999", "0x10", "½", "٣", "1_000", "auto", "\x00",
    "a" * 5000,
    [], [1], {}, "100x", "x100", "9999999x9999999",
    "16384x16384", "1x1", "-5x5", "50%", "#ff00ff", "red",
)  # fmt: skip
_LIMIT_SECONDS = 5.0
_SLOWEST_REFUSAL_SECONDS = 0.01
_UNHANDLED = ("INTERNAL", "CRASHED")


def odd_pipelines(order: Order) -> Found:
    """S2: thousands of pipelines; the reader raises nothing but `UsageError`, and nobody runs beyond the limit."""
    chance = random.Random(order.seed)  # noqa: S311 - to be repeated
    source = str(order.work / "a.png")
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(source)
    known = [name for name in names() if "." not in name]
    slow: list[float] = []
    unhandled = Counter[str]()
    tasks = []
    count = order.size(5000, 250)
    for number in range(count):
        given = _made_up(chance, known)
        start = time.perf_counter()
        try:
            pipeline = Pipeline.of(given)
        except UsageError:
            slow += [
                seconds for seconds in [_quickest(given)] if time.perf_counter() - start > _SLOWEST_REFUSAL_SECONDS
            ]
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            unhandled[f"{type(error).__name__}: {given!r:.150}"] += 1
        else:
            tasks.append(Task(str(number), source, str(order.work / "out" / f"{number}.png"), Recipe(pipeline)))
    results, late = [], 0
    with ProcessesExecutor(2, 512 * MEBIBYTE, timeout_seconds=_LIMIT_SECONDS) as executor:
        for result in executor.run(tasks):
            results.append(result)
            late += sum(result.seconds.values()) > _LIMIT_SECONDS + 1
    told = Counter(_told(result) for result in results)
    pipelines = {task.id: str(task.recipe.pipeline) for task in tasks}
    wrong = [f"{_told(one)}: {pipelines[one.task_id]:.150}" for one in results if _told(one) in _UNHANDLED]
    misses = {
        "unhandled": dict(unhandled.most_common(5)) or wrong[:5],
        "beyond the limit and a second": late,
        "refused later than 10 ms": sum(seconds > _SLOWEST_REFUSAL_SECONDS for seconds in slow),
        "without a result": len(tasks) - len(results),
    }
    answers = ", ".join(f"{number:,} {code}" for code, number in told.most_common())
    return Found(f"{count:,} pipelines: {count - len(tasks):,} refused when read; {answers}", misses)


def _quickest(given: Any) -> float:
    """Return the time of a refusal, the best of three: a busy machine is no fault."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        try:
            Pipeline.of(given)
        except UsageError:
            times.append(time.perf_counter() - start)
    return min(times)


def _told(result: Result) -> str:
    return result.failure.code.value if result.failure else result.outcome.value


def _made_up(chance: random.Random, known: list[str]) -> Any:
    """Return a pipeline in one of its forms, most of its values odd ones."""
    steps = []
    for _ in range(chance.choice((1, 1, 1, 2, 3, 40))):
        name = chance.choice(known) if chance.random() < 0.95 else chance.choice(("", "os.system", "blür", "__init__"))
        parameters = [one.name for one in fields(find(name))] if name in known else ["x"]  # type: ignore[arg-type]  # each filter is one
        chosen = [one for one in parameters if chance.random() < 0.5]
        if chance.random() < 0.05:
            chosen.append("bogus")
        steps.append({"name": name, **{one: _value(chance) for one in chosen}})
    if chance.random() < 0.5:
        return steps
    return " | ".join(
        step["name"] + ":" + ",".join(f"{one}={value}" for one, value in step.items() if one != "name")
        for step in steps
    )


def _value(chance: random.Random) -> Any:
    return chance.choice(_ODD) if chance.random() < 0.4 else round(chance.uniform(-2, 20), 3)
