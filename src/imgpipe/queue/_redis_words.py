"""Words: how values are written for the scripts of a RedisQueue, and how their answers are read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imgpipe.queue.values import (
    Claim,
    Claims,
    ClassStatus,
    Counters,
    JobState,
    JobStatus,
    Load,
    TaskState,
    TaskStatus,
    Verdict,
    WorkerStatus,
    counters_from,
    needs_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.queue.values import Settled

_QUEUED = re.compile(rb"\d+\|\d+\|\d+\|\d+\|(\d{1,15})\|")  # when a task began to wait, in ms
_COUNTS = ("next", "submitted", "running", "done", "failed", "lost", "attempts", "losses", "deliveries",
           "interrupted", "refused", "late", "duplicates")  # fmt: skip


def flat(fields: Mapping[str, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]


def pairs(flat: Any) -> dict[bytes, bytes]:
    """Return a dict of what is one in RESP3, and a list in RESP2."""
    return dict(flat) if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def begun_words(claims: Sequence[Claim]) -> list[Any]:
    return [len(claims), *(part for claim in claims for part in (f"{claim.job}|{claim.index}", claim.epoch))]


def settled_words(word: Settled) -> tuple[Any, ...]:
    claim = word.claim
    busy, delay = ms(word.busy_seconds), ms(word.delay_seconds)
    return claim.job, claim.index, claim.epoch, word.verdict.value, word.code, busy, delay, word.result


def counters_of(fields: dict[bytes, bytes], at_seconds: float) -> Counters:
    """Read all counters: class|what, and |what for totals."""
    classes: dict[str, dict[str, int]] = {}
    for field, value in fields.items():
        name, _, what = field.decode().partition("|")
        classes.setdefault(name, {})[what] = int(value)
    totals = classes.pop("", {})
    lost = totals.pop("lost_workers", 0)
    return Counters(at_seconds, {name: counters_from(counts) for name, counts in classes.items()}, totals, lost)


def classes_of(lines: Any, workers: Sequence[WorkerStatus], now: float) -> tuple[ClassStatus, ...]:
    """Put classes together, from a line for each open job: its class, how many wait, and which task is the next."""
    classes = []
    for name in sorted({task_class.decode() for task_class, _, _ in lines}):
        of_class = [(waiting, head) for task_class, waiting, head in lines if task_class.decode() == name]
        needs, pending = needs_of(name), sum(waiting for waiting, _ in of_class)
        slots = sum(
            worker.slots
            for worker in workers
            if worker.is_alive and (worker.routing == "fifo" or needs <= worker.labels)
        )
        queued = [now - int(found[1]) for _, head in of_class if head and (found := _QUEUED.match(head))]
        oldest = max(queued) / 1000 if queued else None
        classes.append(
            ClassStatus(
                name=name,
                needs=needs,
                pending=pending,
                slots=slots,
                stuck_seconds=oldest if pending and not slots else None,
                oldest_seconds=oldest,
            )
        )
    return tuple(classes)


def claims_of(answer: Any) -> Claims:
    if not answer[0]:
        return Claims(gone=True)
    now = int(answer[1])
    flat = answer[2:]
    claims = (claim_of(job.decode(), value, now) for job, value in zip(flat[::2], flat[1::2], strict=True))
    return Claims(tuple(claims))


def claim_of(job: str, value: bytes, now: int) -> Claim:
    epoch, _, index, attempts, losses, deliveries, queued, payload = value.split(b"|", 7)
    waited = (now - int(queued)) / 1000
    return Claim(job, int(index), int(epoch), int(attempts), int(losses), int(deliveries), waited, payload)


def result_of(record: bytes) -> tuple[int, Verdict, bytes]:
    index, verdict, result = record.split(b"|", 2)
    return int(index), Verdict(verdict.decode()), result


def live(
    job: str, record: bytes, state: TaskState, worker: str = "", code: str = "", result: bytes = b""
) -> TaskStatus:
    index, attempts, losses, deliveries, _, payload = record.split(b"|", 5)
    return TaskStatus(
        job=job,
        index=int(index),
        state=state,
        worker=worker,
        attempts=int(attempts),
        losses=int(losses),
        deliveries=int(deliveries),
        code=code,
        result=result,
        payload=payload,
    )


def failure(job: str, detail: bytes) -> TaskStatus:
    verdict, code, worker, length, rest = detail.split(b"|", 4)
    record, result = rest[: int(length)], rest[int(length) :]
    return live(job, record, TaskState(verdict.decode()), worker.decode(), code.decode(), result)


def job_of(
    name: str, fields: dict[bytes, bytes], pending: int, retrying: int, codes: Any, now: float
) -> JobStatus | None:
    if b"state" not in fields:
        return None
    counts = {count: int(fields.get(count.encode(), 0)) for count in _COUNTS}
    state = JobState(fields[b"state"].decode())
    settled = counts["done"] + counts["failed"] + counts["lost"]
    finished, expected = fields.get(b"finished"), fields.get(b"expected")
    routing: Any = fields[b"routing"].decode()
    return JobStatus(
        id=name,
        state=state,
        why=fields[b"why"].decode(),
        needs=needs_of(fields[b"needs"].decode()),
        routing=routing,
        spec=fields[b"spec"],
        sealed=fields[b"sealed"] == b"1",
        expected=None if expected is None else int(expected),
        pending=pending,
        retrying=retrying,
        cancelled=counts["submitted"] - settled if state is JobState.CANCELLED else 0,
        busy_seconds=int(fields[b"busy"]) / 1000,
        age_seconds=(now - int(fields[b"created"])) / 1000,
        idle_seconds=(now - int(fields[b"touched"])) / 1000,
        finished_seconds=None if finished is None else (now - int(finished)) / 1000,
        codes={code.decode(): int(count) for code, count in pairs(codes).items() if int(count)},
        **counts,
    )


def worker_of(id_: str, fields: dict[bytes, bytes], held: int, now: float, *, lost: bool) -> WorkerStatus:
    def text(name: str) -> str:
        return fields.get(name.encode(), b"").decode()

    def number(name: str) -> float | None:
        return float(text(name)) if text(name) else None

    routing: Any = text("routing")
    memory = number("memory_bytes")
    return WorkerStatus(
        id=id_,
        name=text("name"),
        labels=frozenset(text("labels").strip(",").split(",")) - {""},
        routing=routing,
        slots=int(text("slots")),
        host=text("host"),
        pid=int(text("pid")),
        version=text("version"),
        state="lost" if lost else text("state"),
        held=held,
        load=Load(
            busy=int(number("busy") or 0),
            cpu_percent=number("cpu_percent"),
            memory_bytes=None if memory is None else int(memory),
            done=int(number("done") or 0),
            failed=int(number("failed") or 0),
            state=text("state"),
            now=text("now"),
            machine=text("machine"),
        ),
        age_seconds=(now - int(text("since"))) / 1000,
        beat_seconds=(now - int(text("beat"))) / 1000,
    )
