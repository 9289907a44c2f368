"""lesson: the command: lists, asks for a prediction where somebody can answer, and shows what was found."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from imgpipe.lessons import NAMES, Finding, gil
from imgpipe_cli.main import main

FINDING = Finding(
    answer=1.02,
    rows=(("threads", "1.02 times"),),
    explanation=("Because of the GIL.",),
    data={"speedup": 1.02},
    notes=("a note \x1b[31m",),
)


@pytest.fixture
def runs(monkeypatch) -> list[bool]:
    """Let the lesson `gil` find something at once; return a list of whether each run was to be quick."""
    quick_runs: list[bool] = []

    def run(quick, say) -> Finding:
        quick_runs.append(quick)
        say("measuring: 1 of 2")
        say("measuring: 2 of 2")
        return FINDING

    monkeypatch.setattr(gil, "LESSON", replace(gil.LESSON, run=run))
    return quick_runs


def test_list(capfd):
    """Without a name, all lessons are listed, and none is run."""
    assert 0 == main(["lesson"])
    lines = capfd.readouterr().out.splitlines()

    assert list(NAMES) == [line.split()[0] for line in lines[: len(NAMES)]]
    assert "try: imgpipe lesson gil" == lines[-1]


def test_list_for_machines(capfd):
    """As JSON, with the questions."""
    assert 0 == main(["lesson", "--json"])
    data = json.loads(capfd.readouterr().out)

    assert list(NAMES) == [lesson["lesson"] for lesson in data["lessons"]]
    assert all(lesson["question"] for lesson in data["lessons"])


def test_question_prediction_answer_explanation(runs, capfd):
    """In this order; nothing acts on the terminal; progress is on stderr, one line for each part."""
    assert 0 == main(["lesson", "gil", "--predict", "2"])
    out, err = capfd.readouterr()
    words = ("blurred by one thread", "How many times", "you predicted  2 times", "measured       1.02 times",
             "too high, by a factor of 2.0", "threads  1.02 times", "Because of the GIL.", "note: a note",
             "read on in imgpipe/")  # fmt: skip
    places = [out.replace("\n", " ").index(text) for text in words]

    assert sorted(places) == places
    assert "\x1b" not in out
    assert ["measuring: 1 of 2"] == err.splitlines()
    assert [False] == runs


def test_off_a_terminal_nobody_is_asked(runs, capfd):
    """It runs without a prediction."""
    assert 0 == main(["lesson", "gil", "--quick"])
    out = capfd.readouterr().out

    assert "you predicted" not in out
    assert "measured       1.02 times" in out
    assert [True] == runs


def on_a_terminal(monkeypatch, *answers: str) -> list[str]:
    """Make it look like a terminal at which somebody types; return the list of what was asked."""
    asked: list[str] = []
    left = list(answers)

    def prompt(text, **_options) -> str:
        asked.append(text)
        return left.pop(0)

    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", prompt)
    return asked


def test_on_a_terminal_the_learner_is_asked(runs, capfd, monkeypatch):
    """Until there is a number; a decimal comma is one, too."""
    asked = on_a_terminal(monkeypatch, "dunno", "-1", "nan", "1,5")
    assert 0 == main(["lesson", "gil"])

    assert 4 == len(asked)
    assert "you predicted  1.5 times" in capfd.readouterr().out


@pytest.mark.parametrize(("options", "questions"), [((), 1), (("--no-input",), 0), (("--json",), 0)])
def test_who_is_not_to_be_asked_is_not(runs, capfd, monkeypatch, options, questions):
    """Enter skips the question, --no-input does not put it, and neither does --json."""
    asked = on_a_terminal(monkeypatch, "")
    assert 0 == main(["lesson", "gil", *options])

    assert questions == len(asked)
    assert "you predicted" not in capfd.readouterr().out


def test_json(runs, capfd):
    """One document, with the prediction beside the answer."""
    assert 0 == main(["lesson", "gil", "--predict", "1", "--json"])
    data = json.loads(capfd.readouterr().out)

    assert ("imgpipe.lesson/1", 1.0, 1.02, "close: within 15 %") == (
        data["schema"], data["prediction"], data["answer"], data["compared"])  # fmt: skip
    assert {"speedup": 1.02} == data["measured"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("gill",), "did you mean gil?"), (("gil", "--predict", "-1"), "from 0 on"), (("gil", "--predict", "x"), "float")],
)
def test_what_cannot_be(capfd, arguments, words):
    """Nothing is run."""
    assert 2 == main(["lesson", *arguments])
    assert words in capfd.readouterr().err
