"""Payload: what travels through a queue in place of Python objects: jobs, tasks and results as JSON, read strictly.

Nothing in it is ever imported or called by name: filters are looked up among those that are registered here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from imgpipe.errors import BadPayload, FailureCode, UnknownHere, UsageError
from imgpipe.pictures.staging import in_place, size_and_time
from imgpipe.queue.fields import Fields, is_a, short, written
from imgpipe.queue.values import MOST_BYTES, MOST_RESULT_BYTES
from imgpipe.recipe import Recipe
from imgpipe.task import Failure, Outcome, Result, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1
"""Raised when an older worker would get a job wrong."""
MOST_TASK_BYTES = 1 << 16
"""Bytes of one task: two paths as long as a system takes them, and not much more."""

Transport = Literal["files", "inline"]
"""How pictures reach the worker: from folders that it can see, or through the queue."""

Before = tuple[int, int]
"""Size and mtime (ns) of a picture that is replaced in place: another one has been replaced already, or changed."""

_LONGEST_PATH = 4096
_PLAIN: dict[str, tuple[str, type]] = {  # key to field of Result, and its type
    "format": ("format", str),
    "width": ("width", int),
    "height": ("height", int),
    "mp": ("megapixels", float),
    "in": ("bytes_in", int),
    "out": ("bytes_out", int),
    "conversions": ("conversions", int),
    "worker": ("worker", str),
    "attempt": ("attempt", int),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPayload:
    """What all tasks of a job have in common. Both roots are absolute folders; tasks name their files below them.

    `timeout_seconds` is for one picture, None for no limit.
    """

    recipe: Recipe
    source_root: str
    target_root: str
    durable: bool = False
    timeout_seconds: float | None = None
    transport: Transport = "files"

    def encode(self) -> bytes:
        """Return the JSON form, the same bytes for the same job. Raises `BadPayload` if it is too large."""
        _check_root(self.source_root)
        _check_root(self.target_root)
        data = {
            "v": VERSION,
            "recipe": self.recipe.to_data(),
            "source_root": self.source_root,
            "target_root": self.target_root,
            "durable": self.durable,
            "timeout_seconds": self.timeout_seconds,
            "transport": self.transport,
        }
        return written(data, MOST_BYTES, "job")

    @classmethod
    def decode(cls, data: bytes) -> JobPayload:
        """Read the JSON form. Raises `BadPayload`, and `UnknownHere` for what another worker may be able to read."""
        fields = Fields(data, MOST_BYTES, "job")
        version = fields.take("v", int)
        if version > VERSION:
            raise UnknownHere(f"the job is in version {version}, this imgpipe knows {VERSION}; update the worker")
        if version != VERSION:
            raise BadPayload(f"job: there is no version {version}")
        recipe = fields.take("recipe", dict)
        timeout = fields.take("timeout_seconds", float, None)
        if timeout is not None and timeout <= 0:
            fields.refuse("timeout_seconds", timeout)
        transport: Any = fields.take("transport", str)
        if transport not in get_args(Transport):
            raise UnknownHere(f"this imgpipe does not know the transport {transport!r}; update the worker")
        payload = cls(
            recipe=_recipe(recipe),
            source_root=_check_root(fields.take("source_root", str)),
            target_root=_check_root(fields.take("target_root", str)),
            durable=fields.take("durable", bool),
            timeout_seconds=timeout,
            transport=transport,
        )
        fields.end()
        return payload


def needs_of_recipe(recipe: Recipe) -> frozenset[str]:
    """Return the labels that a worker must have to run a recipe: the kinds of its filters."""
    return frozenset(recipe.pipeline.kinds)


def encode_task(task: Task, payload: JobPayload) -> bytes:
    """Return the JSON form of a task, its paths relative to the job's roots.

    A picture that is to be replaced in place is looked at now: see `Before`. Raises `BadPayload` for a path that is
    not below its root.
    """
    source, target = _below(task.source, payload.source_root), _below(task.target, payload.target_root)
    data: dict[str, Any] = {"s": source}
    if target != source:
        data["t"] = target
    if task.replace:
        data["r"] = True
    if in_place(task.source, task.target) and (before := size_and_time(task.source)):
        data["b"] = before
    return written(data, MOST_TASK_BYTES, "task")


def decode_task(data: bytes, payload: JobPayload, task_id: str) -> tuple[Task, Before | None]:
    """Read the JSON form of a task. Raises `BadPayload`."""
    fields = Fields(data, MOST_TASK_BYTES, "task")
    source = _check_relative(fields.take("s", str))
    target = _check_relative(fields.take("t", str, source))
    replaces = fields.take("r", bool, default=False)
    before = fields.take("b", list, None)
    if before is not None and not (len(before) == 2 and all(is_a(value, int) and value >= 0 for value in before)):
        fields.refuse("b", before)
    fields.end()
    task = Task(
        task_id,
        os.path.join(payload.source_root, source),
        os.path.join(payload.target_root, target),
        payload.recipe,
        replace=replaces,
        durable=payload.durable,
        once=True,
    )
    return task, None if before is None else (before[0], before[1])


def encode_result(result: Result, payload: JobPayload) -> bytes:
    """Return the JSON form of a result, without its usage, in at most `MOST_RESULT_BYTES`.

    Where that is too little, long texts are shortened, marked by …; then notes and stages are left out, the paths at
    last. They are left out, too, where the source is "": it could not be read from the task. Raises `BadPayload` for a
    path that is not below its root.
    """
    paths = {}
    if result.source:
        paths["s"] = _below(result.source, payload.source_root)
        target = _below(result.target, payload.target_root)
        if target != paths["s"]:
            paths["t"] = target
    data = b""
    for longest_text, most_entries, with_paths in ((1000, 50, True), (200, 20, True), (60, 2, True), (40, 0, False)):
        fields = _result_fields(result, longest_text, most_entries) | (paths if with_paths else {})
        data = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
        if len(data) <= MOST_RESULT_BYTES:
            return data
    raise BadPayload(f"result: {len(data)} bytes are more than {MOST_RESULT_BYTES}")


def decode_result(data: bytes, payload: JobPayload) -> Result:
    """Read the JSON form of a result; its paths are "" where they were left out. Raises `BadPayload`."""
    fields = Fields(data, MOST_RESULT_BYTES, "result")
    source = fields.take("s", str, "")
    target = fields.take("t", str, source)
    seconds, notes = fields.take("seconds", dict, {}), fields.take("notes", list, [])
    if not all(is_a(value, float) for value in seconds.values()):
        fields.refuse("seconds", seconds)
    if not all(isinstance(note, str) for note in notes):
        fields.refuse("notes", notes)
    plain = {name: fields.take(key, kind, None) for key, (name, kind) in _PLAIN.items()}
    outcome = fields.take("o", str)
    if outcome not in set(Outcome):
        fields.refuse("o", outcome)
    result = Result(
        task_id=fields.take("id", str),
        source=source and os.path.join(payload.source_root, _check_relative(source)),
        target=target and os.path.join(payload.target_root, _check_relative(target)),
        outcome=Outcome(outcome),
        seconds=seconds,
        failure=_failure(fields.take("failure", list, None), fields),
        notes=tuple(notes),
        **{name: value for name, value in plain.items() if value is not None},
    )
    fields.end()
    return result


def _result_fields(result: Result, longest_text: int, most_entries: int) -> dict[str, Any]:
    """Return what is not at its default, without the paths."""
    default = Result(result.task_id, "", "", result.outcome)
    data: dict[str, Any] = {"id": result.task_id, "o": result.outcome.value}
    for key, (name, kind) in _PLAIN.items():
        value = getattr(result, name)
        if value != getattr(default, name):
            data[key] = short(value, 2 * longest_text) if kind is str else round(value, 6)
    if result.seconds:
        stages = list(result.seconds.items())[:most_entries]
        data["seconds"] = {stage: round(seconds, 6) for stage, seconds in stages}
    if result.notes:
        notes = [short(note, longest_text) for note in result.notes[:most_entries]]
        data["notes"] = notes if len(notes) == len(result.notes) else [*notes, "…"]
    if result.failure is not None:
        failure = result.failure
        texts = [short(text, longest_text) for text in (failure.message, failure.remedy, failure.stage)]
        data["failure"] = [failure.code.value, *texts, failure.passing]
    return data


def _failure(values: list[Any] | None, fields: Fields) -> Failure | None:
    if values is None:
        return None
    kinds = (str, str, str, str, bool)
    if len(values) != len(kinds) or not all(is_a(value, kind) for value, kind in zip(values, kinds, strict=True)):
        fields.refuse("failure", values)
    code, message, remedy, stage, passing = values
    if code not in set(FailureCode):
        raise UnknownHere(f"result: {short(code, 80)!r} is no failure that this imgpipe knows")
    return Failure(FailureCode(code), message, remedy, stage, passing)


def _recipe(data: dict[str, Any]) -> Recipe:
    try:
        return Recipe.from_data(data)
    except UsageError as error:  # unknown filters and options, and values that are only known elsewhere
        raise UnknownHere(f"this imgpipe cannot run the job: {error}") from error


def _below(path: str, root: str) -> str:
    """Return the path relative to a folder that it begins with."""
    start = root if root.endswith(os.sep) else root + os.sep
    if not path.startswith(start):
        raise BadPayload(f"{path!r} is not below {root!r}")
    return _check_relative(path[len(start) :])


def _check_relative(path: str) -> str:
    """Refuse a path that could lead out of its root, other than by symbolic links."""
    parts = list(_parts(path))
    if not parts or ".." in parts or os.path.isabs(path) or os.path.splitdrive(path)[0] or _is_odd(path):
        raise BadPayload(f"{short(path, 200)!r} is no path below a folder")
    return path


def _check_root(path: str) -> str:
    if not os.path.isabs(path) or ".." in _parts(path) or _is_odd(path):
        raise BadPayload(f"{short(path, 200)!r} is no absolute folder")
    return path


def _parts(path: str) -> Iterator[str]:
    separated = path.replace(os.altsep, os.sep) if os.altsep else path
    return (part for part in separated.split(os.sep) if part not in ("", os.curdir))


def _is_odd(path: str) -> bool:
    return "\0" in path or len(path) > _LONGEST_PATH
