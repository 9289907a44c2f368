"""Tasks: handing over, asking after, fetching and cancelling, on a queue in memory, with a worker led by hand."""

from __future__ import annotations

import io
import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from PIL import Image

from imgpipe.errors import FailureCode
from imgpipe.queue.payload import JobPayload, encode_result
from imgpipe.queue.values import JobState, Load, Settled, Verdict, WorkerSpec
from imgpipe.task import Failure, Outcome, Result
from imgpipe.web.app import App, Later
from imgpipe.web.dispatch import admit
from imgpipe.web.task_words import language_of, tag_of, task_document, word_of
from imgpipe.web.wire import Head, read_request

URL = "/api/process-batch/distributed/"
BLUR = {"filters": ["blur"]}
CAT = {"filters": ["blur"], "images": ["cat.jpg"]}


@pytest.fixture
def hand_over(ask):
    """Return a function that hands an order over and returns the id of the task."""

    def give(body, **headers):
        answer = ask("POST", URL, body=body, **headers)
        assert 202 == answer.status, answer.data
        return answer.data["task_id"]

    return give


@pytest.fixture
def status_of(ask):
    """Return a function that asks how a task is."""
    return lambda task_id, **headers: ask("GET", f"/api/task/{task_id}/status/", **headers).data


def work(worker):
    """Let a worker do all that there is."""
    while worker.step():
        pass


def fail(worker, code=FailureCode.UNREADABLE, message="no picture", verdict=Verdict.FAILED):
    """Let a worker claim a task and say that it has failed."""
    claim = worker.claim()
    payload = JobPayload.decode(worker.queue.status(claim.job).spec)
    root, outcome = payload.source_root, Outcome.LOST if verdict is Verdict.LOST else Outcome.FAILED
    result = Result(claim.task_id, f"{root}/cat.jpg", f"{payload.target_root}/cat.jpg", outcome,
                    failure=Failure(code, message))  # fmt: skip
    worker.queue.finish(f"{worker.name}:1", [Settled(claim, verdict, encode_result(result, payload), code.value)])


# -- handing over -----------------------------------------------------------------------------------------------------


def test_handed_over(ask, worker):
    """An order is answered at once, with where to ask after it, what it needs, and how many can do it."""
    answer = ask("POST", URL, body={"filters": ["resize", "sharpen"]})
    data = answer.data
    base = f"/api/task/{data['task_id']}"

    assert (202, "pending", 3, "labels", "memory", 1) == (
        answer.status, data["status"], data["total"], data["routing"], data["queue"], data["workers_able"],
    )  # fmt: skip
    assert (["cpu", "io"], "resize:width=800,height=600 | sharpen") == (data["needs"], data["pipeline"])
    assert (f"{base}/status/", "1") == (answer.headers["location"], answer.headers["retry-after"])
    assert [f"{base}/{name}/" for name in ("status", "results", "events")] == [
        data[f"{name}_url"] for name in ("status", "results", "events")
    ]


def test_ids_are_not_to_be_guessed(hand_over):
    """Each order is a task of its own, also if it is the same order."""
    first, second = hand_over(BLUR), hand_over(BLUR)

    assert first != second
    assert 32 == len(first)


def test_pictures_are_those_of_a_batch(ask, hand_over, settings, worker):
    """What workers write is what the other batches write, below the same folder."""
    task_id = hand_over(CAT)
    work(worker)
    (item,) = ask("GET", f"/api/task/{task_id}/results/").data["items"]
    (result,) = ask("POST", "/api/process-batch/sequential/", body=CAT).data["results"]

    def read(name):
        with open(f"{settings.processed}/{name}", "rb") as file:
            return file.read()

    assert read(result["output"]) == read(item["output"])


def test_orders_do_not_share_a_folder(ask, hand_over, worker):
    """Two orders, however alike, write to folders of their own, so that neither sees the other's pictures."""
    outputs = set()
    for body in (CAT, {"filters": ["blur"], "images": ["cat.jpg", "more/dog.png"]}):
        task_id = hand_over(body)
        work(worker)
        outputs.add(ask("GET", f"/api/task/{task_id}/results/").data["items"][0]["output"])

    assert 2 == len(outputs)


