"""Document: a snapshot as JSON-like data of schema imgpipe.metrics/1, and back: recordings are made of it.

Keys are the names of `imgpipe.monitor.values`, with `_s` for seconds; what is not known is null. `age_s`, `summary`
and `scaling_recommendation` are added, and left out on the way back, as is whatever a newer imgpipe may add.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from imgpipe.advice.urgency import Urgency
from imgpipe.errors import BadOption
from imgpipe.monitor.times import rfc3339
from imgpipe.monitor.values import Rates, Snapshot

SCHEMA = "imgpipe.metrics/1"

_NAMES = {"one_minute": "1m", "ten_minutes": "10m"}
_RANKS = {urgency.value: urgency.rank for urgency in Urgency}


def to_data(snapshot: Snapshot, *, age_seconds: float = 0.0) -> dict[str, Any]:
    """Return a snapshot as a document; `age_seconds` says how old it is when it is handed out."""
    return {
        "schema": SCHEMA,
        "generated_at": rfc3339(snapshot.wall_seconds),
        "age_s": age_seconds,
        "summary": _plain(summary(snapshot)),
        "scaling_recommendation": _plain(recommendation(snapshot)),
        **_plain(snapshot),
    }


def from_data(data: Any) -> Snapshot:
    """Return the snapshot that a document was made of. Raises `BadOption` that names what is wrong."""
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise BadOption("document", data.get("schema") if isinstance(data, dict) else data, f"schema {SCHEMA}")
    snapshot: Snapshot = _read(Snapshot, data, "document")
    return snapshot


def summary(snapshot: Snapshot) -> dict[str, float | int | None]:
    """Return what one wants to know first, in plain numbers; percents go from 0 to 100."""
    here = next((host for host in snapshot.hosts if host.cpu_cores is not None), None)
    memory = here.memory if here else None
    used, limit = (memory.used_bytes, memory.limit_bytes) if memory else (None, None)
    alive = [worker for worker in snapshot.workers if worker.state != "lost"]
    slots, done = sum(worker.concurrency for worker in alive), sum(queue.completed_total for queue in snapshot.queues)
    over = done + sum(queue.failed_total + queue.lost_total for queue in snapshot.queues)
    rates = [queue.completion_rate_per_second for queue in snapshot.queues]
    known = [rate for rate in rates if rate is not None]
    return {
        "cpu_percent": None if here is None or here.cpu_of_quota is None else 100 * here.cpu_of_quota,
        "memory_percent": 100 * used / limit if used is not None and limit else None,
        "memory_available_bytes": limit - used if used is not None and limit is not None else None,
        "total_workers": len(alive),
        "busy_workers": sum(worker.busy > 0 for worker in alive),
        "worker_utilization": sum(worker.busy for worker in alive) / slots if slots else None,
        "queue_length": sum(queue.ready + queue.retry for queue in snapshot.queues),
        "success_rate": done / over if over else None,
        "throughput_per_s": sum(known) if known else None,
        "average_processing_time_s": snapshot.jobs.duration_total_seconds.mean,
    }


def recommendation(snapshot: Snapshot) -> dict[str, Any] | None:
    """Return the most urgent advice, the first of equals; None if there is none."""
    return max(snapshot.scaling, key=lambda advice: _RANKS.get(str(advice.get("urgency")), -1), default=None)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {_key(type(value), field.name): _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(cls: type[Any], name: str) -> str:
    if cls is Rates:
        return _NAMES.get(name, name)
    return name.replace("_per_second", "_per_s").replace("_seconds", "_s")


def _read(kind: Any, value: Any, where: str) -> Any:
    """Return a value of this type, as `_plain` has written it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        return _read(next(argument for argument in arguments if argument is not NoneType), value, where)
    if is_dataclass(kind) and isinstance(value, dict):
        assert isinstance(kind, type)
        return kind(**{name: _field(kind, name, hint, value, where) for name, hint in _hints(kind).items()})
    if origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], part, f"{where}[{number}]") for number, part in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {name: _read(arguments[1], part, f"{where}.{name}") for name, part in value.items()}
    if kind is Any or type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    raise BadOption(where, value, f"{getattr(kind, '__name__', kind)}")


def _field(cls: type[Any], name: str, hint: Any, data: dict[str, Any], where: str) -> Any:
    key = _key(cls, name)
    if key in data:
        return _read(hint, data[key], f"{where}.{key}")
    default = cls.__dataclass_fields__[name].default
    if default is MISSING:
        raise BadOption(f"{where}.{key}", None, "a value: it is missing")
    return default


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)
