"""Comparisons: the executors side by side over HTTP, one comparison at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imgpipe.web.app import App

BODY = {"filters": ["blur"], "images": ["cat.jpg"], "repetitions": 2}


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("compare", ["threading", "multiprocessing"]),
        ("compare-all", ["sequential", "threading", "multiprocessing"]),
    ],
)
def test_comparison(ask, settings, name, modes):
    """Each executor's times, speed-ups with their intervals, the explanation; and nothing in the processed folder."""
    data = ask("POST", f"/api/process-batch/{name}/", body=BODY).data

    assert modes == list(data["results"]) == list(data["speedup"])
    assert data["best"] in modes
    assert data["identical_outputs"] is True
    assert any("Ceiling" in line for line in data["explanation"])
    for figures in data["results"].values():
        assert figures["elapsed_s"] > 0
        assert figures["speedup"]["low"] <= figures["speedup"]["median"] <= figures["speedup"]["high"]
        assert {"run", "core", "gil", "io", "idle"} == set(figures["shares"])
    assert [] == list(Path(settings.processed).iterdir())


def test_one_at_a_time(app, ask):
    """While one comparison runs, another is refused at once."""
    with app.comparison():
        answer = ask("POST", "/api/process-batch/compare/", body=BODY)

    assert (409, "comparison-running") == (answer.status, answer.data["code"])
    assert "30" == answer.headers["retry-after"]


def test_mistakes_come_before_everything_else(app, ask):
    """A wrong order is told even while another comparison runs."""
    with app.comparison():
        assert 422 == ask("POST", "/api/process-batch/compare/", body={"filters": ["blr"]}).status


def test_no_picture_can_be_processed(ask, settings):
    """Where nothing can be compared, the request says so."""
    Path(settings.images, "broken.jpg").write_bytes(b"\xff\xd8\xff")
    answer = ask("POST", "/api/process-batch/compare/", body={**BODY, "images": ["broken.jpg"]})

    assert (422, "nothing-to-do") == (answer.status, answer.data["code"])


@pytest.mark.parametrize(("seconds", "stopping", "code"), [(-1.0, False, "too-slow"), (60.0, True, "stopping")])
def test_it_has_an_end(settings, asking, seconds, stopping, code):
    """A comparison that takes too long, or is in the way of the end, is ended, and leaves nothing running."""
    app = App(replace(settings, batch_seconds=seconds))
    if stopping:
        app.stopping.set()
    answer = asking(app)("POST", "/api/process-batch/compare/", body=BODY)

    assert (503, code) == (answer.status, answer.data["code"])
