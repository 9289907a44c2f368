"""Metrics schema: writes docs/metrics.schema.json anew from the values: `python tests/metrics_schema.py`."""

from __future__ import annotations

import inspect
import json
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from imgpipe.monitor.document import SCHEMA, _key
from imgpipe.monitor.values import Snapshot

FILE = Path(__file__).parent.parent / "docs" / "metrics.schema.json"
_PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean"}
_NUMBER = {"type": ["number", "null"]}
_SUMMARY = {
    **dict.fromkeys(("cpu_percent", "memory_percent", "memory_available_bytes", "worker_utilization", "success_rate",
                     "throughput_per_s", "average_processing_time_s"), _NUMBER),
    **{name: {"type": "integer"} for name in ("total_workers", "busy_workers", "queue_length")},
}  # fmt: skip
_SCALING = {
    "capability": {"type": "string"},
    "action": {"enum": ["SCALE_UP", "SCALE_DOWN", "MAINTAIN"]},
    "current_workers": {"type": ["integer", "null"]},
    "recommended_workers": {"type": ["integer", "null"]},
    "urgency": {"enum": ["none", "low", "medium", "high", "critical"]},
    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    "reason": {
        "type": "object",
        "required": ["code", "text", "numbers"],
        "properties": {"code": {"type": "string"}, "text": {"type": "string"}, "numbers": {"type": "object"}},
    },
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a document."""
    document = _of(Snapshot)
    advice = {"type": "object", "required": list(_SCALING), "properties": _SCALING}
    first = {
        "schema": {"const": SCHEMA},
        "generated_at": {"type": "string", "description": "The moment, RFC 3339, UTC."},
        "age_s": {"type": "number", "description": "How old it was when it was handed out."},
        "summary": {"type": "object", "required": list(_SUMMARY), "properties": _SUMMARY},
        "scaling_recommendation": {"anyOf": [advice, {"type": "null"}], "description": "The most urgent of scaling."},
    }
    document["properties"] = {**first, **document["properties"], "scaling": {"type": "array", "items": advice}}
    document["required"] = list(document["properties"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **document}


def _of(kind: Any) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (inner,) = (_of(argument) for argument in arguments if argument is not NoneType)
        if "type" in inner and "properties" not in inner:
            return {**inner, "type": [inner["type"], "null"]}
        return {"anyOf": [inner, {"type": "null"}]}
    if is_dataclass(kind):
        assert isinstance(kind, type)
        hints = get_type_hints(kind)
        properties = {_key(kind, field.name): _of(hints[field.name]) for field in fields(kind)}
        required = [_key(kind, field.name) for field in fields(kind) if field.default is MISSING]
        text = " ".join((inspect.getdoc(kind) or "").split())
        return {"type": "object", "description": text, "required": required, "properties": properties}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1])}
    return {} if kind is Any else {"type": _PLAIN[kind]}


if __name__ == "__main__":
    FILE.write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")