def test_needs_and_routing(ask, queue):
    """An order may ask for more labels than its filters do, and for the other routing."""
    answer = ask("POST", URL, body={**CAT, "needs": ["gpu"], "routing": "fifo"})

    assert (["gpu", "io"], "fifo") == (answer.data["needs"], answer.data["routing"])
    assert frozenset({"gpu", "io"}) == queue.status(answer.data["task_id"]).needs


def test_routing_of_the_server(asking, app):
    """Without a word on it, the server's own routing holds."""
    fifo = App(replace(app.settings, routing="fifo"), app.broker)

    assert "fifo" == asking(fifo)("POST", URL, body=CAT).data["routing"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({**CAT, "needs": "gpu"}, "/needs"),
        ({**CAT, "needs": ["GPU!"]}, "/needs"),
        ({**CAT, "needs": [1]}, "/needs"),
        ({**CAT, "needs": None}, "/needs"),
        ({**CAT, "needs": [f"l{n}" for n in range(17)]}, "/needs"),
        ({**CAT, "routing": "random"}, "/routing"),
        ({**CAT, "routing": ["fifo"]}, "/routing"),
        ({**CAT, "workers": 2}, "/workers"),
        ({"filters": ["blurr"]}, "/filters/0"),
    ],
)
def test_orders_that_cannot_be_right(ask, queue, settings, body, pointer):
    """What is wrong is named by its place, and nothing is done."""
    answer = ask("POST", URL, body=body)

    assert (422, pointer) == (answer.status, answer.data["errors"][0]["pointer"])
    assert ([], []) == (queue.jobs(), os.listdir(settings.processed))


def test_many_pictures_are_handed_over_in_parts(ask, queue, settings, picture_file, monkeypatch):
    """More than the queue takes at once goes in one part after the other."""
    monkeypatch.setattr("imgpipe.web.tasks.MOST_ITEMS", 2)
    data = ask("POST", URL, body=BLUR).data

    assert 3 == data["total"] == queue.status(data["task_id"]).total


def test_a_full_queue(ask, queue, monkeypatch):
    """What does not fit is refused, does not stay half handed over, and can be sent again."""
    from imgpipe.queue.values import SubmitKind, Submitted

    with monkeypatch.context() as patch:
        patch.setattr(queue, "submit", lambda *_, **__: Submitted(SubmitKind.FULL))
        answer = ask("POST", URL, body=CAT, idempotency_key="k")
    states = [job.state for job in queue.jobs()]
    again = ask("POST", URL, body=CAT, idempotency_key="k")

    assert (503, "queue-full", "30") == (answer.status, answer.data["code"], answer.headers["retry-after"])
    assert [JobState.CANCELLED] == states
    assert (202, None) == (again.status, again.headers.get("idempotency-replayed"))


# -- with a key -------------------------------------------------------------------------------------------------------


def test_the_same_key_is_the_same_task(ask, queue, worker):
    """An order that is sent again is not carried out again, not even when it is over."""
    first = ask("POST", URL, body=CAT, idempotency_key="order 66")
    second = ask("POST", URL, body=CAT, idempotency_key="order 66")
    work(worker)
    third = ask("POST", URL, body=CAT, idempotency_key="order 66")

    assert (None, "true", "true") == tuple(
        answer.headers.get("idempotency-replayed") for answer in (first, second, third)
    )
    assert first.data == second.data == third.data
    assert (202, 1) == (third.status, len(queue.jobs()))


def test_another_server_knows_the_key(ask, asking, app):
    """The queue remembers, so a server that has just started knows as much as one that has not."""
    first = ask("POST", URL, body=CAT, idempotency_key="k")
    second = asking(type(app)(app.settings, app.broker))("POST", URL, body=CAT, idempotency_key="k")

    assert (first.data["task_id"], "true") == (second.data["task_id"], second.headers["idempotency-replayed"])


