"""SmallWorker: the least that a worker has to do, in a thread of the test or step by step, on any queue."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from imgpipe.queue.payload import JobPayload, decode_task, encode_result
from imgpipe.queue.values import Claim, Load, Receipt, Settled, Verdict, WorkerSpec
from imgpipe.task import Outcome
from imgpipe.work import run_task

if TYPE_CHECKING:
    from imgpipe.queue.base import TaskQueue

LEASE_SECONDS = 30.0


class SmallWorker:
    """A worker with one slot. `step` does one task in the caller's thread; as a context it works in a thread."""

    def __init__(self, queue: TaskQueue, name: str = "worker-1", labels: str = "cpu io") -> None:
        self.queue, self.name = queue, name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name)
        queue.register(WorkerSpec(id=f"{name}:1", name=name, labels=frozenset(labels.split()), slots=1), LEASE_SECONDS)

    def claim(self) -> Claim | None:
        """Take a task, None if there is none."""
        claims = self.queue.claim(f"{self.name}:1", 1, starting=1)
        return claims.tasks[0] if claims.tasks else None

    def settle(self, claim: Claim) -> Receipt:
        """Do a task and say so."""
        status = self.queue.status(claim.job)
        assert status is not None
        payload = JobPayload.decode(status.spec)
        task, _ = decode_task(claim.payload, payload, claim.task_id)
        result = replace(run_task(task), worker=self.name)
        verdict = Verdict.DONE if result.outcome is Outcome.DONE else Verdict.FAILED
        code = result.failure.code.value if result.failure else ""
        word = Settled(claim, verdict, encode_result(result, payload), code)
        return self.queue.finish(f"{self.name}:1", [word]).receipts[0]

    def step(self) -> bool:
        """Do one task, if there is one."""
        claim = self.claim()
        if claim is not None:
            self.settle(claim)
        return claim is not None

    def leave(self) -> None:
        """Take leave of the queue."""
        self.queue.leave(f"{self.name}:1")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.leave()

    def _work(self) -> None:
        while not self._stop.is_set():
            self.queue.beat(f"{self.name}:1", Load())
            if not self.step():
                self.queue.wait_for_work(f"{self.name}:1", 0.05)
