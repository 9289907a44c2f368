"""JobViews: a job in words, in numbers and as JSON; pure functions over what a queue says of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadPayload
from imgpipe.queue.explain import BLAME
from imgpipe.queue.values import JobState, TaskState
from imgpipe_cli.meter import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.queue.payload import JobPayload
    from imgpipe.queue.values import JobStatus, TaskStatus

COLUMNS = ("JOB", "STATE", ">DONE", ">FAILED", ">LOST", ">WAITING", ">RUNNING", ">TOTAL", ">AGE", "PIPELINE")


def row_of(status: JobStatus) -> tuple[object, ...]:
    """Return a job's line in the table of all jobs."""
    return (status.id, status.state, status.done, status.failed, status.lost, status.pending + status.retrying,
            status.running, status.total, duration(status.age_seconds), pipeline_of(status))  # fmt: skip


def data_of(status: JobStatus, waiting: str = "") -> dict[str, Any]:
    """Return a job as JSON-like data. `waiting` is why its tasks wait."""
    data = asdict(status) | {"needs": sorted(status.needs), "total": status.total, "codes": dict(status.codes)}
    del data["spec"]
    return {**data, "pipeline": pipeline_of(status), "waiting": waiting}


def lines_of(status: JobStatus, waiting: str) -> Iterator[str]:
    """Tell all about one job."""
    yield f"job {status.id}: {status.state}" + (f" ({status.why})" if status.why else "")
    payload = payload_of(status)
    if payload is not None:
        yield f"  pipeline:  {pipeline_of(status)}"
        yield f"  from {payload.source_root} to {payload.target_root}"
    yield f"  needs:     {', '.join(sorted(status.needs)) or 'any worker'}"
    known = "" if status.sealed else ", and more may come"
    yield f"  pictures:  {status.submitted} handed over{known}"
    yield f"  waiting:   {status.pending + status.retrying}, in work: {status.running}"
    yield f"  done:      {status.done}"
    for count, state in ((status.failed, TaskState.FAILED), (status.lost, TaskState.LOST)):
        if count:
            yield f"  {state + ':':10} {count}  ({BLAME[state]})"
    if status.cancelled:
        yield f"  cancelled: {status.cancelled}"
    for code, count in sorted(status.codes.items(), key=lambda item: -item[1]):
        yield f"    {count:5} {code}"
    if status.losses:
        yield f"  {status.losses} times a worker died with one of them in work"
    if waiting:
        yield f"  {waiting}"
    yield f"  {duration(status.busy_seconds)} of work in {duration(age_of(status))}"


def age_of(status: JobStatus) -> float:
    """Return how long a job has taken, or takes."""
    return max(status.age_seconds - (status.finished_seconds or 0.0), 0.0)


def progress_of(status: JobStatus) -> str:
    """Return how far a job is, in one line."""
    total = "" if status.total is None else f"/{status.total}"
    parts = [f"{status.settled}{total}"]
    for count, word in ((status.running, "in work"), (status.failed, "failed"), (status.lost, "lost")):
        parts += [f"{count} {word}"] if count else []
    parts += [] if status.state is JobState.RUNNING else [status.state + (f" ({status.why})" if status.why else "")]
    return "  ".join(parts)


def failure_data(task: TaskStatus, payload: JobPayload | None) -> dict[str, Any]:
    """Return what is known of a task that failed or was lost, as JSON-like data."""
    data: dict[str, Any] = {
        "index": task.index,
        "outcome": str(task.state),
        "blame": BLAME[task.state],
        "code": task.code,
        "worker": task.worker,
        "attempts": task.attempts,
        "losses": task.losses,
        "source": _source_of(task, payload),
        "message": "",
        "remedy": "",
    }
    from imgpipe.queue.payload import decode_result  # noqa: PLC0415 - numpy and Pillow, which --help does not need

    if payload is not None and task.result:
        try:
            failure = decode_result(task.result, payload).failure
        except BadPayload:
            failure = None
        if failure is not None:
            data |= {"message": failure.message, "remedy": failure.remedy}
    return data


def failure_line(failure: dict[str, Any], arrow: str) -> str:
    """Return the same in one line."""
    name = failure["source"] or f"picture {failure['index']}"
    message = failure["message"] or (f"{failure['losses']} workers died" if failure["losses"] else "no reason was kept")
    remedy = f"  {arrow} {failure['remedy']}" if failure["remedy"] else ""
    return f"{failure['outcome']}: {failure['blame']}  {failure['code']}  {name}  {message}{remedy}"


def pipeline_of(status: JobStatus) -> str:
    """Return the text of a job's pipeline, "" if it cannot be read here."""
    payload = payload_of(status)
    return "" if payload is None else str(payload.recipe.pipeline)


def payload_of(status: JobStatus) -> JobPayload | None:
    """Return what a job is about, None if it cannot be read here."""
    from imgpipe.queue.payload import JobPayload  # noqa: PLC0415 - numpy and Pillow, which --help does not need

    try:
        return JobPayload.decode(status.spec)
    except BadPayload:
        return None


def _source_of(task: TaskStatus, payload: JobPayload | None) -> str:
    from imgpipe.queue.payload import decode_task  # noqa: PLC0415 - the same

    if payload is None or not task.payload:
        return ""
    try:
        return decode_task(task.payload, payload, "")[0].source
    except BadPayload:
        return ""
