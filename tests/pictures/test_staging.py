"""Tests of staging: a target is whole or not there, whatever happens on the way, and nothing else stays behind."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from imgpipe.errors import FailureCode, PictureError
from imgpipe.pictures import staging
from imgpipe.pictures.formats import BY_NAME
from imgpipe.pictures.staging import discard_open, staged, sweep

PNG = BY_NAME["png"]
posix = pytest.mark.skipif(os.name != "posix", reason="what a POSIX system promises")


def publish(
    target: Path, content: bytes, *, replace: bool = True, durable: bool = False, mode: int | None = None
) -> int:
    """Stage `content` and publish it without a look at its format."""
    with staged(str(target), replace=replace, durable=durable) as output:
        with output.write_errors():
            output.file.write(content)
        return output.publish(None, mode=mode)


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("replace", [False, True])
def test_published_file_is_there_alone(tmp_path, replace, durable):
    """A published file has its contents and its size, and its temporary file is gone."""
    size = publish(tmp_path / "a.png", b"whole", replace=replace, durable=durable)

    assert 5 == size
    assert b"whole" == (tmp_path / "a.png").read_bytes()
    assert ["a.png"] == names(tmp_path)


def test_target_is_not_there_before_it_is_published(tmp_path):
    """Until it is published, nothing has the target's name."""
    with staged(str(tmp_path / "a.png"), replace=True, durable=False) as output:
        output.file.write(b"half")
        output.file.flush()

        assert not (tmp_path / "a.png").exists()
        assert 1 == len(names(tmp_path))


def test_folders_are_made(tmp_path):
    """Folders of the target that are not there are made."""
    publish(tmp_path / "b" / "c" / "a.png", b"x")

    assert b"x" == (tmp_path / "b" / "c" / "a.png").read_bytes()


def test_target_in_the_working_folder(tmp_path, monkeypatch):
    """A target without a folder is one in the working folder."""
    monkeypatch.chdir(tmp_path)

    publish(Path("a.png"), b"x", durable=True)

    assert ["a.png"] == names(tmp_path)


def test_existing_target_is_replaced(tmp_path):
    """With `replace`, the old file gives way to the new."""
    (tmp_path / "a.png").write_bytes(b"old and longer")

    publish(tmp_path / "a.png", b"new")

    assert b"new" == (tmp_path / "a.png").read_bytes()


def test_existing_target_is_kept(tmp_path):
    """Without `replace`, the old file stays, and the error says that it is there."""
    (tmp_path / "a.png").write_bytes(b"old")

    with pytest.raises(PictureError) as caught:
        publish(tmp_path / "a.png", b"new", replace=False)

    assert FailureCode.TARGET_EXISTS == caught.value.code
    assert b"old" == (tmp_path / "a.png").read_bytes()
    assert ["a.png"] == names(tmp_path)


@pytest.mark.parametrize("replace", [False, True])
def test_dangling_link_is_not_followed(tmp_path, replace):
    """A symbolic link under the target's name never leads the output elsewhere."""
    (tmp_path / "a.png").symlink_to(tmp_path / "elsewhere")

    with contextlib.suppress(PictureError):
        publish(tmp_path / "a.png", b"new", replace=replace)

    assert not (tmp_path / "elsewhere").exists()
    assert replace != (tmp_path / "a.png").is_symlink()


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_hard_links(tmp_path, monkeypatch, number):
    """Where the file system has no hard links, publishing works the same, and still replaces nothing."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    publish(tmp_path / "a.png", b"first", replace=False)
    with pytest.raises(PictureError) as caught:
        publish(tmp_path / "a.png", b"second", replace=False)

    assert FailureCode.TARGET_EXISTS == caught.value.code
    assert b"first" == (tmp_path / "a.png").read_bytes()
    assert ["a.png"] == names(tmp_path)


def test_name_taken_in_vain_is_given_back(tmp_path, monkeypatch):
    """Without hard links, an empty file holds the name for a moment; it goes if the last step fails."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PictureError):
        publish(tmp_path / "a.png", b"x", replace=False)

    assert [] == names(tmp_path)


