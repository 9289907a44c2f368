"""Workload: pictures and a recipe, turned into tasks again and again; and what came out, byte by byte."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from imgpipe.errors import UsageError
from imgpipe.pictures.formats import BY_NAME
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.task import Task
from imgpipe.work import run_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imgpipe.task import Result

TASKS_PER_WORKER = 8
"""Fewer, and the end of a pass, when some workers have nothing left to do, would be most of it."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What every executor is given: pictures and a recipe."""

    name: str
    recipe: Recipe
    sources: tuple[str, ...]

    def tasks(self, folder: str, most_workers: int) -> list[Task]:
        """Return the tasks of one pass: all pictures, as often as it takes to give every worker several."""
        rounds = math.ceil(TASKS_PER_WORKER * most_workers / len(self.sources))
        return [
            Task(
                str(number),
                source,
                os.path.join(folder, f"{number}{self._extension(source)}"),
                self.recipe,
                measure_queue=True,
            )
            for number, source in enumerate(self.sources * rounds)
        ]

    def without(self, bad: Iterable[str]) -> Workload:
        """Return it without some pictures. Raises `UsageError` if none is left."""
        left_out = dict.fromkeys(bad)
        left = tuple(source for source in self.sources if source not in left_out)
        if not left:
            raise UsageError(f"{self.name}: none of the pictures can be processed; imgpipe process says why")
        return replace(self, sources=left)

    def _extension(self, source: str) -> str:
        kept = os.path.splitext(source)[1]
        return kept if self.recipe.write.format == "keep" else BY_NAME[self.recipe.write.format].extensions[0]


def collect(results: Iterable[Result]) -> dict[str, str]:
    """Return for each task what came of it, in a word that is equal if the output is, and remove the output."""
    outcomes = {}
    for result in results:
        if result.failure is not None:
            outcomes[result.task_id] = f"{result.failure.code}: {result.failure.message}"
            continue
        with open(result.target, "rb") as file:
            outcomes[result.task_id] = (
                f"{result.bytes_out} bytes, sha256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
            )
        os.unlink(result.target)
    return outcomes


def differing(expected: Mapping[str, str], actual: Mapping[str, str]) -> Iterator[str]:
    """Give the ids of the tasks whose outcomes are not equal."""
    return (number for number in expected if expected[number] != actual.get(number))


def small_copies(sources: Sequence[str], folder: str, side: int) -> tuple[str, ...]:
    """Write copies of at most `side` pixels on each side into `folder`; pictures that cannot be read are left as is."""
    recipe = Recipe(Pipeline.parse(f"resize:{side}x{side}"))
    small = []
    for number, source in enumerate(sources):
        target = os.path.join(folder, f"small-{number}{os.path.splitext(source)[1]}")
        small.append(target if run_task(Task(str(number), source, target, recipe)).ok else source)
    return tuple(small)


def spread_over(sources: Sequence[str], most: int) -> tuple[str, ...]:
    """Return at most so many of the pictures, evenly from first to last."""
    if len(sources) <= most:
        return tuple(sources)
    return tuple(sources[number * len(sources) // most] for number in range(most))


class Scratch:
    """A temporary folder of our own: nothing of the user's is touched. Use it in a `with` block."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="imgpipe-compare-")

    def folder(self, name: str) -> str:
        """Return a folder inside of it."""
        path = os.path.join(self.path, name)
        os.makedirs(path, exist_ok=True)
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
