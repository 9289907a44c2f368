"""Corpus: thousands of real, odd and hostile files of other projects, none of which may break or fool imgpipe."""

from __future__ import annotations

import faulthandler
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from imgpipe.errors import FailureCode
from imgpipe.executors import create_executor
from running_tasks import classified, left_behind, recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgpipe.task import Result

_HANGS_SECONDS = 60  # for one file, on a slow machine; ten on a usual one
_FOLDERS = ("pillow", "image-rs", "thumbor")
_WORK = recipe("resize:320x240 | blur:2")

pytestmark = [pytest.mark.corpus, pytest.mark.slow]


def files_of(corpus: Path, folder: str) -> list[str]:
    """Return all files of one project in a fixed order."""
    return sorted(str(path) for path in (corpus / folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("folder", _FOLDERS)
def test_every_file_ends_in_a_known_way(tmp_path, corpus, folder, capfd, monkeypatch):
    """Each file becomes a picture or gets a code of its own; nobody prints anything, and nothing stays behind."""
    sources = files_of(corpus, folder)
    executor = create_executor("sequential")
    run = executor.run

    def watched(tasks: Iterator[object]) -> Iterator[Result]:
        for result in run(tasks):  # type: ignore[arg-type]  # they are passed on as they are
            faulthandler.dump_traceback_later(_HANGS_SECONDS, exit=True)
            yield result

    monkeypatch.setattr(executor, "run", watched)
    try:
        answers = classified(executor, sources, _WORK, tmp_path)
    finally:
        faulthandler.cancel_dump_traceback_later()

    printed = tuple(capfd.readouterr())
    counts = Counter(code or outcome for outcome, code, _, _ in answers.values())
    with capfd.disabled():
        print(  # noqa: T201 - the figures are what a run of this is for
            f"\n{folder}: {dict(counts.most_common())}"
        )
    assert len(sources) == len(answers)
    assert ("", "") == printed
    assert [] == [source for source, answer in answers.items() if answer[1] == FailureCode.INTERNAL]
    assert {"done", "failed"} >= {answer[0] for answer in answers.values()}
    assert [] == left_behind(tmp_path)


@pytest.mark.parametrize("folder", ["image-rs", "thumbor"])
def test_executors_agree(tmp_path, corpus, folder):
    """One thread and several give the same answers and the same bytes for every file."""
    sources = files_of(corpus, folder)
    one = classified(create_executor("sequential"), sources, _WORK, tmp_path / "one")
    several = classified(create_executor("threads", workers=3), sources, _WORK, tmp_path / "several")

    assert one == several
