"""Batches: the seed's bodies and the mistakes one makes in them; what comes out, and how long it may take."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from imgpipe.web.app import App

MODES = ("sequential", "threading", "multiprocessing")
FAST = {"filters": ["blur"]}


def blur_with(params: object) -> dict[str, object]:
    """Return a body with these `filter_params`."""
    return {"filters": ["blur"], "filter_params": params}


def url(name: str) -> str:
    """Return the path of a kind of batch."""
    return f"/api/process-batch/{name}/"


@pytest.mark.parametrize("mode", MODES)
def test_batch(ask, settings, mode):
    """Every picture of the folder goes through the filters into the processed folder, and is told of with its times."""
    body = {
        "filters": ["resize", "blur"],
        "filter_params": {"resize": {"width": 16, "height": 16}, "blur": {"radius": 3.0}},
    }
    data = ask("POST", url(mode), body=body).data

    assert ("completed", mode, 3, 3, 0, "") == tuple(
        data[key] for key in ("status", "mode", "total", "succeeded", "failed", "stopped")
    )
    assert "resize:width=16,height=16 | blur:radius=3" == data["pipeline"]
    assert {"cat.jpg", "more/dog.png", "sample_4k.jpg"} == {result["input"] for result in data["results"]}
    for result in data["results"]:
        assert ("done", 16) == (result["status"], max(result["width"], result["height"]))
        assert result["elapsed_s"] > 0
        assert Path(settings.processed, result["output"]).stat().st_size == result["bytes_out"]
    assert data["throughput_per_s"] > 0
    assert data["cpu"]["seconds"] > 0
    assert data["memory"]["server_bytes"] > 1 << 20


def test_all_modes_write_the_same(ask, settings):
    """The bytes do not depend on where the work was done."""
    outputs = set()
    for mode in MODES:
        (result,) = ask("POST", url(mode), body={"filters": ["sharpen"], "images": ["cat.jpg"]}).data["results"]
        outputs.add(Path(settings.processed, result["output"]).read_bytes())

    assert 1 == len(outputs)


@pytest.mark.parametrize(
    "filters",
    [["resize"], [{"name": "resize"}], [{"name": "resize", "params": {}}], ["blur", "resize", "resize:16x16"]],
)
def test_resize_without_a_size(ask, filters):
    """The usual size stands in for the one that nobody has given, and the answer names it."""
    answer = ask("POST", url("sequential"), body={"filters": filters, "images": ["cat.jpg"]})

    assert 200 == answer.status
    assert "resize:width=800,height=600" in answer.data["pipeline"]


@pytest.mark.parametrize(
    ("body", "pipeline"),
    [
        ({"filters": [{"name": "blur", "params": {"radius": 5}}]}, "blur:radius=5"),
        ({"filters": [{"name": "blur", "radius": 5}]}, "blur:radius=5"),
        ({"filters": ["blur:5"]}, "blur:radius=5"),
        ({"filters": ["blur"], "filter_params": None}, "blur"),
        ({"filters": ["resize"], "filter_params": {"resize": {"width": 10}}}, "resize:width=10"),
    ],
)
def test_ways_to_write_filters(ask, body, pipeline):
    """Filters are names, texts, or names with parameters."""
    assert pipeline == ask("POST", url("sequential"), body={**body, "images": ["cat.jpg"]}).data["pipeline"]


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({}, 422, "bad-body", "/filters"),
        ({"filters": []}, 422, "bad-body", "/filters"),
        ({"filters": "blur"}, 422, "bad-body", "/filters"),
        ({"filters": ["blur"], "filtre_params": {}}, 422, "bad-body", "/filtre_params"),
        ({"filters": ["blr"]}, 422, "unknown-filter", "/filters/0"),
        ({"filters": ["blur", "blr:2"]}, 422, "unknown-filter", "/filters/1"),
        ({"filters": ["blur", 5]}, 422, "bad-pipeline", "/filters/1"),
        ({"filters": [{"name": 5}]}, 422, "bad-pipeline", "/filters/0"),
        ({"filters": [{"params": {}}]}, 422, "bad-pipeline", "/filters/0"),
        ({"filters": ["blur"] * 33}, 422, "bad-pipeline", "/filters"),
        ({"filters": [{"name": "blur", "params": {"radius": -1}}]}, 422, "bad-pipeline", "/filters/0/params/radius"),
        ({"filters": [{"name": "blur", "radius": True}]}, 422, "bad-pipeline", "/filters/0/radius"),
        (blur_with({"blur": {"radius": "x"}}), 422, "bad-pipeline", "/filter_params/blur/radius"),
        (blur_with({"blur": 3}), 422, "bad-pipeline", "/filter_params/blur"),
        (blur_with({"edges": {}}), 422, "bad-pipeline", "/filter_params"),
        (blur_with([1]), 422, "bad-pipeline", "/filter_params"),
        ({"filters": ["blur"], "workers": 0}, 422, "bad-body", "/workers"),
        ({"filters": ["blur"], "workers": True}, 422, "bad-body", "/workers"),
        ({"filters": ["blur"], "workers": 1000}, 422, "bad-body", "/workers"),
        ({"filters": ["blur"], "images": "cat.jpg"}, 422, "bad-body", "/images"),
        ({"filters": ["blur"], "images": [1]}, 422, "bad-body", "/images"),
        ({"filters": ["blur"], "images": []}, 404, "nothing-to-do", None),
        ({"filters": ["blur"], "images": ["../x"]}, 404, "not-found", None),
        ({"filters": ["blur"], "images": ["\ud800"]}, 404, "not-found", None),
    ],
)  # fmt: skip
def test_mistakes(ask, settings, body, status, code, pointer):
    """Every mistake is named with its place, and nothing is done."""
    answer = ask("POST", url("threading"), body=body)

    assert (status, code) == (answer.status, answer.data["code"])
    assert pointer in (None, *(fault.get("pointer") for fault in answer.data.get("errors", [])))
    assert [] == list(Path(settings.processed).iterdir())


def test_did_you_mean(ask):
    """A name that is nearly right is suggested."""
    (fault,) = ask("POST", url("threading"), body={"filters": ["sharpn"]}).data["errors"]

    assert "did you mean sharpen?" == fault["suggestion"]


def test_failed_pictures_are_told(ask, settings, tmp_path):
    """A picture that fails fails alone, with its code, and without the server's folders."""
    Path(settings.images, "broken.jpg").write_bytes(Path(settings.images, "cat.jpg").read_bytes()[:300])
    data = ask("POST", url("threading"), body=FAST).data
    (failed,) = [result for result in data["results"] if result["status"] == "failed"]

    assert ("partial", 3, 1) == (data["status"], data["succeeded"], data["failed"])
    assert ("broken.jpg", None, "job") == (failed["input"], failed["output"], failed["error"]["blame"])
    assert {failed["error"]["code"]: 1} == data["errors_by_code"]
    assert str(tmp_path) not in str(data)