@pytest.mark.parametrize("other", [BLUR, {"filters": ["sharpen"], "images": ["cat.jpg"]}, {**CAT, "needs": ["gpu"]}])
def test_the_same_key_for_something_else(ask, other):
    """A key belongs to one body."""
    ask("POST", URL, body=CAT, idempotency_key="k")
    answer = ask("POST", URL, body=other, idempotency_key="k")

    assert (422, "idempotency-conflict") == (answer.status, answer.data["code"])


def test_the_same_body_in_other_words(ask):
    """The order of keys does not make another body of it."""
    first = ask("POST", URL, body=b'{"filters": ["blur"], "images": ["cat.jpg"]}', content_type="application/json",
                idempotency_key="k")  # fmt: skip
    second = ask("POST", URL, body=b'{"images":["cat.jpg"],"filters":["blur"]}', content_type="application/json",
                 idempotency_key="k")  # fmt: skip

    assert first.data == second.data


def test_key_in_work(ask, app, queue, monkeypatch):
    """While an order is being handed over, the same one is told to wait."""
    inside, go_on = threading.Event(), threading.Event()
    create = queue.create

    def slowly(spec):
        inside.set()
        assert go_on.wait(10)
        return create(spec)

    monkeypatch.setattr(queue, "create", slowly)
    first = threading.Thread(target=ask, args=("POST", URL), kwargs={"body": CAT, "idempotency_key": "k"})
    first.start()
    assert inside.wait(10)
    answer = ask("POST", URL, body=CAT, idempotency_key="k")
    go_on.set()
    first.join()

    assert (409, "idempotency-in-work") == (answer.status, answer.data["code"])
    assert "true" == ask("POST", URL, body=CAT, idempotency_key="k").headers["idempotency-replayed"]


def test_what_a_server_has_left_half_done_is_taken_up(ask, queue, monkeypatch):
    """A server that dies between two parts leaves a task that the next try with the same key completes."""
    monkeypatch.setattr("imgpipe.web.tasks.MOST_ITEMS", 2)
    submit, parts = queue.submit, []

    def die(job, items, **more):
        parts.append(items)
        if len(parts) > 1:
            raise KeyboardInterrupt
        return submit(job, items, **more)

    monkeypatch.setattr(queue, "submit", die)
    with pytest.raises(KeyboardInterrupt):
        ask("POST", URL, body=BLUR, idempotency_key="k")
    monkeypatch.setattr(queue, "submit", submit)
    answer = ask("POST", URL, body=BLUR, idempotency_key="k")

    assert None is answer.headers.get("idempotency-replayed")
    assert (3, 3) == (answer.data["total"], queue.status(answer.data["task_id"]).total)


@pytest.mark.parametrize("key", ["", "a" * 256, "a\tb", "\xe9"])
def test_keys_that_are_none(ask, key):
    """A key is short, printable, and not empty."""
    assert 400 == ask("POST", URL, body=CAT, idempotency_key=key).status


def test_a_key_is_forgotten_a_day_after_the_end(ask, clock, worker):
    """Then the same key is another order."""
    ask("POST", URL, body=CAT, idempotency_key="k")
    clock.advance(3 * 24 * 3600)
    assert "true" == ask("POST", URL, body=CAT, idempotency_key="k").headers["idempotency-replayed"]
    worker.queue.register(WorkerSpec(id="worker-1:1", name="worker-1", labels=frozenset({"io"}), slots=1), 30)
    work(worker)
    clock.advance(23 * 3600)
    assert "true" == ask("POST", URL, body=CAT, idempotency_key="k").headers["idempotency-replayed"]
    clock.advance(2 * 3600)

    assert None is ask("POST", URL, body=CAT, idempotency_key="k").headers.get("idempotency-replayed")


# -- asking after -----------------------------------------------------------------------------------------------------


def test_from_pending_to_completed(hand_over, status_of, worker):
    """A task is pending until somebody takes it, processing until all of it is done, then completed."""
    task_id = hand_over(BLUR)
    words = [status_of(task_id)["status"]]
    worker.step()
    words.append(status_of(task_id)["status"])
    work(worker)
    data = status_of(task_id)

    assert ["pending", "processing", "completed"] == [*words, data["status"]]
    assert {"total": 3, "done": 3, "ok": 3, "failed": 0, "lost": 0, "cancelled": 0, "pending": 0, "running": 0} == (
        data["progress"]
    )
    assert (None, None, None) == (data["failure_type"], data["failure_reason"], data["error"])
    assert data["created_at"] <= data["finished_at"]