def test_exactly_one_of_two_wins(tmp_path):
    """Of threads that publish the same target at once without `replace`, exactly one succeeds."""
    for number in range(30):
        target = tmp_path / f"{number}.png"
        gate = threading.Barrier(4)
        outcomes: list[str] = []

        def run(
            content: bytes, target: Path = target, gate: threading.Barrier = gate, outcomes: list[str] = outcomes
        ) -> None:
            with contextlib.suppress(PictureError), staged(str(target), replace=False, durable=False) as output:
                output.file.write(content)
                gate.wait(10)
                try:
                    output.publish(None)
                    outcomes.append(content.decode())
                except PictureError as error:
                    outcomes.append(error.code)
                    raise

        threads = [threading.Thread(target=run, args=(content,)) for content in (b"a", b"b", b"c", b"d")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert 3 == outcomes.count(FailureCode.TARGET_EXISTS)
        assert target.read_text() in outcomes
    assert 30 == len(names(tmp_path))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_nothing_stays_when_anything_fails(tmp_path, error):
    """Whatever is raised inside comes out as it is, and the temporary file is removed."""

    def fail() -> None:
        with staged(str(tmp_path / "a.png"), replace=True, durable=False) as output:
            output.file.write(b"x" * 100_000)
            raise error

    with pytest.raises(error):
        fail()

    assert [] == names(tmp_path)


def test_nothing_stays_when_nothing_is_published(tmp_path):
    """Output that is not published is removed, too."""
    with staged(str(tmp_path / "a.png"), replace=True, durable=False) as output:
        output.file.write(b"x")

    assert [] == names(tmp_path)


def test_truncated_output_is_not_published(tmp_path):
    """A file whose end is missing does not get its name."""
    with staged(str(tmp_path / "a.png"), replace=True, durable=False) as output:
        Image.effect_noise((64, 64), 50).save(output.file, "PNG")
        output.file.truncate(output.file.tell() - 5)
        with pytest.raises(PictureError) as caught:
            output.publish(PNG)

    assert FailureCode.CANNOT_WRITE == caught.value.code
    assert [] == names(tmp_path)


def test_whole_output_is_published(tmp_path):
    """A file with its end does."""
    with staged(str(tmp_path / "a.png"), replace=True, durable=False) as output:
        Image.effect_noise((64, 64), 50).save(output.file, "PNG")
        size = output.publish(PNG)

    assert size == (tmp_path / "a.png").stat().st_size
    with Image.open(tmp_path / "a.png") as picture:
        picture.load()


def test_empty_output_is_not_published(tmp_path):
    """A file of no bytes is no output, whatever its format."""
    with pytest.raises(PictureError) as caught:
        publish(tmp_path / "a.png", b"")

    assert FailureCode.CANNOT_WRITE == caught.value.code
    assert [] == names(tmp_path)


def test_longest_name(tmp_path):
    """A name of 255 bytes leaves no room for a suffix, and needs none; one of 256 cannot be written."""
    publish(tmp_path / ("a" * 251 + ".png"), b"x")
    with pytest.raises(PictureError) as caught:
        publish(tmp_path / ("b" * 252 + ".png"), b"x")

    assert FailureCode.CANNOT_WRITE == caught.value.code
    assert ["a" * 251 + ".png"] == names(tmp_path)


@posix
def test_undecodable_name(tmp_path):
    """A name that is no text is written all the same, and its error can be printed."""
    target = tmp_path / os.fsdecode(b"a\xff\x1b.png")
    publish(target, b"x")
    with pytest.raises(PictureError) as caught:
        publish(target, b"x", replace=False)

    assert r"a\xff\x1b.png" in caught.value.message


@pytest.mark.parametrize("replace", [False, True])
def test_target_is_a_folder(tmp_path, replace):
    """A folder under the target's name stays as it is."""
    (tmp_path / "a.png" / "inside").mkdir(parents=True)

    with pytest.raises(PictureError) as caught:
        publish(tmp_path / "a.png", b"x", replace=replace)

    assert caught.value.code in {FailureCode.CANNOT_WRITE, FailureCode.TARGET_EXISTS}
    assert ["a.png"] == names(tmp_path)
    assert ["inside"] == names(tmp_path / "a.png")


def test_parent_is_a_file(tmp_path):
    """Where a folder ought to be and a file is, nothing can be written."""
    (tmp_path / "b").write_bytes(b"x")

    with pytest.raises(PictureError) as caught:
        publish(tmp_path / "b" / "a.png", b"x")

    assert FailureCode.CANNOT_WRITE == caught.value.code


@posix
@pytest.mark.parametrize("replace", [False, True])
def test_folder_vanishes(tmp_path, replace):
    """A folder that is removed meanwhile is an error of this output."""
    target = tmp_path / "b" / "a.png"
    with staged(str(target), replace=replace, durable=False) as output:
        output.file.write(b"x")
        Path(output.temporary).unlink()
        target.parent.rmdir()
        with pytest.raises(PictureError) as caught:
            output.publish(None)

    assert FailureCode.CANNOT_WRITE == caught.value.code


@posix
@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path, umask, expected):
    """Without a wish, the permissions are those that the umask leaves."""
    before = os.umask(umask)
    try:
        publish(tmp_path / "a.png", b"x")
    finally:
        os.umask(before)

    assert expected == stat.S_IMODE((tmp_path / "a.png").stat().st_mode)


