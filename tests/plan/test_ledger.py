"""Ledger: what was noted is there again, whoever dies when; nothing damaged or foreign is ever replaced."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from imgpipe.errors import BadOption, FailureCode, OutputLocked, UsageError
from imgpipe.plan.ledger import SCHEMA_VERSION, Ledger, LedgerReader, ledger_path
from imgpipe.plan.rows import NO_FILE, Identity, Row, State
from imgpipe.task import Failure, Outcome, Result


class Clock:
    """A clock moved by hand."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        """Return the time."""
        return self.now


def row(target="a.jpg", state=State.PENDING, **changes):
    """Return a row of which only some fields matter."""
    values = {
        "target": target,
        "source": "/in/a.jpg",
        "source_identity": Identity(5, 123_456_789_012_345_678),
        "fingerprint": "f1",
        "state": state,
        "started_at": 1000.25,
    }
    return Row(**{**values, **changes})


def done(root, target="a.jpg", size=3):
    """Write an output and return its result."""
    path = os.path.join(root, target)
    Path(path).write_bytes(b"x" * size)
    return Result("1", "/in/a.jpg", path, Outcome.DONE, bytes_out=size)


def failed(root, target="a.jpg", outcome=Outcome.FAILED, message="it is empty"):
    """Return the result of a picture without an output."""
    failure = Failure(FailureCode.UNREADABLE, message)
    return Result("1", "/in/a.jpg", os.path.join(root, target), outcome, failure=failure)


def known(ledger, target):
    """Return the row of a target that has one."""
    found = ledger.get(target)
    assert found is not None
    return found


def database(ledger):
    """Return the open database of a ledger."""
    return ledger._connection


@pytest.fixture
def root(tmp_path):
    """Return the name of an output folder that does not exist yet."""
    return str(tmp_path / "out")


@pytest.mark.parametrize(
    "noted",
    [
        row(),
        row(state=State.FAILED, code="UNREADABLE", message="naïve \u202e"),
        row(state=State.DONE, output=Identity(7, 8), output_fingerprint="f0"),
        row("sub/\udcff\n'\".jpg", source="/in/\udcfe.jpg"),
        row(source_identity=NO_FILE),
    ],
)
def test_rows_come_back_as_they_were(root, noted):
    """Every field survives, undecodable names included, in this run and in the next."""
    with Ledger(root) as ledger:
        ledger.put([noted])

        assert noted == ledger.get(noted.target)
        assert None is ledger.get("another")

    with LedgerReader(root) as reader:
        assert noted == reader.get(noted.target)


def test_half_characters_in_a_message_are_escaped(root):
    """A message may hold what SQLite cannot; it is kept readable, and short."""
    with Ledger(root) as ledger:
        ledger.put([row(message="bad \udcff" + "x" * 1000)])

        message = known(ledger, "a.jpg").message

    assert message.startswith("bad \\udcffx")
    assert len(message) < 600


def test_results_decide_the_state(root):
    """Done and failed are noted; what a lost worker wrote must still count as ours; skipped changes nothing."""
    with Ledger(root) as ledger:
        ledger.put([row("done.jpg"), row("failed.jpg"), row("lost.jpg"), row("skipped.jpg")])
        ledger.record(done(root, "done.jpg"))
        ledger.record(failed(root, "failed.jpg"))
        ledger.record(failed(root, "lost.jpg", Outcome.LOST))
        ledger.record(Result("1", "", os.path.join(root, "skipped.jpg"), Outcome.SKIPPED))
        ledger.flush()
        states = {name: known(ledger, f"{name}.jpg").state for name in ("done", "failed", "lost", "skipped")}
        codes = [known(ledger, "failed.jpg").code, known(ledger, "lost.jpg").code]
        written = known(ledger, "done.jpg")

    status = os.stat(os.path.join(root, "done.jpg"))
    assert {"done": "done", "failed": "failed", "lost": "pending", "skipped": "pending"} == states
    assert ["UNREADABLE", "UNREADABLE"] == codes
    assert Identity(3, status.st_mtime_ns) == written.output
    assert "f1" == written.output_fingerprint


@pytest.mark.parametrize("code", [FailureCode.TIMEOUT, FailureCode.CRASHED])
def test_a_death_is_not_the_end_of_what_was_written(root, code):
    """Whoever was killed at work may have published: the picture counts as interrupted, not as failed."""
    with Ledger(root) as ledger:
        ledger.put([row()])
        target = os.path.join(root, "a.jpg")
        ledger.record(Result("1", "/in/a.jpg", target, Outcome.FAILED, failure=Failure(code, "killed")))
        ledger.flush()
        found = known(ledger, "a.jpg")

    assert (State.PENDING, code) == (found.state, found.code)


def test_a_failure_forgets_nothing_about_the_file_written_before(root):
    """What an earlier run wrote is still known as ours while, and after, it could not be renewed."""
    before = Identity(3, 99)
    with Ledger(root) as ledger:
        ledger.put([row(output=before, output_fingerprint="f0", fingerprint="f1")])
        ledger.record(failed(root))
        ledger.flush()
        found = known(ledger, "a.jpg")

    assert (before, "f0", "f1") == (found.output, found.output_fingerprint, found.fingerprint)


def test_a_file_changed_before_it_was_noted_is_not_ours(root):
    """Another size than was published means that somebody else wrote since."""
    with Ledger(root) as ledger:
        ledger.put([row()])
        result = done(root)
        (Path(root) / "a.jpg").write_bytes(b"longer than before")
        ledger.record(result)
        ledger.flush()
        found = known(ledger, "a.jpg")

    assert Identity.of(os.stat(result.target)) != found.output


def test_an_output_that_is_gone_again_is_not_done(root):
    """What cannot be found is to be made again."""
    with Ledger(root) as ledger:
        ledger.put([row()])
        result = done(root)
        os.unlink(result.target)
        ledger.record(result)
        ledger.flush()

        assert State.PENDING == known(ledger, "a.jpg").state


def test_results_without_a_row_change_nothing(root):
    """Refused pictures come back as results; they do not make rows."""
    with Ledger(root) as ledger:
        ledger.record(failed(root))
        ledger.flush()

        assert None is ledger.get("a.jpg")


@pytest.mark.parametrize("spelled", ["out", "./out", "out/", "../{name}/out"])
def test_keys_do_not_depend_on_the_spelling_of_the_folder(tmp_path, monkeypatch, spelled):
    """A target is known by its place below the output folder, or by its whole path outside."""
    monkeypatch.chdir(tmp_path)
    root = spelled.format(name=tmp_path.name)
    with Ledger(root) as ledger:
        assert "sub/a.jpg" == ledger.key(os.path.join(root, "sub/a.jpg"))
        assert "sub/a.jpg" == ledger.key(str(tmp_path / "out/sub/a.jpg"))
        assert str(tmp_path / "other/a.jpg") == ledger.key("other/a.jpg")


def states_on_disk(root, *targets):
    """Return the states that another process would see."""
    with LedgerReader(root) as reader:
        return [known(reader, target).state for target in targets]


def test_rows_are_on_disk_before_put_returns(root):
    """Another process sees them at once: a task is never handed out without its row."""
    with Ledger(root) as ledger:
        ledger.put([row("a.jpg"), row("b.jpg")])

        assert ["pending", "pending"] == states_on_disk(root, "a.jpg", "b.jpg")


def test_results_are_written_in_batches(root):
    """Results wait for each other, but not longer than half a second, and not beyond the end."""
    clock = Clock()
    names = [f"{number}.jpg" for number in range(70)]
    with Ledger(root, monotonic=clock) as ledger:
        ledger.put([row(name) for name in names])
        for name in names[:63]:
            ledger.record(failed(root, name))
        assert ["pending", "pending"] == states_on_disk(root, names[0], names[62])

        ledger.record(failed(root, names[63]))
        assert ["failed", "failed"] == states_on_disk(root, names[0], names[63])

        ledger.record(failed(root, names[64]))
        clock.now += 0.4
        ledger.record(failed(root, names[65]))
        assert ["pending", "pending"] == states_on_disk(root, names[64], names[65])

        clock.now += 0.1
        ledger.record(failed(root, names[66]))
        assert ["failed", "failed"] == states_on_disk(root, names[64], names[66])

        ledger.record(failed(root, names[67]))
        ledger.flush()
        assert ["failed"] == states_on_disk(root, names[67])

        ledger.record(failed(root, names[68]))

    assert ["failed", "pending"] == states_on_disk(root, names[68], names[69])


def test_what_waits_is_written_when_the_run_breaks(root):
    """An exception in the run does not cost the results that it had."""
    with contextlib.suppress(ZeroDivisionError), Ledger(root) as ledger:
        ledger.put([row()])
        ledger.record(failed(root))
        raise ZeroDivisionError

    assert ["failed"] == states_on_disk(root, "a.jpg")


def test_a_second_run_is_refused_and_told_who_is_there(root):
    """One folder, one run; afterwards the folder is free."""
    pattern = rf"process {os.getpid()}\) is writing to .*out"
    with Ledger(root), pytest.raises(OutputLocked, match=pattern):
        Ledger(root)

    Ledger(root).close()


def test_a_killed_process_holds_no_lock_and_its_rows_stay(root):
    """The lock ends with its process, however it ends; a reader and the next run find what it had noted."""
    code = (
        "import os, sys; from imgpipe.plan.ledger import *\n"
        "ledger = Ledger(sys.argv[1])\n"
        "ledger.put([Row(target='a.jpg', source='s', source_identity=NO_FILE, fingerprint='f', state=State.PENDING,"
        " started_at=1.0)])\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout
        assert "ready\n" == child.stdout.readline()
        with pytest.raises(OutputLocked, match=f"process {child.pid}"):
            Ledger(root)
        child.kill()

    before = sorted(os.listdir(os.path.join(root, ".imgpipe")))
    assert ["pending"] == states_on_disk(root, "a.jpg")
    assert before == sorted(os.listdir(os.path.join(root, ".imgpipe")))
    with Ledger(root) as ledger:
        assert "s" == known(ledger, "a.jpg").source


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    """No folder can be made below a file."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(BadOption, match=r"output: .*can be written \(Not a directory\)"):
        Ledger(str(tmp_path / "file"))


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
@pytest.mark.parametrize("kind", [Ledger, LedgerReader])
def test_a_damaged_ledger_is_named_and_kept(root, content, kind):
    """A ledger that cannot be read ends the run with the remedy; its bytes stay as they are."""
    os.makedirs(os.path.join(root, ".imgpipe"))
    path = Path(ledger_path(root))
    path.write_bytes(content)

    with pytest.raises(UsageError, match=r"ledger\.sqlite is damaged .*move the file away"):
        kind(root)

    assert content == path.read_bytes()
    path.unlink()
    Ledger(root).close()  # and the lock is free


