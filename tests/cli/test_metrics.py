"""metrics: the numbers of a moment, as text, as a document, for Prometheus; once or again and again."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from fleet_samples import ADVICE, SNAPSHOT
from imgpipe.queue.redis import RedisQueue
from imgpipe.queue.values import Item, JobSpec, WorkerSpec
from imgpipe_cli.main import main
from imgpipe_cli.metrics import lines_of


@pytest.fixture
def url(redis_url: str) -> str:
    """Return the URL of a queue with a busy worker and tasks that wait."""
    queue = RedisQueue(redis_url)
    queue.create(JobSpec(id="job", needs=frozenset({"cpu"})))
    queue.submit("job", [Item(number, b"x") for number in range(9)], last=True)
    queue.register(WorkerSpec(id="w", name="w", labels=frozenset({"cpu"}), slots=1, host="node-a"), 60.0)
    queue.claim("w", 1, starting=1)
    queue.close()
    return redis_url


def test_block(url, capfd):
    """Machine, workers and advice, each under its heading."""
    assert 0 == main(["metrics", "--redis", url])
    out = capfd.readouterr().out
    rows = dict(line.split(":", 1) for line in out.splitlines() if ":" in line)
    assert ["SYSTEM METRICS", "WORKER METRICS", "SCALING RECOMMENDATION (advice only, never carried out)"] == [
        line for line in out.splitlines() if line.isupper() or line.startswith("SCALING")
    ]
    expected = ("1", "1", "100.0%", "8", "–")
    names = ("Active workers", "Busy workers", "Utilization", "Queue length", "Success rate")
    assert expected == tuple(rows[name].strip() for name in names)
    assert rows["CPU usage"].strip()[-1] in "%–"
    assert {"Action", "Confidence", "Urgency", "Reason", "Current workers", "Recommended"} <= rows.keys()


def test_sample_block():
    """What is there is shown to a digit after the point."""
    rows = list(lines_of(SNAPSHOT))

    for expected in (
        "CPU usage:                 98.0%", "Memory usage:              38.0%", "Memory available:         5.0 GB",
        "Active workers:                3", "Utilization:               66.7%", "Success rate:             100.0%",
        "Action:                 SCALE_UP", "Confidence:                93.0%", "Urgency:                     LOW",
        "Reason: node-b has 5 idle cores, and the batch would be shorter.",
    ):  # fmt: skip
        assert expected in rows


def test_every_class_has_its_advice():
    """The most urgent is told in full, the others in a line."""
    rows = list(lines_of(replace(SNAPSHOT, scaling=(ADVICE, {**ADVICE, "capability": "io", "urgency": "none"}))))

    assert "and for io: SCALE_UP, node-b has 5 idle cores, and the batch would be shorter." == rows[-1]


def test_nothing_to_advise_on(redis_url, capfd):
    """An empty queue is no reason to say anything."""
    assert 0 == main(["metrics", "--redis", redis_url])
    assert "nothing can be said" in capfd.readouterr().out


def test_json(url, capfd):
    """One document in one line."""
    assert 0 == main(["metrics", "--redis", url, "--json"])
    data = json.loads(capfd.readouterr().out)
    assert ("imgpipe.metrics/1", 8) == (data["schema"], data["summary"]["queue_length"])
    assert "cpu" == data["scaling_recommendation"]["capability"]


def test_prometheus(url, capfd):
    """The text for Prometheus, and nothing else."""
    assert 0 == main(["metrics", "--redis", url, "--prometheus"])
    out = capfd.readouterr().out
    assert 'imgpipe_jobs_ready{capability="cpu"} 8.0\n' in out
    assert {"#", "i"} == {line[0] for line in out.splitlines()}


def test_again_and_again(url, capfd, monkeypatch):
    """Ctrl-C ends it, with the code for that."""
    waits = []

    def wait(_self: threading.Event, seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Event, "wait", wait)

    assert 130 == main(["metrics", "--redis", url, "--json", "--watch", "7"])
    assert [0.5, 7.0, 7.0] == waits
    assert 2 == len(capfd.readouterr().out.splitlines())


def test_nobody_answers(capfd):
    """Code 5, and what to do."""
    assert 5 == main(["metrics", "--redis", "redis://127.0.0.1:1/0"])
    assert "imgpipe up" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--redis", "redis://127.0.0.1:1/0", "--json", "--prometheus"]])
def test_what_cannot_be_asked(arguments, capfd):
    """It is said before anything is opened."""
    assert 2 == main(["metrics", *arguments])
