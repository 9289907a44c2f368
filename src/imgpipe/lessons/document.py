"""Document: a lesson and what came of it as JSON-like data, schema imgpipe.lesson/1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from imgpipe.lessons.values import compared

if TYPE_CHECKING:
    from imgpipe.lessons.values import Finding, Lesson

SCHEMA = "imgpipe.lesson/1"


def list_data(lessons: list[Lesson]) -> dict[str, Any]:
    """Return all lessons, none of them run."""
    return {"schema": SCHEMA, "lessons": [_asked(lesson) for lesson in lessons]}


def to_data(lesson: Lesson, prediction: float | None, finding: Finding) -> dict[str, Any]:
    """Return question, prediction, answer and explanation. Without a prediction, it and its comparison are null."""
    return {
        "schema": SCHEMA,
        **_asked(lesson),
        "prediction": prediction,
        "answer": finding.answer if math.isfinite(finding.answer) else None,
        "compared": None if prediction is None else compared(prediction, finding.answer),
        "measured": dict(finding.data),
        "rows": [{"name": name, "value": value} for name, value in finding.rows],
        "explanation": list(finding.explanation),
        "notes": list(finding.notes),
        "code": list(lesson.code),
    }


def _asked(lesson: Lesson) -> dict[str, Any]:
    return {
        "lesson": lesson.name,
        "title": lesson.title,
        "setting": lesson.setting,
        "question": lesson.question,
        "unit": lesson.unit,
        "about_seconds": lesson.seconds,
    }