def test_without_workers(hand_over, status_of):
    """The second scenario of the documentation: nobody is there."""
    data = status_of(hand_over({"filters": ["resize"]}))

    assert {"status": "pending", "explanation": "No workers available to process task"} == {
        key: data[key] for key in ("status", "explanation")
    }
    assert None is data["failure_type"]


def test_without_a_worker_that_can(ask, queue, status_of):
    """Where no live worker can run it, the explanation names what is missing, at once and later."""
    queue.register(WorkerSpec(id="w:1", name="worker-1", labels=frozenset({"io"}), slots=1), 30)
    answer = ask("POST", URL, body={"filters": ["sharpen"], "images": ["cat.jpg"]})
    expected = "1 picture waits: no live worker can run sharpen (needs cpu); live: io x1"

    assert (expected, 0) == (answer.data["explanation"], answer.data["workers_able"])
    assert ("pending", expected) == tuple(status_of(answer.data["task_id"])[key] for key in ("status", "explanation"))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("", "Worker took the task but cannot run the filter it needs"),
        ("es-AR,es;q=0.9,en;q=0.8", "Worker tomó task pero no puede manejar el filtro requerido"),
    ],
)
def test_worker_that_cannot(hand_over, status_of, worker, language, words):
    """The first scenario of the documentation, to the word, in the language that is asked for."""
    task_id = hand_over({"filters": ["sharpen"], "images": ["cat.jpg"]})
    fail(worker, FailureCode.WORKER_CAPABILITY_MISMATCH, "Worker worker-1 cannot handle filters: ['sharpen']")
    data = status_of(task_id, accept_language=language)

    assert {
        "status": "failed",
        "failure_type": "job_failure",
        "failure_reason": "worker_capability_mismatch",
        "explanation": words,
        "error": "Worker worker-1 cannot handle filters: ['sharpen']",
    } == {key: data[key] for key in ("status", "failure_type", "failure_reason", "explanation", "error")}


def test_partly_failed(hand_over, status_of, worker, settings):
    """Where some are done and some are not, the task is neither completed nor failed; paths of ours stay here."""
    task_id = hand_over(BLUR)
    fail(worker, message=f"{settings.images}/cat.jpg is no picture")
    work(worker)
    data = status_of(task_id)

    assert ("partial", "job_failure", "unreadable", "cat.jpg is no picture", {"unreadable": 1}) == (
        data["status"], data["failure_type"], data["failure_reason"], data["error"], data["errors_by_code"],
    )  # fmt: skip
    assert "1 of 3 pictures failed for good: another try would give the same" == data["explanation"]


def test_lost_with_its_workers(hand_over, status_of, queue, clock, ask):
    """A picture whose workers die again and again is the workers' failure, not the picture's."""
    task_id = hand_over(CAT)
    queue.register(WorkerSpec(id="watch", name="watch", labels=frozenset({"cpu"}), slots=1), 1)
    for number in range(3):
        queue.register(WorkerSpec(id=f"w:{number}", name=f"worker-{number}", labels=frozenset({"io"}), slots=1), 1)
        assert queue.claim(f"w:{number}", 1, starting=1).tasks
        for _ in range(8):
            clock.advance(0.3)
            queue.beat("watch", Load())
        assert queue.reap()
    data = status_of(task_id)
    (item,) = ask("GET", f"/api/task/{task_id}/results/").data["items"]

    assert ("lost", "worker_failure", "workers_died", 3) == (
        data["status"], data["failure_type"], data["failure_reason"], data["losses"],
    )  # fmt: skip
    assert "Workers died while they had 1 of 1 pictures" == data["explanation"]
    assert "3 workers died while they had it, the last was worker-2" == data["error"] == item["error"]["detail"]
    assert ("cat.jpg", "lost", "worker") == (item["input"], item["status"], item["error"]["blame"])


