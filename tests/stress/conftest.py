"""Fixtures for stress runs: small pictures, a folder for results, and what can be said of a run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.stress import Plan, Report, Stress, report_of, stress
from imgpipe.stress.book import Book
from imgpipe.stress.queue_target import QueueTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.queue.base import TaskQueue


@pytest.fixture
def run_on(tmp_path, picture_file) -> Callable[..., Report]:
    """Return a function that runs a plan on a queue with one recipe or more, and gives the report."""
    sources = [picture_file(tmp_path / "in", name) for name in ("a.jpg", "b.png")]
    broken = tmp_path / "in" / "broken.jpg"
    broken.write_bytes(Path(sources[0]).read_bytes()[:300])
    out = tmp_path / "out"
    out.mkdir()

    def run(queue: TaskQueue, plan: Plan, *filters: str, with_broken: bool = False) -> Report:
        book = Book()
        recipes = [Recipe(Pipeline.parse(text)) for text in filters]
        pictures = [*sources, str(broken)] if with_broken else sources
        target = QueueTarget(queue, "here", recipes, pictures, str(out), book)
        report = report_of(stress(Stress(plan, target, book, ", ".join(filters)), threading.Event()))
        assert [] == list(out.iterdir())
        return report

    return run
