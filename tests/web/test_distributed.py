"""Distributed: a Redis, three workers and a server as they are documented: every line of four days, both scenarios."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imgpipe.executors.own_worker import OwnWorker
from imgpipe.queue.server import RedisServer
from imgpipe.web.folders import prepare
from imgpipe.web.routes import ROUTES
from imgpipe.web.settings import WebSettings
from served import curl, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

CAPABILITIES = {"worker-1": "io", "worker-2": "cpu", "worker-3": "all"}

LINES = r"""
curl http://localhost:8000/api/health/
curl http://localhost:8000/api/image/info/
curl http://localhost:8000/api/image/4k/ -o downloaded_4k.jpg
curl "http://localhost:8000/api/image/slow/?delay=3.0" -o slow_4k.jpg
curl http://localhost:8000/api/stats/
curl -X POST http://localhost:8000/api/process-batch/sequential/ -H "Content-Type: application/json" -d '{"filters": ["resize", "blur"], "filter_params": {"resize": {"width": 800, "height": 600}, "blur": {"radius": 3.0}}}'
curl -X POST http://localhost:8000/api/process-batch/threading/ -H "Content-Type: application/json" -d '{"filters": ["sharpen", "edges"]}'
curl -X POST http://localhost:8000/api/process-batch/multiprocessing/ -H "Content-Type: application/json" -d '{"filters": ["brightness"], "filter_params": {"brightness": {"factor": 1.5}}}'
curl -X POST http://localhost:8000/api/process-batch/compare-all/ -H "Content-Type: application/json" -d '{"filters": ["resize", "blur"]}'
curl -X POST http://localhost:8000/api/process-batch/compare/ -H "Content-Type: application/json" -d '{"filters": ["resize", "blur"]}'
curl -X POST http://localhost:8000/api/process-batch/stress/ -H "Content-Type: application/json" -d '{"filters": ["sharpen", "edges"], "num_iterations": 5}'
curl -X POST http://localhost:8000/api/process-batch/threading/ -H "Content-Type: application/json" -d "{\"filters\": [\"resize\", \"blur\"], \"filter_params\": {\"resize\": {\"width\": 800, \"height\": 600}, \"blur\": {\"radius\": 3.0}}}"
curl -X POST http://localhost:8000/api/process-batch/distributed/ -H "Content-Type: application/json" -d '{"filters": ["resize", "sharpen", "edges"], "filter_params": {"resize": {"width": 1024, "height": 768}}}'
curl http://localhost:8000/api/workers/status/ | python -m json.tool
curl -s http://localhost:8000/api/workers/status/ | python -m json.tool
curl http://localhost:8000/api/metrics/
"""  # noqa: E501 - as they are documented

ORDER = """curl -X POST http://localhost:8000/api/process-batch/distributed/ -H "Content-Type: application/json" """


class Fleet:
    """A Redis, three workers and a server over it, all with the same routing."""

    def __init__(self, folder: Path, routing: str) -> None:
        self.folder, self.routing = folder, routing
        self.workers: dict[str, OwnWorker] = {}
        self._stack = ExitStack()
        settings = WebSettings(images=str(folder / "static/images"), processed=str(folder / "static/processed"))
        prepare(settings, size=(320, 180))
        self.redis = self._stack.enter_context(RedisServer())
        for name in CAPABILITIES:
            self.start(name)
        arguments = ["--redis", self.redis.url, "--routing", routing]
        self.port = self._stack.enter_context(serve(*arguments, cwd=folder)).port

    def start(self, name: str) -> None:
        """Start a worker."""
        arguments = ["--capabilities", CAPABILITIES[name], "-j", "1", "--routing", self.routing]
        self.workers[name] = OwnWorker(name, self.redis.url, arguments, output=subprocess.DEVNULL)

    def stop(self, *names: str) -> None:
        """Stop workers, and wait until they have ended."""
        stopped = [self.workers.pop(name) for name in names]
        for worker in stopped:
            worker.ask_to_end()
        for worker in stopped:
            worker.stop(30)

    def type(self, line: str) -> Any:
        """Type a line for curl, and return what came of it, as JSON."""
        return json.loads(curl(line, self.port, self.folder))

    def order(self, *filters: str) -> str:
        """Hand an order over, and return the id of the task."""
        body = json.dumps({"filters": filters})
        return str(self.type(f"{ORDER} -d '{body}'")["task_id"])

    def status(self, task_id: str, wait: int = 30) -> dict[str, Any]:
        """Return the status of a task, when it is over, or when the time to wait for that is."""
        found = self.type(f"curl 'http://localhost:8000/api/task/{task_id}/status/?wait={wait}'")
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        """End all of it."""
        self.stop(*self.workers)
        self._stack.close()


@pytest.fixture(scope="module")
def labels(redis_binary, tmp_path_factory) -> Iterator[Fleet]:
    """Return a fleet in which nobody gets what he cannot do."""
    fleet = Fleet(tmp_path_factory.mktemp("labels"), "labels")
    yield fleet
    fleet.close()