@posix
def test_permissions_as_asked(tmp_path):
    """With a wish, they are as asked, but nothing runs as its owner."""
    publish(tmp_path / "a.png", b"x", mode=0o4750)

    assert 0o750 == stat.S_IMODE((tmp_path / "a.png").stat().st_mode)


# What only a process of its own can try.

_CHILD = """
import os, resource, signal, sys
from imgpipe.errors import PictureError
from imgpipe.pictures.formats import BY_NAME
from imgpipe.pictures.staging import staged
{before}
try:
    with staged(sys.argv[1], replace=True, durable=False) as output:
        {body}
    print("published")
except PictureError as error:
    print(error.code)
"""
_LIMIT = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))"


def in_child(target: Path, *, before: str = "", body: str = "output.file.write(b'x'); output.publish(None)") -> str:
    """Publish in a process of its own and return what it says."""
    code = _CHILD.format(before=before, body=body)
    environment = {**os.environ, "PYTHONPATH": str(Path(staging.__file__).parents[2])}
    command = [sys.executable, "-c", code, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert "" == done.stderr
    return done.stdout.strip()


@posix
@pytest.mark.parametrize(
    "body",
    [
        "output.file.write(bytes(65_530)); output.file.flush(); output.file.write(bytes(99)); output.publish(None)",
        "with output.write_errors(): output.file.write(bytes(10_000_000))",
        "output.file.write(b'P' * 65_536); output.publish(BY_NAME['png'])",
        "output.file.write(b'x' * 65_530); raise output.encoder_failed(OSError(-2))",
    ],
    ids=["at the end", "on the way", "without a word", "in the codec"],
)
def test_full_disk(tmp_path, body):
    """No more room is DISK_FULL, wherever it shows, and leaves nothing behind."""
    assert FailureCode.DISK_FULL == in_child(tmp_path / "a.png", before=_LIMIT, body=body)
    assert [] == names(tmp_path)


@posix
def test_first_error_is_told_on_a_full_disk(tmp_path):
    """What went wrong first comes out, even if bytes are left that closing the file cannot write."""
    full = "output.file.write(b'x' * 65_530); output.file.flush(); output.file.write(b'y' * 100)"
    body = f"{full}\n        raise PictureError('FIRST', '')"

    assert "FIRST" == in_child(tmp_path / "a.png", before=_LIMIT, body=body)


@pytest.fixture
def tiny_disk(tmp_path):
    """Mount a file system of 256 KiB, where that is permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        if subprocess.run(mounting, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not permitted")
    except FileNotFoundError:
        pytest.skip("there is no mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_truly_full_disk(tiny_disk):
    """A disk that is full says so, and is as empty afterwards as before."""
    with pytest.raises(PictureError) as caught:
        publish(tiny_disk / "a.png", b"x" * 400_000)

    assert FailureCode.DISK_FULL == caught.value.code
    assert [] == names(tiny_disk)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
def test_no_permission(tmp_path):
    """A folder that may not be written to is CANNOT_WRITE."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o755)
    for parent in [*folder.parents][: len(folder.parents) - 2]:
        with contextlib.suppress(PermissionError):
            parent.chmod(parent.stat().st_mode | 0o055)

    assert FailureCode.CANNOT_WRITE == in_child(folder / "a.png", before="os.setuid(65534)")
    assert [] == names(folder)


# Sweeping.


def left_by(folder: Path, pid: int, *, host: str | None = None, run: str = "00000000") -> Path:
    """Leave a temporary file as a killed process would."""
    path = folder / f".imgpipe-{staging._host() if host is None else host}-{pid}-{run}-0.tmp"
    path.write_bytes(b"half")
    return path


def dead_pid() -> int:
    """Return the number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_real_names_are_swept_after_a_kill(tmp_path):
    """What a killed process leaves is found by its name and removed by the next."""
    in_child(tmp_path / "a.png", body="os.kill(os.getpid(), signal.SIGKILL)")
    assert 1 == len(names(tmp_path))

    assert 1 == sweep(str(tmp_path))
    assert [] == names(tmp_path)


def test_sweep_knows_the_dead_from_the_living(tmp_path):
    """Files of dead processes go; those of living ones, and of other machines until a day later, stay."""
    left_by(tmp_path, dead_pid())
    living = left_by(tmp_path, os.getppid())
    foreign = left_by(tmp_path, 1, host="0123abcd")
    old = left_by(tmp_path, 2, host="0123abcd")
    os.utime(old, (0, 0))

    assert 2 == sweep(str(tmp_path))
    assert sorted([living.name, foreign.name]) == names(tmp_path)


def test_sweep_knows_its_own_from_those_of_its_number(tmp_path):
    """In a container every run has the same process number: what an earlier one left goes, what is open stays."""
    left_by(tmp_path, os.getpid())
    with staged(str(tmp_path / "a.png"), replace=True, durable=False) as output:
        output.file.write(b"x")

        assert 1 == sweep(str(tmp_path))
        output.publish(None)
    assert ["a.png"] == names(tmp_path)


def test_sweep_touches_nothing_else(tmp_path):
    """Names that are only similar stay, and so does a folder with such a name."""
    pid, host = dead_pid(), staging._host()
    for name in (f".imgpipe-{host}-{pid}.tmp", f"imgpipe-{host}-{pid}-00000000-0.tmp", ".imgpipe-x", "a.png", "b.tmp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / f".imgpipe-{host}-{pid}-00000000-1.tmp").mkdir()

    assert 0 == sweep(str(tmp_path))
    assert 6 == len(names(tmp_path))


def test_sweep_of_nothing(tmp_path):
    """A folder that is not there has nothing to sweep."""
    assert 0 == sweep(str(tmp_path / "nowhere"))


def test_discard_open(tmp_path):
    """An exit that lets nothing finish takes the open files with it."""
    with staged(str(tmp_path / "a.png"), replace=False, durable=False) as output:
        output.file.write(b"x")
        discard_open()

        assert [] == names(tmp_path)
        with pytest.raises(PictureError):
            output.publish(None)
    assert set() == staging._open


def test_host_is_part_of_the_name(tmp_path):
    """Temporary names tell machines apart without telling their names."""
    with staged(str(tmp_path / "a.png"), replace=True, durable=False) as output:
        assert socket.gethostname() not in output.temporary
        assert staging._NAME.fullmatch(Path(output.temporary).name)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_sweep_knows_the_dead_that_nobody_has_buried(tmp_path):
    """A process that has ended holds nothing, even if its parent has not asked for its exit code yet."""
    with subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with staged(str(tmp_path / "a.jpg"), replace=True, durable=False) as output:
            ours = os.path.basename(output.temporary)
            left = tmp_path / ours.replace(f"-{os.getpid()}-", f"-{process.pid}-")
            left.touch()

            assert 1 == sweep(str(tmp_path))
            assert os.path.exists(output.temporary)
        assert not left.exists()