def test_paused(hand_over, status_of, queue, worker):
    """A task that somebody has paused says so, and why."""
    task_id = hand_over(CAT)
    queue.control(task_id, "pause", "by hand, for lunch")

    assert ("pending", "Paused by hand, for lunch") == tuple(
        status_of(task_id)[key] for key in ("status", "explanation")
    )


def test_status_has_a_tag(ask, hand_over, clock, worker):
    """The tag stays as long as nothing happens, however much time passes, and changes when something does."""
    path = f"/api/task/{hand_over(CAT)}/status/"
    first = ask("GET", path)
    clock.advance(5)
    same = ask("GET", path, if_none_match=first.headers["etag"])
    work(worker)
    other = ask("GET", path, if_none_match=first.headers["etag"])

    assert (200, 304, 200) == (first.status, same.status, other.status)
    assert b"" == same.body
    assert ("1", None) == (first.headers["retry-after"], other.headers.get("retry-after"))
    assert "Accept-Language" == first.headers["vary"]


def look(app, task_id, wait, **headers):
    """Ask for the status once, without waiting as the server would."""
    head = Head("GET", f"/api/task/{task_id}/status/?wait={wait}", (1, 1), {"host": "localhost", **headers})
    admitted = admit(read_request(head, peer=""), app)
    assert isinstance(admitted, tuple)
    return admitted[1].view(admitted[0], app)


def test_long_poll_keeps_no_thread(app, hand_over, worker):
    """Who waits is put off, a quarter of a second at a time, and answered when the task is over."""
    task_id = hand_over(CAT)
    before = look(app, task_id, 30)
    work(worker)

    assert isinstance(before, Later)
    assert 0 < before.seconds <= 0.25
    assert 200 == look(app, task_id, 30).status


def test_long_poll_for_news(app, hand_over, worker):
    """With a tag, any change is the end of waiting."""
    task_id = hand_over(BLUR)
    tag = look(app, task_id, 0).header("etag")
    before = look(app, task_id, 30, **{"if-none-match": tag})
    worker.step()

    assert isinstance(before, Later)
    assert 200 == look(app, task_id, 30, **{"if-none-match": tag}).status


def test_long_poll_ends(ask, app, hand_over):
    """When nothing has happened in time, or the server is to stop, the answer is what is known."""
    task_id = hand_over(CAT)
    late = ask("GET", f"/api/task/{task_id}/status/?wait=1")
    app.draining.set()

    assert ("pending", 200) == (late.data["status"], late.status)
    assert 0.9 < late.waited_seconds
    assert 200 == look(app, task_id, 30).status


@pytest.mark.parametrize("what", ["status", "results", "events", "images/0"])
def test_unknown_task(ask, what):
    """There is nothing about a task that there never was."""
    assert (404, "not-found") == tuple(ask("GET", f"/api/task/nothing/{what}/").data[key] for key in ("status", "code"))


def test_forgotten_task(ask, hand_over, clock, worker):
    """A task that was there, and is not any more, is gone; where nobody knows that, it is not found."""
    task_id = hand_over(CAT)
    work(worker)
    clock.advance(25 * 3600)

    assert (410, "gone") == tuple(ask("GET", f"/api/task/{task_id}/status/").data[key] for key in ("status", "code"))


# -- results ----------------------------------------------------------------------------------------------------------


def test_results_are_listed_by_pages(ask, hand_over, worker):
    """Each page says where the next one begins, also while the task goes on; the last one has none."""
    path = f"/api/task/{hand_over(BLUR)}/results/"
    worker.step()
    early = ask("GET", path)
    work(worker)
    first = ask("GET", f"{path}?limit=2")
    second = ask("GET", f"{path}?limit=2&cursor={first.data['next_cursor']}")

    assert (1, "1", "processing") == (len(early.data["items"]), early.data["next_cursor"], early.data["status"])
    assert [0, 1, 2] == [item["number"] for page in (first, second) for item in page.data["items"]]
    assert f'<{path}?cursor=2&limit=2>; rel="next"' == first.headers["link"]
    assert (None, None) == (second.data["next_cursor"], second.headers.get("link"))


