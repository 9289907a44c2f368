"""Fleet: who is there to work, the metrics in both their forms, and the advice."""

from __future__ import annotations

from imgpipe.monitor.document import from_data
from imgpipe.queue.values import Load, WorkerSpec


def register(queue, name, labels, **more):
    """Let a worker present itself."""
    queue.register(WorkerSpec(id=f"{name}:1", name=name, labels=frozenset(labels.split()), slots=2, **more), 30)


def test_workers(ask, queue):
    """Workers are counted by what they do, and each says what it can and has done."""
    register(queue, "worker-1", "io", host="here", pid=7)
    register(queue, "worker-2", "cpu io")
    register(queue, "worker-3", "cpu")
    queue.beat("worker-1:1", Load(busy=2, done=5, failed=1, cpu_percent=90.0, memory_bytes=1000, now="job:3"))
    queue.beat("worker-3:1", Load(state="draining"))
    data = ask("GET", "/api/workers/status/").data
    first = data["workers"][0]

    assert (3, 1, 1, 0) == tuple(data[key] for key in ("total", "busy", "idle", "lost"))
    assert ["busy", "idle", "draining"] == [worker["state"] for worker in data["workers"]]
    assert ["io", "all", "cpu"] == [worker["capability"] for worker in data["workers"]]
    assert ("here", 7, 5, 1, 90.0, 1000, "job:3") == tuple(
        first[key] for key in ("host", "pid", "done_total", "failed_total", "cpu_percent", "rss_bytes", "current_task")
    )


def test_lost_workers(ask, queue, clock):
    """A worker that is not heard of any more is lost, and no longer one of those that are there."""
    register(queue, "worker-1", "io")
    clock.advance(31)
    data = ask("GET", "/api/workers/status/").data

    assert (0, 0, 0, 1) == tuple(data[key] for key in ("total", "busy", "idle", "lost"))


def test_nobody(ask):
    """Without workers there is an empty list."""
    assert {"total": 0, "busy": 0, "idle": 0, "lost": 0, "workers": []} == ask("GET", "/api/workers/status/").data


def test_metrics(ask, worker):
    """The document is that of `imgpipe.metrics/1`; the first one takes two looks, so that it knows about the cores."""
    ask("POST", "/api/process-batch/distributed/", body={"filters": ["blur"]})
    first = ask("GET", "/api/metrics/")
    second = ask("GET", "/api/metrics/")
    summary = first.data["summary"]

    assert ("memory", 1) == (from_data(first.data).source, first.data["summary"]["total_workers"])
    assert 3 == summary["queue_length"]
    assert {"cpu_percent", "memory_percent", "busy_workers", "worker_utilization", "success_rate"} <= summary.keys()
    assert "blur" not in str(summary)
    assert (0.5, 0.0) == (first.waited_seconds, second.waited_seconds)
    assert first.data["scaling_recommendation"]["reason"]["text"]


def test_many_who_ask_cost_one_look(ask, queue, monkeypatch):
    """Within half a second, everybody gets the same."""
    looks = []
    counters = queue.counters

    def look():
        looks.append(1)
        return counters()

    monkeypatch.setattr(queue, "counters", look)
    for _ in range(5):
        assert 200 == ask("GET", "/metrics").status

    assert 1 == len(looks)


def test_prometheus(ask, worker):
    """Both ways to the text for Prometheus give the same."""
    text = ask("GET", "/metrics")
    same = ask("GET", "/api/metrics/?format=prometheus")
    names = {line.split()[2] for line in text.body.decode().splitlines() if line.startswith("# TYPE ")}

    assert text.headers["content-type"] == same.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert {"imgpipe_build_info", "imgpipe_queue_up", "imgpipe_workers"} <= names
    assert text.body == same.body


def test_scaling(ask, worker):
    """The advice is that of the metrics, by itself."""
    ask("POST", "/api/process-batch/distributed/", body={"filters": ["blur"]})
    data = ask("GET", "/api/scaling/").data

    assert ["io"] == [entry["capability"] for entry in data["scaling"]]
    assert data["scaling"][0] == data["scaling_recommendation"]
