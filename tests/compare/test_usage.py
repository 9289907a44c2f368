"""Usage: what a task says about its own time, and that nobody pays for what is not asked."""

from __future__ import annotations

import json
import sys
import threading
import time

import pytest

from imgpipe import Recipe, Task, run_task
from imgpipe.usage import UsageMeter, queue_seconds


def run(tmp_path, picture_file, **given):
    """Run one task."""
    return run_task(Task("1", picture_file(tmp_path, "a.png"), str(tmp_path / "out.png"), Recipe(), **given))


def test_every_task_tells_its_time(tmp_path, picture_file):
    """The clock, the processor, and when it began; the stages lie within."""
    before = time.monotonic()

    result = run(tmp_path, picture_file)

    assert result.usage is not None
    assert before <= result.usage.started <= time.monotonic()
    assert 0 < result.total_seconds <= result.usage.wall_seconds * 1.01
    assert 0 < result.usage.cpu_seconds
    assert result.usage.queue_seconds is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_queue_is_measured_when_asked(tmp_path, picture_file):
    """Linux tells how long a thread waited for a core."""
    result = run(tmp_path, picture_file, measure_queue=True)

    assert result.usage is not None
    assert result.usage.queue_seconds is not None
    assert 0 <= result.usage.queue_seconds


def test_failed_task_tells_its_time_too(tmp_path):
    """A picture that is not there has taken time as well."""
    result = run_task(Task("1", str(tmp_path / "missing.jpg"), str(tmp_path / "out.jpg"), Recipe()))

    assert not result.ok
    assert result.usage is not None


def test_usage_is_in_the_data(tmp_path, picture_file):
    """Reports have it, as JSON."""
    data = json.loads(json.dumps(run(tmp_path, picture_file).to_data()))

    assert {"started", "wall_seconds", "cpu_seconds", "queue_seconds"} == set(data["usage"])


def test_other_threads_do_not_count():
    """The processor time is the calling thread's own: waiting for one that computes costs none."""
    worker = threading.Thread(target=lambda: sum(number * number for number in range(500_000)))
    meter = UsageMeter(queue=False)
    worker.start()
    worker.join()

    usage = meter.read()

    assert usage.cpu_seconds < usage.wall_seconds


def test_system_that_does_not_tell(monkeypatch):
    """Where there is nothing to read, the answer is None."""
    monkeypatch.setattr(threading, "get_native_id", lambda: 0)

    assert queue_seconds() is None
