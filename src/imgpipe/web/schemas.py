"""Schemas: what bodies and answers look like, as JSON Schema; the OpenAPI document is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgpipe.filters import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT: Mapping[str, Any] = {"type": "string"}
NUMBER: Mapping[str, Any] = {"type": "number"}
COUNT: Mapping[str, Any] = {"type": "integer", "minimum": 0}
LIST: Mapping[str, Any] = {"type": "array"}
OBJECT: Mapping[str, Any] = {"type": "object"}
TRUTH: Mapping[str, Any] = {"type": "boolean"}


def answer(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an object that has at least these keys."""
    return {"type": "object", "required": list(properties), "properties": properties}


HEALTH = answer(
    status={"type": "string", "enum": ["healthy", "degraded"]}, version=TEXT, uptime_s=NUMBER,
    queue={"type": "string", "enum": ["memory", "redis"]}, workers=COUNT, checks=OBJECT,
)  # fmt: skip
STATE = answer(status=TEXT)
STATS = answer(uptime_s=NUMBER, requests=OBJECT, images=OBJECT, process=OBJECT, machine=OBJECT)
IMAGE_INFO = answer(
    name=TEXT, width=COUNT, height=COUNT, megapixels=NUMBER, mode=TEXT, format=TEXT, bytes=COUNT,
    exif_orientation=COUNT, frames=COUNT, animated=TRUTH, sha256=TEXT,
)  # fmt: skip
_SUMS = {
    "status": {"type": "string", "enum": ["completed", "partial", "failed"]},
    "pipeline": TEXT, "mode": TEXT, "elapsed_s": NUMBER, "throughput_per_s": NUMBER, "succeeded": COUNT,
    "failed": COUNT, "stopped": TEXT,
}  # fmt: skip
BATCH = answer(**_SUMS, workers=COUNT, total=COUNT, cpu=OBJECT, memory=OBJECT, errors_by_code=OBJECT, results=LIST)
STRESS = answer(**_SUMS, num_iterations=COUNT, finished_iterations=COUNT, iteration_s=OBJECT, iterations=LIST)
COMPARISON = answer(
    status=TEXT, pipeline=TEXT, results=OBJECT, speedup=OBJECT, best=TEXT, explanation=LIST,
    identical_outputs=TRUTH, host=OBJECT,
)  # fmt: skip
_MAYBE_TEXT: Mapping[str, Any] = {"type": ["string", "null"]}
_PATHS = {"status_url": TEXT, "results_url": TEXT, "events_url": TEXT}
HANDED_OVER = answer(
    task_id=TEXT, status={"const": "pending"}, total=COUNT, pipeline=TEXT, needs=LIST, routing=TEXT, queue=TEXT,
    workers_able=COUNT, explanation=TEXT, **_PATHS,
)  # fmt: skip
TASK = answer(
    task_id=TEXT,
    status={
        "type": "string", "enum": ["pending", "processing", "completed", "partial", "failed", "lost", "cancelled"]
    },
    failure_type={"enum": ["job_failure", "worker_failure", None]},
    failure_reason=_MAYBE_TEXT, explanation=TEXT, error=_MAYBE_TEXT, progress=OBJECT, errors_by_code=OBJECT,
    attempts=COUNT, losses=COUNT, created_at=TEXT, finished_at=_MAYBE_TEXT, **_PATHS,
)  # fmt: skip
RESULTS = answer(task_id=TEXT, status=TEXT, items=LIST, next_cursor=_MAYBE_TEXT)
WORKERS = answer(total=COUNT, busy=COUNT, idle=COUNT, lost=COUNT, workers=LIST)
METRICS = answer(schema={"const": "imgpipe.metrics/1"}, generated_at=TEXT, summary=OBJECT, queues=LIST, workers=LIST,
                 scaling=LIST)  # fmt: skip
SCALING = answer(scaling=LIST, scaling_recommendation={"type": ["object", "null"]})
PROBLEM = answer(type=TEXT, title=TEXT, status=COUNT, detail=TEXT, code=TEXT, request_id=TEXT)
PROBLEM_KIND = answer(code=TEXT, title=TEXT)


def order(**more: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the body of a batch; `more` are keys that not every batch has."""
    named = {
        "type": "object", "required": ["name"],
        "properties": {"name": {"enum": registry.names()}, "params": OBJECT},
    }  # fmt: skip
    return {
        "type": "object",
        "required": ["filters"],
        "additionalProperties": False,
        "properties": {
            "filters": {
                "type": "array", "minItems": 1, "maxItems": 32,
                "items": {"anyOf": [{"type": "string", "examples": registry.names()}, named]},
            },
            "filter_params": {"type": "object", "additionalProperties": OBJECT},
            "images": {"type": "array", "items": TEXT},
            **more,
        },
    }  # fmt: skip