@pytest.fixture(scope="module")
def fifo(redis_binary, tmp_path_factory) -> Iterator[Fleet]:
    """Return a fleet in the teaching mode."""
    fleet = Fleet(tmp_path_factory.mktemp("fifo"), "fifo")
    yield fleet
    fleet.close()


@pytest.mark.parametrize("line", LINES.strip().split("\n"))
def test_documented_line(line, labels, tmp_path):
    """Each line that one finds written down works as it stands."""
    line = line.replace("delay=3.0", "delay=0.3").replace("python", sys.executable)
    data = curl(line, labels.port, tmp_path)

    if "-o " in line:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
    else:
        assert json.loads(data)


def test_lines_of_the_index_are_documented():
    """What the index shows for batches are lines from above, in other quotes."""
    orders = [route for route in ROUTES if "process-batch" in route.path]

    for route in orders:
        assert any(route.path in line and json.dumps(route.example) in line for line in LINES.split("\n"))


def test_workers_have_their_names(labels):
    """The three are there, with what they can run."""
    data = labels.type("curl http://localhost:8000/api/workers/status/")

    assert CAPABILITIES == {worker["name"]: worker["capability"] for worker in data["workers"]}
    assert 3 == data["total"]


def test_a_task_from_order_to_picture(labels, tmp_path):
    """The task id of an answer leads to its status, its results and its pictures."""
    task_id = labels.order("resize", "sharpen")
    done = labels.status(task_id)
    (item,) = labels.type(f"curl http://localhost:8000/api/task/{task_id}/results/")["items"]
    data = curl(f"curl http://localhost:8000{item['image_url']} -o result.jpg", labels.port, tmp_path)
    stream = curl(f"curl -N http://localhost:8000/api/task/{task_id}/events/", labels.port, tmp_path)

    assert ("completed", {"cpu", "io"}) == (done["status"], set(done["needs"]))
    assert item["worker"].startswith("worker-3/")  # nobody else can do both
    with Image.open(io.BytesIO(data)) as picture:
        assert (item["width"], item["height"]) == picture.size
    assert b"event: done" in stream


def test_specialists_get_only_what_they_can_do(labels):
    """Five orders to sharpen at once, without the worker that can do all: the one that can does all five."""
    labels.stop("worker-3")
    with ThreadPoolExecutor(5) as pool:
        tasks = list(pool.map(labels.order, ["sharpen"] * 5))
    found = [labels.status(task) for task in tasks]
    results = [labels.type(f"curl http://localhost:8000/api/task/{task}/results/")["items"] for task in tasks]

    assert {"completed"} == {one["status"] for one in found}
    assert {"worker-2"} == {item["worker"].split("/")[0] for items in results for item in items}


def test_what_nobody_can_do_waits(labels):
    """Without anybody who can, the order waits and says for what; as soon as there is somebody, it is done."""
    labels.stop("worker-2")
    task_id = labels.order("sharpen")
    waiting = labels.status(task_id, wait=0)
    labels.start("worker-2")
    done = labels.status(task_id)

    assert "pending" == waiting["status"]
    assert "1 picture waits: no live worker can run sharpen (needs cpu); live: io x1" == waiting["explanation"]
    assert "completed" == done["status"]


def no_workers(fleet: Fleet) -> dict[str, Any]:
    """Stop all workers, hand an order over, and return what is said about it."""
    fleet.stop(*fleet.workers)
    found = fleet.status(fleet.order("resize"), wait=1)
    return {key: found[key] for key in ("status", "explanation")}


def test_worker_failure(labels):
    """The second documented scenario: nobody is there, and nobody has taken the task."""
    assert {"status": "pending", "explanation": "No workers available to process task"} == no_workers(labels)


@pytest.mark.parametrize("line", ["distributed", "workers"])
def test_documented_line_in_the_teaching_mode(line, fifo, tmp_path):
    """The lines of the third day work there, too."""
    for one in (one for one in LINES.strip().split("\n") if line in one):
        assert json.loads(curl(one.replace("python", sys.executable), fifo.port, tmp_path))


def test_job_failure(fifo, tmp_path):
    """The first documented scenario, to the word: a worker has taken what it cannot run."""
    fifo.stop("worker-2", "worker-3")
    task_id = fifo.order("sharpen")
    found = fifo.status(task_id)
    spanish = fifo.type(f"curl -H 'Accept-Language: es' http://localhost:8000/api/task/{task_id}/status/")
    expected = {
        "status": "failed",
        "failure_type": "job_failure",
        "failure_reason": "worker_capability_mismatch",
        "explanation": "Worker took the task but cannot run the filter it needs",
        "error": "Worker worker-1 cannot handle filters: ['sharpen']",
    }

    assert expected == {key: found[key] for key in expected}
    assert "Worker tomó task pero no puede manejar el filtro requerido" == spanish["explanation"]


def test_what_a_specialist_can_do_in_the_teaching_mode(fifo):
    """The same worker does what it can."""
    assert "completed" == fifo.status(fifo.order("resize"))["status"]


def test_worker_failure_in_the_teaching_mode(fifo):
    """The second documented scenario is the same there."""
    assert {"status": "pending", "explanation": "No workers available to process task"} == no_workers(fifo)
