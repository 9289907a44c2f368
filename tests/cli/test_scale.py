"""scale: simulations and recordings in words and as JSON, and advice on a real queue."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from advice_samples import past
from imgpipe.queue import open_queue
from imgpipe.queue.values import Item, JobSpec
from imgpipe_cli.main import main
from small_worker import SmallWorker

SMALL = ("scale", "simulate", "--arrival", "5,20", "--service", "0.2", "--minutes", "4", "--start", "2")


@pytest.fixture
def run(capfd):
    """Return a function that runs the command and returns its code, its output and its errors."""

    def command(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return command


@pytest.fixture
def recording(tmp_path):
    """Return a recording of a class that gets three times the work."""
    calm = past(60)
    history = calm + past(60, rate=30, done_rate=15, ready=80, begin=calm[-1])
    file = tmp_path / "recording.jsonl"
    file.write_text(
        "".join(
            json.dumps({"schema": "imgpipe.metrics/1", "scaling": [{"inputs": entry.to_data()}]}) + "\n"
            for entry in history
        )
    )
    return file


def test_simulate(run):
    """What would have been advised, when and why; then what came of it, beside the rule of thumb."""
    code, out, err = run(*SMALL)
    places = [
        out.index(text) for text in ("5, 20 tasks/s for 4 min", "URGENCY", "SCALE_UP 2 to", "slot-seconds of work")
    ]

    assert (0, "") == (code, err)
    assert sorted(places) == places
    assert "tasks/s arrive and take" in out
    assert "\x1b" not in out


def test_simulate_as_json(run):
    """One document, with every moment; the same seed gives the same."""
    _, out, _ = run(*SMALL, "--json")
    data = json.loads(out)

    assert ("imgpipe.simulation/1", {"advice", "naive"}) == (data["schema"], data["outcomes"].keys())
    assert data["outcomes"]["advice"]["tasks"] == data["outcomes"]["naive"]["tasks"]
    assert [0.0, 5.0, 10.0] == [moment["at_s"] for moment in data["advices"][:3]]
    assert out == run(*SMALL, "--json")[1]
    assert out != run(*SMALL, "--json", "--seed", "1")[1]


def test_aims_reach_the_advice(run):
    """A maximum holds in the simulation."""
    _, out, _ = run(*SMALL, "--max", "3", "--json")

    assert 3 == max(moment["recommended_slots"] for moment in json.loads(out)["advices"])


def test_replay(run, recording):
    """Of a recording, it is said what would have been said, and that no more can be known."""
    code, out, _ = run("scale", "simulate", "--from", recording)

    assert 0 == code
    assert "cpu: 25 moments" in out
    assert "SCALE_UP 3 to 7" in out
    assert "is not known" in out


def test_replay_of_a_cut_recording(run, recording):
    """A last line that was cut off is left out, and that is said; elsewhere it is an error with its line."""
    whole = recording.read_text()
    recording.write_text(whole[:-40])
    code, out, err = run("scale", "simulate", "--from", recording)
    recording.write_text(whole[:30] + "\n" + whole)

    assert (0, True, True) == (code, "cpu: 24 moments" in out, "cut off" in err)
    code, _, err = run("scale", "simulate", "--from", recording)
    assert (2, True) == (code, "line 1" in err)


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [("", 4, "no advice in"), ("3\n", 2, "line 1"), ('{"a": 1}\n', 2, "imgpipe.metrics/1"),
     ('{"scaling": [{"inputs": {"capability": "cpu"}}]}\n', 2, "inputs.at_s")],
)  # fmt: skip
def test_no_recording(run, tmp_path, text, code, reason):
    """What is no recording is refused, with what is wrong."""
    (tmp_path / "r").write_text(text)

    assert (code, True) == ((found := run("scale", "simulate", "--from", tmp_path / "r"))[0], reason in found[2])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "--arrival and --service, or --from"),
        (["--arrival", "x", "--service", "1"], "'x' is not a rate"),
        (["--arrival", "nan", "--service", "1"], "'nan' is not a rate"),
        (["--arrival", "-1", "--service", "1"], "is not a rate"),
        (["--arrival", "1"], "--arrival and --service"),
        (["--arrival", "10000", "--service", "0.1"], "at most 1000000 tasks"),
        (["--arrival", "500", "--service", "100"], "at most 10000 slots"),
        (["--arrival", "1", "--service", "1", "--min", "5", "--max", "2"], "maximum: got 2"),
    ],
)
def test_senseless_commands(run, arguments, reason):
    """What nobody would wait for, or cannot be meant, is refused."""
    code, out, err = run("scale", "simulate", *arguments)

    assert (2, "") == (code, out)
    assert reason in err


def test_from_and_a_load(run, recording):
    """A recording has its load."""
    assert 2 == run("scale", "simulate", "--from", recording, "--arrival", "3")[0]


@pytest.fixture
def queue(redis_url, monkeypatch):
    """Return a queue in which three tasks wait for io."""
    monkeypatch.setenv("IMGPIPE_REDIS", redis_url)
    with closing(open_queue(redis_url)) as queue:
        queue.create(JobSpec(id="one", needs=frozenset({"io"})))
        queue.submit("one", [Item(index, b"{}") for index in range(3)], last=True)
        yield queue


@pytest.fixture
def quick(monkeypatch):
    """Let the looks follow each other at once."""
    monkeypatch.setattr("imgpipe_cli.scale.threading.Event", Never)


class Never:
    """An event that nobody waits for."""

    def wait(self, seconds):
        """Return at once."""


def test_advise_without_workers(queue, quick, run):
    """Tasks that nobody can take are a fact, and critical."""
    code, out, err = run("scale", "advise", "--for", "1")

    assert (0, "looking for 1 s\n") == (code, err)
    assert "io: SCALE_UP 0 to 1 workers" in out
    assert "urgency critical, confidence 1.00" in out
    assert "NO_CAPABLE_WORKER: 3 tasks wait" in out


def test_advise_as_json(queue, quick, run):
    """The elements of the metrics document, as they are."""
    _, out, _ = run("scale", "advise", "--for", "1", "--json")
    data = json.loads(out)

    assert ("imgpipe.scaling/1", ["io"]) == (data["schema"], [entry["capability"] for entry in data["scaling"]])


def test_explain(queue, quick, run):
    """Every number is told, and what the advice is not."""
    SmallWorker(queue, labels="io")
    code, out, _ = run("scale", "explain", "--for", "1")

    assert 0 == code
    assert "numbers: " in out
    assert "Nothing is carried out" in out


def test_nothing_to_advise(redis_url, quick, run):
    """An empty queue has no classes."""
    _, out, _ = run("scale", "advise", "--redis", redis_url, "--for", "1")

    assert "nothing to advise" in out


def test_nobody_answers(run):
    """A queue that cannot be reached has a code of its own."""
    assert 5 == run("scale", "advise", "--redis", "unix:///nowhere/redis.sock")[0]
