"""Once: a task from a queue changes nothing when it is run again, or too late; and a failure says if it may pass."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgpipe import FailureCode, Outcome, Task
from imgpipe.work import run_task
from running_tasks import code_of, left_behind, recipe

if TYPE_CHECKING:
    from imgpipe import Failure, Result


def look(path: Path) -> tuple[int, int, bytes]:
    """Return inode, time and bytes of a file."""
    return path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()


def why(result: Result) -> Failure:
    """Return why a picture has failed."""
    assert result.failure is not None
    return result.failure


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("replace", [False, True])
def test_a_second_run_leaves_the_result_of_the_first_alone(tmp_path, picture_file, replace, durable):
    """The target already holds the very bytes: it stays the same file, and the task is done, may it replace or not."""
    source, target = picture_file(tmp_path, "a.png"), tmp_path / "b.png"
    task = Task("1", source, str(target), recipe("flip"), replace=replace, durable=durable, once=True)
    run_task(task)
    before = look(target)

    again = run_task(task)

    assert (Outcome.DONE, before[2]) == (again.outcome, target.read_bytes())
    assert len(before[2]) == again.bytes_out
    assert before == look(target)
    assert [] == left_behind(tmp_path)


@pytest.mark.parametrize("change", ["longer", "other"])
@pytest.mark.parametrize("replace", [False, True])
def test_another_file_is_no_result_of_ours(tmp_path, picture_file, replace, change):
    """A target with other bytes, of the same size or not, is replaced where that is allowed, and kept where not."""
    source, target = picture_file(tmp_path, "a.png"), tmp_path / "b.png"
    task = Task("1", source, str(target), recipe("flip"), replace=replace, once=True)
    run_task(task)
    whole = target.read_bytes()
    other = whole + b"!" if change == "longer" else whole[:-1] + b"!"
    target.write_bytes(other)

    result = run_task(task)

    assert ("" if replace else "TARGET_EXISTS") == code_of(result)
    assert (whole if replace else other) == target.read_bytes()


@pytest.mark.parametrize(("content", "code"), [(None, ""), (b"other", "TARGET_EXISTS")])
def test_two_deliveries_at_once_do_not_fail_each_other(tmp_path, picture_file, monkeypatch, content, code):
    """Without leave to replace, a target that appears in the last moment is no failure if it is what we have made."""
    source, target = picture_file(tmp_path, "a.png"), tmp_path / "b.png"
    link = os.link

    def link_too_late(temporary: str, name: str) -> None:
        target.write_bytes(Path(temporary).read_bytes() if content is None else content)
        link(temporary, name)

    monkeypatch.setattr("imgpipe.pictures.staging.os.link", link_too_late)

    result = run_task(Task("1", source, str(target), recipe("flip"), replace=False, once=True))

    assert code == code_of(result)
    assert [] == left_behind(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_a_link_to_the_same_bytes_is_replaced_as_ever(tmp_path, picture_file):
    """A symbolic link is no file of ours, even if the bytes behind it are the same."""
    source, target = picture_file(tmp_path, "a.png"), tmp_path / "b.png"
    target.symlink_to(source)

    result = run_task(Task("1", source, str(target), recipe(), once=True))

    assert (Outcome.DONE, False) == (result.outcome, target.is_symlink())


def test_nothing_is_published_without_leave(tmp_path, picture_file):
    """Who may not publish any more fails in the last moment, as the worker's fault, and leaves nothing behind."""
    source, target = picture_file(tmp_path, "a.png"), tmp_path / "b.png"
    asked = []

    def may_publish() -> bool:
        asked.append(target.exists())
        return False

    result = run_task(Task("1", source, str(target), recipe("flip")), may_publish=may_publish)

    assert [False] == asked
    assert (Outcome.LOST, "LEASE_ENDED", "publish") == (result.outcome, code_of(result), why(result).stage)
    assert (False, []) == (target.exists(), left_behind(tmp_path))


@pytest.mark.parametrize(
    ("number", "code", "passing"),
    [
        (errno.EIO, FailureCode.CANNOT_WRITE, True),
        (errno.ESTALE, FailureCode.CANNOT_WRITE, True),
        (errno.EACCES, FailureCode.CANNOT_WRITE, False),
        (errno.ENOSPC, FailureCode.DISK_FULL, False),
    ],
)
def test_a_failure_to_write_says_if_it_may_pass(tmp_path, picture_file, monkeypatch, number, code, passing):
    """A storage that does not answer may do so later; a folder that may not be written to stays so."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("imgpipe.pictures.staging.os.replace", fail)

    result = run_task(Task("1", picture_file(tmp_path, "a.png"), str(tmp_path / "b.png"), recipe("flip")))

    assert (code, passing) == (why(result).code, why(result).passing)


@pytest.mark.parametrize(("number", "passing"), [(errno.EIO, True), (errno.ETIMEDOUT, True), (errno.EACCES, False)])
def test_a_failure_to_read_says_if_it_may_pass(tmp_path, picture_file, monkeypatch, number, passing):
    """The same with a picture that cannot be read now."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    source = picture_file(tmp_path, "a.png")
    monkeypatch.setattr("imgpipe.pictures.header.os.open", fail)

    assert passing == why(run_task(Task("1", source, str(tmp_path / "b.png"), recipe("flip")))).passing