def test_damage_that_shows_later_is_named_as_well(root):
    """A page that turns out to be broken in the middle of a run is told in the same words."""
    with Ledger(root) as ledger:
        ledger.put([row(f"{number:06}.jpg", message="x" * 400) for number in range(2000)])
    path = Path(ledger_path(root))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))

    with LedgerReader(root) as reader, pytest.raises(UsageError, match="is damaged"):
        reader.get("000500.jpg")


@pytest.mark.parametrize("kind", [Ledger, LedgerReader])
def test_a_newer_ledger_is_refused(root, kind):
    """A ledger that a later imgpipe has written is not touched."""
    Ledger(root).close()
    connection = sqlite3.connect(ledger_path(root))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()

    with pytest.raises(UsageError, match="newer imgpipe"):
        kind(root)


def test_a_reader_makes_nothing(root, tmp_path):
    """Looking needs no folder and leaves no file."""
    with LedgerReader(root) as reader:
        assert None is reader.get("a.jpg")
    assert [] == os.listdir(tmp_path)

    with Ledger(root) as ledger:
        ledger.put([row()])
    before = sorted(os.listdir(os.path.join(root, ".imgpipe")))
    with LedgerReader(root) as reader:
        assert row() == reader.get("a.jpg")
        assert before == sorted(os.listdir(os.path.join(root, ".imgpipe")))
    assert before == sorted(os.listdir(os.path.join(root, ".imgpipe")))