def test_everybody_reads_all_results(ask, hand_over, worker, app, asking):
    """Reading takes nothing away: another reader, and another server, see the same."""
    path = f"/api/task/{hand_over(BLUR)}/results/"
    work(worker)
    other = asking(type(app)(app.settings, app.broker))

    assert ask("GET", path).data == ask("GET", path).data == other("GET", path).data


def test_result_says_what_a_batch_says(ask, hand_over, worker):
    """A result has the fields that it has in the other batches."""
    path = f"/api/task/{hand_over(CAT)}/results/"
    work(worker)
    (item,) = ask("GET", path).data["items"]
    (result,) = ask("POST", "/api/process-batch/sequential/", body=CAT).data["results"]

    assert result.keys() < item.keys()
    assert ("cat.jpg", "done", 48, 32, "worker-1") == tuple(
        item[key] for key in ("input", "status", "width", "height", "worker")
    )


def test_results_beyond_the_end(ask, hand_over, worker):
    """Behind the last result there is none."""
    task_id = hand_over(CAT)
    work(worker)

    assert ([], None) == tuple(
        ask("GET", f"/api/task/{task_id}/results/?cursor=7").data[key] for key in ("items", "next_cursor")
    )


def test_picture_of_a_result(ask, hand_over, worker):
    """The picture can be fetched, or a part of it, and not again if it is the same."""
    task_id = hand_over({"filters": ["resize:16x16"], "images": ["more/dog.png"]})
    work(worker)
    (item,) = ask("GET", f"/api/task/{task_id}/results/").data["items"]
    whole = ask("GET", item["image_url"])
    part = ask("GET", item["image_url"], range="bytes=0-3")
    same = ask("GET", item["image_url"], if_none_match=whole.headers["etag"])

    with Image.open(io.BytesIO(whole.body)) as picture:
        assert ("PNG", 16) == (picture.format, picture.size[0])
    assert ("image/png", 200, 206, 304) == (whole.headers["content-type"], whole.status, part.status, same.status)
    assert whole.body[:4] == part.body


@pytest.mark.parametrize("number", ["1", "x", "-1", "00000000000000000000", "0x0"])
def test_pictures_that_are_not_there(ask, hand_over, worker, number):
    """A number without a result is no picture."""
    task_id = hand_over(CAT)
    work(worker)

    assert 404 == ask("GET", f"/api/task/{task_id}/images/{number}/").status


def test_failed_picture_cannot_be_fetched(ask, hand_over, worker):
    """What has failed has no picture, and no path to one."""
    task_id = hand_over(CAT)
    fail(worker)
    (item,) = ask("GET", f"/api/task/{task_id}/results/").data["items"]

    assert (None, None, "unreadable") == (item["image_url"], item["output"], item["error"]["code"])
    assert 404 == ask("GET", f"/api/task/{task_id}/images/0/").status


def test_picture_that_was_removed(ask, hand_over, worker, settings):
    """A result whose file is gone, or lies on another machine, says so."""
    import shutil

    task_id = hand_over(CAT)
    work(worker)
    shutil.rmtree(settings.processed)
    answer = ask("GET", f"/api/task/{task_id}/images/0/")

    assert 404 == answer.status
    assert "not on this machine" in answer.data["detail"]


def test_jobs_of_others_show_no_foreign_files(ask, queue, worker, tmp_path, picture_file):
    """A job that somebody else has handed over can be looked at, but its files lie where the server sends none from."""
    from imgpipe import Pipeline
    from imgpipe.queue.payload import encode_task
    from imgpipe.queue.values import Item, JobSpec
    from imgpipe.recipe import Recipe
    from imgpipe.task import Task

    source = picture_file(tmp_path / "secret", "plan.jpg")
    recipe = Recipe(Pipeline.parse("blur"))
    payload = JobPayload(recipe=recipe, source_root=str(tmp_path / "secret"), target_root=str(tmp_path / "elsewhere"))
    queue.create(JobSpec(id="other", spec=payload.encode()))
    task = Task("0", source, str(tmp_path / "elsewhere" / "plan.jpg"), recipe)
    (tmp_path / "elsewhere").mkdir()
    queue.submit("other", [Item(0, encode_task(task, payload))], last=True)
    work(worker)
    (item,) = ask("GET", "/api/task/other/results/").data["items"]

    assert ("done", "plan.jpg", None) == (item["status"], item["input"], item["image_url"])
    assert 404 == ask("GET", "/api/task/other/images/0/").status
    assert str(tmp_path) not in json.dumps(item)


