"""Both queues, driven through the same random steps: they answer alike, and every task is somewhere exactly once."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.queue_contract import ALL, CPU, IO, LEASE_SECONDS
from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.redis import RedisQueue
from imgpipe.queue.values import (
    Claim,
    ClassCounters,
    ClassStatus,
    Counters,
    Item,
    JobSpec,
    JobState,
    JobStatus,
    Load,
    Overview,
    Settled,
    SubmitKind,
    Verdict,
    WorkerSpec,
    WorkerStatus,
)
from manual_clock import ManualClock

Held = tuple[str, Claim]

JOBS = {
    "a": JobSpec(id="a", needs=CPU, window=12, breaker=4, max_losses=2, max_deliveries=3),
    "b": JobSpec(id="b", needs=IO, window=40, breaker=0, pure=False),
    "c": JobSpec(id="c", needs=ALL, window=40, breaker=0, max_attempts=2),
    "f": JobSpec(id="f", needs=CPU, window=40, breaker=0, routing="fifo"),
}
LABELS = {"cpu": CPU, "io": IO, "all": ALL}
jobs = st.sampled_from(sorted(JOBS))
workers = st.sampled_from([f"{kind}-{n}" for kind in ("cpu", "io", "all", "fifo") for n in range(2)])


class QueueMachine(RuleBasedStateMachine):
    """The steps; the memory's queue is looked into, the other one has to look the same from outside."""

    claims = Bundle("claims")
    redis_url: str
    most_indexes = 30

    @initialize()
    def begin(self) -> None:
        """Start with two empty queues on one clock."""
        self.clock = ManualClock()
        self.memory = MemoryQueue(self.clock)
        self.redis = RedisQueue(self.redis_url, clock=self.clock)
        self.redis._redis.command("FLUSHDB")
        self.kept: tuple[dict[str, Any], dict[bytes, bytes]] | None = None
        self.handed: dict[str, set[int]] = {name: set() for name in JOBS}

    def both(self, method: str, *arguments: Any, **more: Any) -> Any:
        """Call a method of both, and compare the answers."""
        expected = _comparable(getattr(self.memory, method)(*arguments, **more))
        actual = _comparable(getattr(self.redis, method)(*arguments, **more))
        assert expected == actual
        return expected

    # -- steps --------------------------------------------------------------------------------------------------------

    @rule(job=jobs)
    def create(self, job: str) -> None:
        """Open, attach or replace."""
        before = self.memory.status(job)
        if before and before.state is JobState.CANCELLING:
            return
        if before is None or before.is_over:
            self.handed[job] = set()
        self.both("create", JOBS[job])

    @rule(job=jobs, first=st.integers(0, 20), size=st.integers(0, 8), step=st.integers(1, 3), after=st.integers(0, 5),
          last=st.booleans(), more=st.none() | st.integers(0, 3))  # fmt: skip
    def submit(self, job: str, first: int, size: int, step: int, after: int, more: int | None, *, last: bool) -> None:
        """Hand over: new, known, overlapping, with gaps, from a wrong cursor, with or without an end."""
        indexes = range(first, first + size * step, step)
        items = [Item(index, f"{job}{index}".encode()) for index in indexes]
        answer = self.both("submit", job, items, after=after, last=last, more=more)
        if answer.kind is SubmitKind.ACCEPTED:
            self.handed[job] |= set(indexes)

    @rule(worker=workers)
    def register(self, worker: str) -> None:
        """A worker that is not there presents itself."""
        if worker not in self.memory._workers:
            kind = worker.partition("-")[0]
            routing: Any = "fifo" if kind == "fifo" else "labels"
            spec = WorkerSpec(id=worker, name=worker, labels=LABELS.get(kind, IO), slots=2, routing=routing)
            self.both("register", spec, LEASE_SECONDS)

    @rule(target=claims, worker=workers, want=st.integers(0, 6), starting=st.integers(0, 3))
    def claim(self, worker: str, want: int, starting: int) -> Any:
        """Take tasks."""
        answer = self.both("claim", worker, want, starting=starting)
        self.check_claims(worker, answer.tasks)
        return multiple(*((worker, claim) for claim in answer.tasks))

    @rule(held=claims)
    def begin_task(self, held: Held) -> None:
        """Say that a task has begun; it may be somebody else's by now."""
        worker, claim = held
        self.both("beat", worker, Load(busy=1), begun=[claim], totals={"pixels": 3})

    @rule(target=claims, held=consumes(claims), other=claims, verdict=st.sampled_from(Verdict),
          delay=st.sampled_from([0.0, 4.0]), want=st.integers(0, 3))  # fmt: skip
    def finish(self, held: Held, other: tuple[str, Claim], verdict: Verdict, delay: float, want: int) -> Any:
        """Say what became of a task, and of another one again; claim more with it."""
        worker, claim = held
        words = [
            Settled(claim, verdict, b"r", "CODE", 0.25, delay),
            Settled(other[1], Verdict.DONE, b"again", busy_seconds=0.25),
        ]
        answer = self.both("finish", worker, words, want=want, starting=1)
        self.check_claims(worker, answer.claims.tasks)
        return multiple(*((worker, claim) for claim in answer.claims.tasks))

    @rule(worker=workers)
    def beat(self, worker: str) -> None:
        """Renew a lease."""
        self.both("beat", worker, Load())

    @rule(seconds=st.sampled_from([0.5, 3.0, 5.0, 16.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([3.0, 5.0]), times=st.integers(1, 4), worker=workers)
    def outlive(self, seconds: float, times: int, worker: str) -> None:
        """One worker beats while time passes for the others."""
        for _ in range(times):
            self.clock.advance(seconds)
            self.both("beat", worker, Load())

    @rule()
    def reap(self) -> None:
        """Look for the dead."""
        self.both("reap")

    @rule(worker=workers)
    def leave(self, worker: str) -> None:
        """Take leave."""
        self.both("leave", worker)

    @rule(job=jobs, verb=st.sampled_from(["pause", "resume", "cancel"]))
    def control(self, job: str, verb: Any) -> None:
        """Pause, resume or cancel."""
        self.both("control", job, verb, "why")

    @rule(job=jobs, count=st.integers(0, 5))
    def retry(self, job: str, count: int) -> None:
        """Try failed tasks again."""
        self.both("retry", job, count)

    @rule(job=jobs, start=st.integers(0, 6))
    def read(self, job: str, start: int) -> None:
        """Read results, and forget some."""
        self.both("results", job, 5, start=start)
        self.both("forget", job, start)

    @rule()
    def forget_scripts(self) -> None:
        """The server has been restarted, and knows no script any more."""
        self.redis._redis.command("SCRIPT", "FLUSH")

    @precondition(lambda self: self.kept is None)
    @rule()
    def keep(self) -> None:
        """Remember how everything is."""
        state = {name: value for name, value in vars(self.memory).items() if name not in ("_changed", "_clock")}
        keys = self.redis._redis.command("KEYS", "*")
        self.kept = copy.deepcopy(state), {key: self.redis._redis.command("DUMP", key) for key in keys}

    @precondition(lambda self: self.kept is not None)
    @rule()
    def roll_back(self) -> None:
        """The server comes back with what it had then; workers and submitters go on from now."""
        assert self.kept is not None
        state, dumped = self.kept
        self.kept = None
        vars(self.memory).update(state)
        self.redis._redis.command("FLUSHDB")
        for key, value in dumped.items():
            self.redis._redis.command("RESTORE", key, 0, value)
        self.handed = {name: set(job.submitted) for name, job in self.memory._jobs.items()} | {
            name: set() for name in JOBS if name not in self.memory._jobs
        }

    # -- what is true after every step --------------------------------------------------------------------------------

    @invariant()
    def both_look_the_same(self) -> None:
        """Counts, workers, single tasks, and all of it together."""
        for job in JOBS:
            self.both("status", job)
            self.both("failures", job)
            self.both("fsck", job)
            assert [] == self.memory.fsck(job)
        self.both("workers")
        self.both("overview")
        self.both("task", "a", 3)
        self.both("counters")

    @invariant()
    def every_task_is_somewhere(self) -> None:
        """What was accepted and is not settled is in exactly one place; what is settled is settled once."""
        for name, job in self.memory._jobs.items():
            assert self.handed[name] == job.submitted
            assert not job.done & job.failed
            held = [index for worker in self.memory._workers.values() for of, index in worker.held if of == name]
            places = [*(record.index for record in job.pending), *job.retrying, *held]
            live = [index for index in places if not job.is_settled(index)]
            assert len(live) == len(set(live))
            if job.is_open:
                assert set(live) == job.submitted - job.done - job.failed
            assert all(index in job.submitted for index in places)

    def teardown(self) -> None:
        """Whatever has happened: with one worker of each kind left, every open job comes to its end."""
        if not hasattr(self, "memory"):
            return
        for job in JOBS:
            self.both("control", job, "resume")
            self.both("submit", job, [], last=True)
        self.clock.advance(100)
        for kind in ("all", "fifo"):
            routing: Any = "fifo" if kind == "fifo" else "labels"
            spec = WorkerSpec(id=f"last-{kind}", name="last", labels=ALL, slots=50, routing=routing)
            self.both("register", spec, LEASE_SECONDS)
        for _ in range(30):
            self.clock.advance(3)
            for worker in ("last-all", "last-fifo"):
                answer = self.both("claim", worker, 60, starting=60)
                words = [Settled(claim, Verdict.DONE, b"end") for claim in answer.tasks]
                self.both("finish", worker, words)
            self.both("reap")
            for job in JOBS:
                self.both("control", job, "resume")
        for job in JOBS:
            status = self.redis.status(job)
            assert status is None or status.is_over, status
            assert status is None or status.settled == status.submitted
        self.redis.close()

    def check_claims(self, worker: str, claims: tuple[Claim, ...]) -> None:
        """A worker has the labels for all that it gets, and what it gets is not settled."""
        for claim in claims:
            spec = JOBS[claim.job]
            known = self.memory._workers[worker].spec
            assert spec.routing == known.routing
            assert spec.routing == "fifo" or spec.needs <= known.labels
            assert not self.memory._jobs[claim.job].is_settled(claim.index)


def _comparable(answer: Any) -> Any:
    """Leave out what may differ: times that one of them rounds, orders, classes without a history."""
    if isinstance(answer, JobStatus):
        return replace(answer, age_seconds=0, idle_seconds=0, finished_seconds=None)
    if isinstance(answer, Counters):
        classes = {name: counts for name, counts in answer.classes.items() if counts != ClassCounters()}
        return classes, answer.totals, answer.lost_workers
    if isinstance(answer, Overview):
        return [_comparable(part) for part in (answer.counters, answer.jobs, answer.workers, answer.classes)]
    if isinstance(answer, list | tuple) and answer and isinstance(answer[0], JobStatus):
        return sorted((_comparable(status) for status in answer), key=lambda status: str(status.id))
    if isinstance(answer, list | tuple) and answer and isinstance(answer[0], WorkerStatus):
        return sorted(answer, key=lambda worker: worker.id)
    if isinstance(answer, list | tuple) and answer and isinstance(answer[0], ClassStatus):
        return {seen.name: (seen.pending, seen.slots) for seen in answer}
    return answer


@pytest.mark.parametrize("steps", [pytest.param((25, 60), id="short")])
def test_both_queues_behave_alike(redis_url, steps):
    """Whatever happens, in whatever order, both say the same, and no task is lost or settled twice."""
    examples, length = steps

    class Machine(QueueMachine):
        pass

    Machine.redis_url = redis_url
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=length,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