def test_an_empty_file_is_an_empty_ledger(root):
    """A run that died while it made the ledger left nothing that could be lost."""
    os.makedirs(os.path.join(root, ".imgpipe"))
    Path(ledger_path(root)).write_bytes(b"")

    with LedgerReader(root) as reader:
        assert None is reader.get("a.jpg")
    with Ledger(root) as ledger:
        ledger.put([row()])

        assert row() == ledger.get("a.jpg")


def test_odd_folder_names(tmp_path):
    """What means something in a database's address is only a name in a folder's."""
    for name in ("a?mode=memory", "50%25", "#x", "\udcff", "a b'\"", "file:x"):
        root = str(tmp_path / name)
        with Ledger(root) as ledger:
            ledger.put([row()])
        with LedgerReader(root) as reader:
            assert row() == reader.get("a.jpg")


def test_lookups_and_updates_go_by_the_key(root):
    """No statement scans the table, so that ten million rows are as quick as ten."""
    with Ledger(root) as ledger:
        ledger.put([row()])
        statements: list[str] = []
        database(ledger).set_trace_callback(statements.append)
        ledger.get("a.jpg")
        ledger.record(failed(root))
        ledger.flush()
        database(ledger).set_trace_callback(None)
        plans = [
            step[3]
            for statement in statements
            if statement.startswith(("SELECT", "UPDATE"))
            for step in database(ledger).execute(f"EXPLAIN QUERY PLAN {statement}")
        ]

    assert 2 == len(plans)
    assert ["SEARCH outputs USING PRIMARY KEY (target=?)"] * 2 == plans


def test_a_full_disk_is_named(root):
    """No space for the ledger is told as that, not as damage."""
    with Ledger(root) as ledger:
        database(ledger).execute("PRAGMA max_page_count = 5")

        with pytest.raises(UsageError, match="no space left"):
            ledger.put([row(f"{number}.jpg", message="x" * 400) for number in range(1000)])

        assert None is ledger.get("0.jpg")


def test_a_durable_ledger_waits_for_the_disk(root):
    """In durable mode every commit is synchronised; otherwise only what keeps the file whole."""
    with Ledger(root, durable=True) as ledger:
        assert (2,) == database(ledger).execute("PRAGMA synchronous").fetchone()
    with Ledger(root) as ledger:
        assert (1,) == database(ledger).execute("PRAGMA synchronous").fetchone()
        assert ("wal",) == database(ledger).execute("PRAGMA journal_mode").fetchone()
