"""RedisQueue: a TaskQueue on Redis 6.2 or Valkey; every step is one Lua script, see `scripts/_lib.lua` for the keys."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from imgpipe.errors import BadOption
from imgpipe.queue import DEFAULT_NAMESPACE
from imgpipe.queue._redis_words import (
    begun_words,
    claim_of,
    claims_of,
    classes_of,
    counters_of,
    failure,
    flat,
    job_of,
    live,
    ms,
    pairs,
    result_of,
    settled_words,
    worker_of,
)
from imgpipe.queue.base import TaskQueue
from imgpipe.queue.checks import check_file, check_items, check_settled, conflict
from imgpipe.queue.connection import Connection, QueueFull
from imgpipe.queue.health import examine, measure
from imgpipe.queue.limits import LOST_SECONDS
from imgpipe.queue.values import (
    Beat,
    Claim,
    Claims,
    Counters,
    Finished,
    JobState,
    JobStatus,
    Load,
    Overview,
    Reaped,
    Receipt,
    Results,
    SubmitKind,
    Submitted,
    TaskState,
    TaskStatus,
    WorkerStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imgpipe.queue.health import Finding
    from imgpipe.queue.values import FileKind, Item, JobSpec, Settled, WorkerSpec

_FILE_SECONDS = 24 * 3600
_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RedisQueue(TaskQueue):
    """Safe to use from several threads. `clock` gives the seconds that tests want; without it, the server's count."""

    def __init__(
        self, url: str, *, namespace: str = DEFAULT_NAMESPACE, clock: Callable[[], float] | None = None
    ) -> None:
        if not _NAMESPACE.fullmatch(namespace):
            raise BadOption("namespace", namespace, "1 to 64 letters, digits, dots, dashes or underscores")
        self._prefix = f"imgpipe:{{{namespace}}}:"
        fifo = "task_queue" if namespace == DEFAULT_NAMESPACE else f"{{{namespace}}}:task_queue"
        self._redis = Connection(url, self._prefix, fifo)
        self._clock = clock

    def examine(self) -> list[Finding]:
        """Judge the server: whether it can be trusted with tasks."""
        return examine(measure(self._redis))

    # -- submitters ---------------------------------------------------------------------------------------------------

    def create(self, spec: JobSpec) -> JobStatus:
        """Open a job, or attach to it."""
        settings = {
            "routing": spec.routing,
            "spec": spec.spec,
            "max_attempts": spec.max_attempts,
            "max_losses": spec.max_losses,
            "max_deliveries": spec.max_deliveries,
            "window": spec.window,
            "breaker": spec.breaker,
            "pure": int(spec.pure),
            "keep": spec.keep_seconds,
            "keep_failed": spec.keep_failed_seconds,
        }
        digest = hashlib.sha256(repr((spec.task_class, sorted(settings.items()))).encode()).hexdigest()[:24]
        state = self._script("create", spec.id, digest, spec.task_class, len(settings), *flat(settings))
        if state:
            raise conflict(spec.id, JobState(state.decode()))
        status = self.status(spec.id)
        if status is None:  # it was cancelled and forgotten in this very moment
            return self.create(spec)
        return status

    def submit(
        self, job: str, items: Sequence[Item], *, after: int = 0, last: bool = False, more: int | None = None
    ) -> Submitted:
        """Hand over items."""
        check_items(items)
        words = [part for item in items for part in (item.index, item.payload)]
        try:
            answer = self._script("submit", job, after, int(last), "" if more is None else more, len(items), *words)
        except QueueFull:
            return Submitted(SubmitKind.FULL, after)
        return Submitted(SubmitKind(answer[0].decode()), *(int(number) for number in answer[1:]))

    def results(self, job: str, count: int, *, start: int = 0) -> Results:
        """Return results by their number."""
        first, dropped, records = self._script("results", job, start, count)
        return Results(first, tuple(result_of(record) for record in records), dropped)

    def forget(self, job: str, before: int) -> None:
        """Forget results."""
        self._script("forget", job, before)

    def wait_for_results(self, job: str, start: int, seconds: float) -> None:
        """Wait for a result."""
        (first, state), length = self._redis.together(
            [["HMGET", self._key("j:", job), "first", "state"], ["LLEN", self._key("res:", job)]]
        )
        if state in (b"running", b"paused", b"cancelling") and int(first or 0) + length <= start:
            self._redis.listen(self._key("rbell:", job), seconds)

    # -- workers ------------------------------------------------------------------------------------------------------

    def register(self, worker: WorkerSpec, lease_seconds: float) -> None:
        """Present a worker."""
        fields = {
            "name": worker.name,
            "labels": "," + "".join(f"{label}," for label in sorted(worker.labels)),
            "slots": worker.slots,
            "routing": worker.routing,
            "host": worker.host,
            "pid": worker.pid,
            "version": worker.version,
        }
        self._script("register", worker.id, ms(lease_seconds), len(fields), *flat(fields))

    def claim(self, worker: str, want: int, *, starting: int = 0, begun: Sequence[Claim] = ()) -> Claims:
        """Take tasks."""
        return claims_of(self._script("claim", worker, want, starting, *begun_words(begun)))

    def finish(
        self,
        worker: str,
        settled: Sequence[Settled],
        *,
        want: int = 0,
        starting: int = 0,
        begun: Sequence[Claim] = (),
    ) -> Finished:
        """Settle tasks, then claim others."""
        check_settled(settled)
        words = [part for word in settled for part in settled_words(word)]
        receipts, claims = self._script("finish", worker, want, starting, *begun_words(begun), len(settled), *words)
        return Finished(tuple(Receipt(receipt.decode()) for receipt in receipts), claims_of(claims))

    def beat(
        self, worker: str, load: Load, *, begun: Sequence[Claim] = (), totals: Mapping[str, int] | None = None
    ) -> Beat:
        """Renew the lease."""
        fields = {name: "" if value is None else value for name, value in asdict(load).items()}
        totals = totals or {}
        words = [len(fields), *flat(fields), len(totals), *flat(totals)]
        answer = self._script("beat", worker, *begun_words(begun), *words)
        if not answer[0]:
            return Beat(gone=True)
        command: Any = answer[1].decode()
        return Beat(command=command, held=answer[2], cancelled=frozenset(job.decode() for job in answer[3:]))

    def resync(self, worker: str) -> tuple[Claim, ...]:
        """Return what the worker holds."""
        (seconds, micro), flat = self._redis.together([["TIME"], ["HGETALL", self._key("run:", worker)]])
        now = int(seconds) * 1000 + int(micro) // 1000
        held = pairs(flat)
        return tuple(claim_of(field.rpartition(b"|")[0].decode(), value, now) for field, value in held.items())

    def leave(self, worker: str) -> None:
        """Take leave."""
        self._script("leave", worker)

    def reap(self) -> Reaped | None:
        """Take the tasks of one dead worker."""
        answer = self._script("reap")
        return Reaped(answer[0].decode(), int(answer[1]), int(answer[2])) if answer else None

    def wait_for_work(self, worker: str, seconds: float) -> None:
        """Wait for the bell."""
        self._redis.listen(self._key("bell:", worker), seconds)

    # -- files --------------------------------------------------------------------------------------------------------

    def put_file(self, job: str, index: int, kind: FileKind, data: bytes) -> bool:
        """Keep a file."""
        check_file(data)
        try:
            self._script("keep", f"{job}:{index}:{kind}", kind, _FILE_SECONDS, data)
        except QueueFull:
            return False
        return True

    def get_file(self, job: str, index: int, kind: FileKind) -> bytes | None:
        """Return a file."""
        data: bytes | None = self._redis.command("GET", self._key("file:", f"{job}:{index}:{kind}"))
        return data

    def drop_files(self, job: str, indexes: Sequence[int]) -> None:
        """Forget files."""
        names = [f"{job}:{index}:{kind}" for index in indexes for kind in ("source", "target")]
        if names:
            self._redis.command("UNLINK", *(self._key("file:", name) for name in names))

    # -- everybody ----------------------------------------------------------------------------------------------------

    def control(self, job: str, verb: Literal["pause", "resume", "cancel"], why: str = "") -> JobStatus | None:
        """Pause, resume or cancel a job."""
        return self.status(job) if self._script("control", job, verb, why) else None

    def retry(self, job: str, count: int) -> int:
        """Put failed tasks back."""
        indexes = sorted(int(index) for index in self._redis.command("HKEYS", self._key("f:", job)))[:count]
        return sum(
            int(self._script("retry", job, len(some), *some))
            for some in (indexes[at : at + 500] for at in range(0, len(indexes), 500))
        )

    def command(self, worker: str, command: Literal["", "drain", "stop"]) -> bool:
        """Tell a worker what to do."""
        if self._redis.command("ZSCORE", self._prefix + "w", worker) is None:
            return False
        self._redis.command("HSET", self._key("w:", worker), "command", command)
        return True

    def status(self, job: str) -> JobStatus | None:
        """Return a job's counts."""
        return self._statuses([job])[0]

    def jobs(self, count: int = 100) -> list[JobStatus]:
        """Return jobs, the newest first."""
        names = [name.decode() for name in self._redis.command("ZREVRANGE", self._prefix + "jobs", 0, count - 1)]
        return [status for status in self._statuses(names) if status is not None]

    def task(self, job: str, index: int) -> TaskStatus:
        """Return what is known of one task."""
        workers = [worker.decode() for worker in self._redis.command("ZRANGE", self._prefix + "w", 0, -1)]
        known, done, failed, detail, again, state, *held = self._redis.together(
            [
                ["GETBIT", self._key("in:", job), index],
                ["GETBIT", self._key("done:", job), index],
                ["GETBIT", self._key("failed:", job), index],
                ["HGET", self._key("f:", job), index],
                ["HGET", self._key("rt:", job), index],
                ["HGET", self._key("j:", job), "state"],
                *(["HGET", self._key("run:", worker), f"{job}|{index}"] for worker in workers),
            ]
        )
        if not known:
            return TaskStatus(job=job, index=index, state=TaskState.UNKNOWN)
        if done:
            return TaskStatus(job=job, index=index, state=TaskState.DONE)
        if failed:
            return failure(job, detail) if detail else TaskStatus(job=job, index=index, state=TaskState.FAILED)
        for worker, value in zip(workers, held, strict=True):
            if value is not None:
                name = self._redis.command("HGET", self._key("w:", worker), "name")
                return live(job, value.split(b"|", 2)[2], TaskState.RUNNING, (name or b"").decode())
        if again is not None:
            return live(job, again, TaskState.RETRYING)
        is_open = state in (b"running", b"paused")
        return TaskStatus(job=job, index=index, state=TaskState.PENDING if is_open else TaskState.CANCELLED)

    def failures(self, job: str, count: int = 100) -> list[TaskStatus]:
        """Return failed and lost tasks."""
        key = self._key("f:", job)
        indexes = sorted(int(index) for index in self._redis.command("HKEYS", key))[:count]
        details = self._redis.command("HMGET", key, *indexes) if indexes else []
        return [failure(job, detail) for detail in details if detail is not None]

    def workers(self, count: int = 1000) -> list[WorkerStatus]:
        """Return workers."""
        (seconds, micro), alive, lost = self._redis.together(
            [
                ["TIME"],
                ["ZRANGE", self._prefix + "w", 0, count - 1, "WITHSCORES"],
                ["ZREVRANGE", self._prefix + "lost", 0, count - 1, "WITHSCORES"],
            ]
        )
        now = self._now(seconds, micro)
        ends: dict[bytes, float] = {worker: float(end) for worker, end in pairs(alive).items()}
        recent = [worker for worker, when in pairs(lost).items() if now - float(when) < LOST_SECONDS * 1000]
        ids = [*ends, *(worker for worker in recent if worker not in ends)][:count]
        commands = [part for id_ in ids for part in (["HGETALL", self._prefix.encode() + b"w:" + id_],
                                                     ["HLEN", self._prefix.encode() + b"run:" + id_])]  # fmt: skip
        answers = self._redis.together(commands) if commands else []
        return [
            worker_of(id_.decode(), pairs(fields), held, now, lost=ends.get(id_, 0.0) < now)
            for id_, fields, held in zip(ids, answers[::2], answers[1::2], strict=True)
            if fields
        ]

    def overview(self, jobs: int = 100, workers: int = 1000) -> Overview:
        """Return all of it."""
        now, counted, found, lines, seen = self._script("overview", jobs, workers)
        statuses = [
            job_of(name.decode(), pairs(fields), waiting, again, codes, now)
            for name, fields, waiting, again, codes in found
        ]
        known = tuple(
            worker_of(id_.decode(), pairs(fields), held, now, lost=bool(lost)) for id_, lost, fields, held in seen
        )
        return Overview(
            counters=counters_of(pairs(counted), now / 1000),
            jobs=tuple(status for status in statuses if status is not None),
            workers=known,
            classes=classes_of(lines, known, now),
        )

    def counters(self) -> Counters:
        """Return what has happened so far."""
        (seconds, micro), fields = self._redis.together([["TIME"], ["HGETALL", self._prefix + "m"]])
        return counters_of(pairs(fields), self._now(seconds, micro) / 1000)

    def purge(self, job: str) -> bool:
        """Forget a job that is over."""
        return bool(self._script("purge", job))

    def fsck(self, job: str) -> list[str]:
        """Count anew, compare, repair."""
        answer = self._script("fsck", job)
        return [
            f"{what.decode()}: {int(was)} were counted, {int(found)} are there"
            for what, was, found in zip(answer[::3], answer[1::3], answer[2::3], strict=True)
        ]

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}{kind}{name}"

    def _script(self, name: str, *arguments: Any) -> Any:
        now = "" if self._clock is None else str(ms(self._clock()))
        return self._redis.script(name, *arguments, now=now)

    def _now(self, seconds: bytes, micro: bytes) -> float:
        """Return milliseconds."""
        return int(seconds) * 1000 + int(micro) / 1000 if self._clock is None else self._clock() * 1000

    def _statuses(self, names: list[str]) -> list[JobStatus | None]:
        commands: list[list[Any]] = [["TIME"]]
        for name in names:
            commands += [
                ["HGETALL", self._key("j:", name)],
                ["LLEN", self._key("q:", name)],
                ["HLEN", self._key("rt:", name)],
                ["HGETALL", self._key("c:", name)],
            ]
        (seconds, micro), *answers = self._redis.together(commands)
        now = self._now(seconds, micro)
        return [
            job_of(name, pairs(answers[4 * n]), answers[4 * n + 1], answers[4 * n + 2], answers[4 * n + 3], now)
            for n, name in enumerate(names)
        ]
