"""workers: the workers of a queue as a list, and what they can be told, on a real Redis."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from imgpipe.queue import open_queue
from imgpipe.queue.values import Load
from imgpipe_cli.main import main
from small_worker import SmallWorker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def workers(redis_url, monkeypatch) -> Iterator[list[SmallWorker]]:
    """Return two workers, of which nobody has heard anything but their beats."""
    monkeypatch.setenv("IMGPIPE_REDIS", redis_url)
    with closing(open_queue(redis_url)) as queue:
        workers = [SmallWorker(queue, "worker-1", "io"), SmallWorker(queue, "worker-2", "cpu io")]
        yield workers


def test_list(workers, capfd):
    """Each worker is shown with its labels and its load; what is not known is a dash."""
    workers[0].queue.beat("worker-1:1", Load(busy=1, cpu_percent=50.0, memory_bytes=2_000_000, done=7, failed=1))
    code = main(["workers", "list"])
    lines = {line.split()[0]: line.split() for line in capfd.readouterr().out.splitlines()}

    assert 0 == code
    assert ["ready", "io", "1/1", "7", "1", "50", "%", "2.0", "MB"] == lines["worker-1"][1:10]
    assert ["ready", "cpu,io", "0/1", "0", "0", "–", "–"] == lines["worker-2"][1:8]


def test_list_as_json(workers, capfd):
    """For machines, with all that is known."""
    main(["workers", "list", "--json"])
    found = json.loads(capfd.readouterr().out)["workers"]

    assert {"worker-1": ["io"], "worker-2": ["cpu", "io"]} == {entry["name"]: entry["labels"] for entry in found}
    assert [True, True] == [entry["alive"] for entry in found]


def test_nobody_is_there(redis_url, capfd):
    """An empty list says how to start a worker."""
    main(["workers", "list", "--redis", redis_url])

    assert "no workers; `imgpipe worker" in capfd.readouterr().out


@pytest.mark.parametrize("command", ["drain", "stop"])
def test_a_worker_is_told_what_to_do(workers, capfd, command):
    """It hears it with its next beat; the others do not."""
    code = main(["workers", command, "worker-2"])
    queue = workers[0].queue

    assert 0 == code
    assert f"worker-2 (worker-2:1) will {command}" in capfd.readouterr().out
    assert ("", command) == (queue.beat("worker-1:1", Load()).command, queue.beat("worker-2:1", Load()).command)


def test_a_name_that_nobody_has(workers, capfd):
    """The nearest name is given."""
    assert 2 == main(["workers", "drain", "worker-22"])
    assert "did you mean worker-2?" in capfd.readouterr().err