def test_all_pictures_fail(ask, settings):
    """A batch of which nothing comes has failed; the request has not."""
    Path(settings.images, "broken.jpg").write_bytes(b"\xff\xd8\xff")
    answer = ask("POST", url("sequential"), body={**FAST, "images": ["broken.jpg"]})

    assert (200, "failed") == (answer.status, answer.data["status"])


def test_links_that_lead_out_are_no_pictures_of_ours(ask, settings, tmp_path, picture_file):
    """A link to a picture elsewhere is not processed."""
    Path(settings.images, "link.jpg").symlink_to(picture_file(tmp_path, "secret.jpg"))

    assert 3 == ask("POST", url("sequential"), body=FAST).data["total"]


def test_the_same_batch_again(ask):
    """A batch that was done before is done again: its times are what one asks for."""
    first = ask("POST", url("sequential"), body=FAST).data
    second = ask("POST", url("sequential"), body=FAST).data

    assert ("done", "done") == (first["results"][0]["status"], second["results"][0]["status"])
    assert first["results"][0]["output"] == second["results"][0]["output"]


def test_too_many_pictures(settings, asking):
    """A batch has an end."""
    ask = asking(App(replace(settings, max_pictures=2)))

    assert "/images" == ask("POST", url("sequential"), body=FAST).data["errors"][0]["pointer"]


def test_time_is_up(settings, asking):
    """When its time is up, a batch begins no further picture and says so."""
    ask = asking(App(replace(settings, batch_seconds=-1.0)))
    data = ask("POST", url("sequential"), body=FAST).data

    assert ("partial", 0) == (data["status"], data["total"])
    assert "the time for one request is up" == data["stopped"]


def test_stopping_ends_a_batch(app, ask):
    """A server that has to stop ends its batches."""
    app.stopping.set()

    assert "the server is stopping" == ask("POST", url("threading"), body=FAST).data["stopped"]


def test_stress(ask):
    """The same batch again and again, with each one's figures."""
    data = ask("POST", url("stress"), body={"filters": ["sharpen", "edges"], "num_iterations": 4}).data

    assert ("completed", 4, 4, 12) == tuple(
        data[key] for key in ("status", "num_iterations", "finished_iterations", "succeeded")
    )
    assert [1, 2, 3, 4] == [each["iteration"] for each in data["iterations"]]
    assert data["iteration_s"]["min"] <= data["iteration_s"]["median"] <= data["iteration_s"]["max"]


def test_stress_that_is_stopped(settings, asking):
    """Stress has an end as well."""
    ask = asking(App(replace(settings, batch_seconds=-1.0)))
    data = ask("POST", url("stress"), body=FAST).data

    assert ("partial", 0) == (data["status"], data["finished_iterations"])


@pytest.mark.parametrize("iterations", [0, 101, "5", 1.5, None])
def test_bad_iterations(ask, iterations):
    """A number of iterations that is none is refused."""
    answer = ask("POST", url("stress"), body={**FAST, "num_iterations": iterations})

    assert "/num_iterations" == answer.data["errors"][0]["pointer"]


def test_batches_take_turns(app, ask):
    """A batch waits for the one before it, so that neither times the other."""
    done = threading.Event()
    answers = []

    def run() -> None:
        answers.append(ask("POST", url("sequential"), body=FAST).status)
        done.set()

    with app.turn():
        thread = threading.Thread(target=run)
        thread.start()
        assert not done.wait(0.1)
    thread.join()

    assert [200] == answers


def test_unforeseen_errors_stay_in_the_log(app, asking, monkeypatch):
    """What nobody has foreseen is a 500 without a word about why; the log has the rest, on safe lines."""
    monkeypatch.setattr("imgpipe.web.batches.read_order", lambda *_, **__: 1 / 0)
    log: list[str] = []
    answer = asking(app, log.append)("POST", url("sequential"), body=FAST)

    assert (500, "internal") == (answer.status, answer.data["code"])
    assert "ZeroDivision" not in answer.body.decode()
    assert any("ZeroDivisionError" in line and answer.data["request_id"] in line for line in log)