def test_results_that_cannot_be_read(ask, hand_over, queue, worker):
    """A word that a newer imgpipe has written is not understood, and is no reason to fail."""
    task_id = hand_over(CAT)
    claim = worker.claim()
    queue.finish("worker-1:1", [Settled(claim, Verdict.FAILED, b'{"from": "the future"}', "FUTURE_CODE")])
    (item,) = ask("GET", f"/api/task/{task_id}/results/").data["items"]

    assert ("failed", "cat.jpg", "internal") == (item["status"], item["input"], item["error"]["code"])
    assert "future_code" == ask("GET", f"/api/task/{task_id}/status/").data["failure_reason"]


# -- cancelling -------------------------------------------------------------------------------------------------------


def test_cancel(ask, hand_over, status_of, worker):
    """What has not begun is dropped, what has comes to its end; then it is over."""
    task_id = hand_over(BLUR)
    claim = worker.claim()
    answer = ask("DELETE", f"/api/task/{task_id}/")
    between = status_of(task_id)
    worker.settle(claim)
    after = status_of(task_id)

    assert (202, "processing") == (answer.status, answer.data["status"])
    assert "It is being cancelled; pictures in work come to their end" == between["explanation"]
    assert ("cancelled", "Cancelled over HTTP", 1, 2) == (
        after["status"], after["explanation"], after["progress"]["ok"], after["progress"]["cancelled"],
    )  # fmt: skip


def test_cancel_what_is_over(ask, hand_over, worker):
    """There is nothing to cancel in what is over, or in what there is not."""
    task_id = hand_over(CAT)
    work(worker)

    assert (204, b"") == ((answer := ask("DELETE", f"/api/task/{task_id}/")).status, answer.body)
    assert 404 == ask("DELETE", "/api/task/nothing/").status


def test_other_sites_cannot_cancel(ask, hand_over):
    """A page of another site cannot make a browser cancel a task."""
    answer = ask("DELETE", f"/api/task/{hand_over(CAT)}/", origin="http://evil.example")

    assert (403, "cross-site") == (answer.status, answer.data["code"])


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("es", "es"), ("ES-es", "es"), ("en", "en"), ("de", "en"), ("de, es;q=0.3", "es"),
        ("en, es", "en"), ("en;q=0.5, es;q=0.6", "es"), ("*", "en"), ("*;q=0.1, es", "es"), ("es;q=0", "en"),
        ("es;q=9", "en"), (";;;,,,es;", "en"), ("es" * 5000, "en"),
    ],
)  # fmt: skip
def test_language(header, language):
    """Spanish is answered to those who like it better than English."""
    assert language == language_of(header)


def test_words_of_a_job(queue, hand_over, worker):
    """Every state of a job has its word, and its document can be written down."""
    task_id = hand_over(BLUR)
    status = queue.status(task_id)
    states = {
        "pending": status,
        "processing": replace(status, retrying=1),
        "completed": replace(status, state=JobState.FINISHED, done=3),
        "partial": replace(status, state=JobState.FINISHED, done=2, lost=1),
        "failed": replace(status, state=JobState.FINISHED, failed=2, lost=1),
        "lost": replace(status, state=JobState.FINISHED, lost=3),
        "cancelled": replace(status, state=JobState.CANCELLED),
    }

    assert list(states) == [word_of(one) for one in states.values()]
    assert len(states) == len({tag_of(one) for one in states.values()})
    for one in states.values():
        json.dumps(task_document(one, [], "", "en", datetime.now(UTC)), allow_nan=False)
