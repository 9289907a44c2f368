"""queue: a queue as a whole: its counts, halting it, clearing it and checking it, on a real Redis."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import redis

from imgpipe.queue import open_queue
from imgpipe.queue.values import Item, JobSpec
from imgpipe_cli.main import main
from small_worker import SmallWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.queue.base import TaskQueue


@pytest.fixture
def queue(redis_url, monkeypatch) -> Iterator[TaskQueue]:
    """Return a queue with two jobs: `one` waits for io, `two` for a label that nobody has."""
    monkeypatch.setenv("IMGPIPE_REDIS", redis_url)
    with closing(open_queue(redis_url)) as queue:
        for name, label in (("one", "io"), ("two", "gpu")):
            queue.create(JobSpec(id=name, needs=frozenset({label})))
            queue.submit(name, [Item(index, b"{}") for index in range(3)], last=True)
        yield queue


def states(queue: TaskQueue) -> dict[str, str]:
    """Return the state of each job."""
    return {job.id: str(job.state) for job in queue.jobs()}


def test_stats(queue, capfd):
    """What waits is shown by the labels that it needs, with the slots that there are for it."""
    SmallWorker(queue, labels="io")
    assert 0 == main(["queue", "stats"])
    out = capfd.readouterr().out
    lines = [line.split() for line in out.splitlines()]

    assert ["gpu", "3", "0"] == lines[1][:3]
    assert "no live worker can take these" in out.splitlines()[1]
    assert ["io", "3", "1"] == lines[2][:3]
    assert "jobs: 2 running" in out
    assert "workers: 1, 0 of 1 slots busy" in out


def test_stats_as_json(queue, capfd):
    """For machines, as one document."""
    main(["queue", "stats", "--json"])
    data = json.loads(capfd.readouterr().out)

    assert {"gpu": 3, "io": 3} == {entry["name"]: entry["pending"] for entry in data["classes"]}
    assert ({"running": 2}, 0) == (data["jobs"], data["workers"])


def test_pause_and_resume(queue, capfd):
    """All that runs is paused, and goes on; a job that fails as a whole needs a person to look at it."""
    main(["queue", "pause", "--why", "new disk"])
    paused = states(queue)
    queue.control("two", "resume")
    queue.control("two", "pause", "46 of the first 50 failed, the last with NOT_FOUND")
    main(["queue", "resume"])

    assert {"one": "paused", "two": "paused"} == paused
    assert {"one": "running", "two": "paused"} == states(queue)
    assert "1 stay, because most of their pictures failed" in capfd.readouterr().out


def test_purge(queue, capfd):
    """What is over is forgotten, the rest stays."""
    queue.control("one", "cancel")

    assert 0 == main(["queue", "purge"])
    assert {"two": "running"} == states(queue)
    assert "1 jobs are forgotten" in capfd.readouterr().out


def test_check_finds_and_repairs(queue, redis_url, capfd):
    """A count that is wrong is named, repaired, and told by the exit code."""
    well = main(["queue", "check"])
    with redis.Redis.from_url(redis_url) as client:
        client.hincrby("imgpipe:{default}:j:one", "done", 5)
    wrong, again = main(["queue", "check"]), main(["queue", "check"])

    assert (0, 7, 0) == (well, wrong, again)
    assert "job one: done: 5 were counted, 0 are there; repaired" in capfd.readouterr().out
