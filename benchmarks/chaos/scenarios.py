"""Scenarios: what is done to workers and to Redis while they work; each returns what was found, as plain data."""

from __future__ import annotations

import contextlib
import random
import time
from typing import TYPE_CHECKING, Any

import redis

from benchmarks.chaos.oracle import judged
from benchmarks.chaos.recovery import Recoveries, spread
from benchmarks.chaos.scene import played
from imgpipe.errors import QueueUnavailable
from imgpipe.queue.values import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.chaos.fleet import Member
    from benchmarks.chaos.scene import Asked, Scene
    from imgpipe.queue.values import Claim

EVERY_SECONDS = 0.3
"""Between two kills."""
_AGAIN_SECONDS = 60.0
_FULL_SECONDS = 3.0
_OUTAGE_SECONDS = 0.2, 1.0


def kill(asked: Asked, *, least: int, most: int) -> dict[str, Any]:
    """Choose one of the workers every now and then and kill it, until all is done or `most` kills were delivered.

    One that is still starting is spared: it holds nothing, and its death would prove nothing.
    """
    chance = random.Random(asked.seed)  # noqa: S311 - to be repeated
    with played(asked, "kill") as scene:
        recoveries = Recoveries(scene.queue)
        due, last_kill = 0.0, 0.0
        for _ in scene.ticks():
            scene.fleet.fill()
            recoveries.look()
            if time.monotonic() < due or len(recoveries.held) == most:
                continue
            due = time.monotonic() + EVERY_SECONDS
            member = chance.choice(scene.fleet.members)
            if worker := _at_work(scene).get(member):
                since = time.monotonic()
                scene.fleet.kill(member)
                recoveries.begin(member.name, since, scene.queue.resync(worker))
                last_kill = scene.seconds
        seconds = scene.seconds
        recoveries.look()
        scene.summaries()
        found = judged(scene)
    kills = len(recoveries.held)
    again = found["counted"]["losses"] + found["counted"]["duplicates"] + found["counted"]["late"]
    found["misses"] |= {
        "not recovered": int(not recoveries.are_complete),
        "too few kills": max(least - kills, 0),
        "more duplicates than kills": max(again - kills, 0),
    }
    return found | {
        "kills": kills,
        "with tasks": sum(held > 0 for held in recoveries.held),
        "tasks held": sum(recoveries.held),
        "run again": again,
        "back": spread(recoveries.back_seconds),
        "recovery": spread(recoveries.seconds),
        "seconds": round(seconds, 1),
        "seconds of killing": round(last_kill, 1),
    }


def zombie(asked: Asked, *, stops: int) -> dict[str, Any]:
    """Freeze workers in the middle of their work until others have it, let them go on, and look for their traces."""
    chance = random.Random(asked.seed)  # noqa: S311 - to be repeated
    frozen: dict[Member, tuple[str, list[Claim]]] = {}
    stopped = thawed_late = 0
    with played(asked, "zombie") as scene:
        for _ in scene.ticks():
            for member, (worker, held) in list(frozen.items()):
                if worker in {one.id for one in scene.queue.workers() if one.is_alive}:
                    continue
                # Half of them come back while others are at their tasks, half when those are done.
                if held and scene.queue.task(held[0].job, held[0].index).state is not TaskState.DONE:
                    continue
                thawed_late += bool(held)
                scene.fleet.thaw(member)
                del frozen[member]
            at_work = [entry for entry in _at_work(scene).items() if entry[0] not in frozen]
            if at_work and stopped < stops and len(frozen) < max(asked.workers // 2, 1):
                member, worker = chance.choice(at_work)
                scene.fleet.freeze(member)
                frozen[member] = worker, list(scene.queue.resync(worker)) if stopped % 2 else []
                stopped += 1
        seconds = scene.seconds
        for member in frozen:
            scene.fleet.thaw(member)
        summaries = scene.summaries()
        found = judged(scene)
    found["misses"] |= {
        "too few stops": max(stops - stopped, 0),
        "workers that did not end": asked.workers - len(summaries),
    }
    return found | {
        "stops": stopped,
        "thawed when all was done": thawed_late,
        "said": {name: sum(summary[name] for summary in summaries) for name in ("done", "late", "stale", "released")},
        "seconds": round(seconds, 1),
    }


def redis_away(asked: Asked, *, kills: int, pauses: int, fulls: int, pause_seconds: float = 10.0) -> dict[str, Any]:
    """Kill Redis, freeze it, fill it up, while the run goes on; measure how soon results come again."""
    chance = random.Random(asked.seed)  # noqa: S311 - to be repeated
    faults = ["kill"] * kills + ["pause"] * pauses + ["full"] * fulls
    chance.shuffle(faults)
    again: dict[str, list[float]] = {"kill": [], "pause": [], "full": []}
    never = 0

    def due(number: int) -> int:
        return (number + 1) * asked.tasks // (len(faults) + 1)

    with played(asked, "redis", persist=True) as scene:
        deeds: dict[str, Callable[[], None]] = {
            "kill": lambda: _kill_redis(scene, chance.uniform(*_OUTAGE_SECONDS)),
            "pause": lambda: _pause_redis(scene, pause_seconds),
            # Work goes on meanwhile: some is to be left for the next fault.
            "full": lambda: _fill_redis(scene, due(done + 1), _FULL_SECONDS),
        }
        done = 0
        for _ in scene.ticks():
            scene.fleet.fill()
            if done < len(faults) and scene.seen.count > due(done):
                deeds[faults[done]]()
                if scene.seen.count < asked.tasks:
                    seconds = scene.seen.wait_for_more(scene.seen.count, _AGAIN_SECONDS)
                    never += seconds is None
                    again[faults[done]].append(_AGAIN_SECONDS if seconds is None else seconds)
                done += 1
        seconds = scene.seconds
        scene.summaries()
        found = judged(scene)
    found["misses"] |= {"never consumed again": never, "too few faults": len(faults) - done}
    return found | {
        "faults": {"kill": kills, "pause": pauses, "full": fulls},
        "results again": {kind: spread(times) for kind, times in again.items()},
        "seconds": round(seconds, 1),
    }


def _at_work(scene: Scene) -> dict[Member, str]:
    """Return the workers that hold tasks, with the names under which the queue knows them."""
    members = {member.name: member for member in scene.fleet.members}
    with contextlib.suppress(QueueUnavailable):
        workers = [worker for worker in scene.queue.workers() if worker.is_alive and worker.held]
        return {members[worker.name]: worker.id for worker in workers if worker.name in members}
    return {}


def _kill_redis(scene: Scene, seconds: float) -> None:
    scene.server.kill()
    scene.seen.wait_for_more(1 << 62, seconds)
    scene.server.start()


def _pause_redis(scene: Scene, seconds: float) -> None:
    scene.server.pause()
    scene.seen.wait_for_more(1 << 62, seconds)
    scene.server.resume()


def _fill_redis(scene: Scene, results: int, seconds: float) -> None:
    """Let Redis have not a byte more than it uses now, until there are so many results, or for that time."""
    with redis.Redis.from_url(scene.server.url) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"])
        scene.seen.wait_for_more(results, seconds)
        client.config_set("maxmemory", 0)
