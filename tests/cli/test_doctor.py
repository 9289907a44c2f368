"""doctor: each check says what it found; what is wrong comes with one remedy, and only a failure is a failure."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from importlib import metadata
from typing import TYPE_CHECKING, Any

import PIL
import pytest
import redis
from PIL import features

from imgpipe import machine
from imgpipe.errors import BadOption
from imgpipe.filters import _opencv, registry
from imgpipe.pictures import turbo, vips
from imgpipe.queue import server
from imgpipe.queue.health import Finding as Check
from imgpipe_cli import doctor
from imgpipe_cli.doctor import gather
from imgpipe_cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["python", "pillow", "codecs", "opencv", "engines", "numpy", "filters", "cores", "processes", "sandbox",
         "redis", "memory", "temporary", "disk", "open files", "terminal"]  # fmt: skip


class Stream:
    """Stands for an output of some encoding."""

    def __init__(self, encoding: str | None) -> None:
        self.encoding = encoding


@pytest.fixture
def checks(monkeypatch) -> list[Check]:
    """Let the command find one thing of each state; return what it finds."""
    found = [
        Check("python", "ok", "3.99"),
        Check("disk", "warn", "full\x1b[2J of \u202efiles", "buy\udcff one"),
        Check("opencv", "fail", "gone", "get it"),
    ]
    monkeypatch.setattr(doctor, "gather", lambda: found)
    return found


def check(name: str) -> Check:
    """Look at everything and return one check."""
    (found,) = [item for item in gather() if item.name == name]
    return found


def test_this_machine(capfd):
    """Every check has a line, in order; the code is 7 if one failed, and 0 otherwise."""
    code = main(["doctor"])

    lines = [line for line in capfd.readouterr().out.splitlines() if not line.startswith(" ")]
    assert NAMES == [line[6:16].strip() for line in lines]
    assert (7 if any(line.startswith("fail") for line in lines) else 0) == code


def test_json(checks, capfd):
    """The document has every check with all that is known, and the verdict."""
    assert 7 == main(["doctor", "--json"])
    data = json.loads(capfd.readouterr().out)
    assert ("imgpipe.doctor/1", False, 3) == (data["schema"], data["ok"], len(data["checks"]))
    assert {"name": "opencv", "state": "fail", "found": "gone", "remedy": "get it"} == data["checks"][2]


def test_lines_are_aligned_and_safe(checks, capfd):
    """The remedy stands below what was found; nothing that was found can act on the terminal."""
    assert 7 == main(["doctor"])
    out = capfd.readouterr().out.replace("→", "->").splitlines()
    assert [
        "ok    python  3.99",
        "warn  disk    full\\x1b[2J of \\u202efiles",
        "              -> buy\\xff one",
        "fail  opencv  gone",
        "              -> get it",
    ] == out


def test_warning_is_no_failure(checks, capfd):
    """Without a failed check the code is 0, whatever is worth a warning."""
    checks.pop()

    assert 0 == main(["doctor"])


def test_look_that_breaks_is_a_failed_check(monkeypatch):
    """Where a look itself breaks, it is a failed check, and the others are made."""

    def broken() -> Any:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(_opencv, "opencv", broken)

    assert NAMES == [item.name for item in gather()]
    found = check("opencv")
    assert ("fail", True) == (found.state, "libGL.so.1" in found.found)
    assert found.remedy


def test_whatever_needs_no_mending_has_no_remedy():
    """There is a remedy if and only if something is to be done."""
    assert [] == [item for item in gather() if (item.state == "ok") == bool(item.remedy)]


@pytest.mark.parametrize(
    ("version", "state"), [("12.3.0", "ok"), ("13.0", "ok"), ("12.2.9", "fail"), ("9.5.0.post1", "fail")]
)
def test_pillow_must_be_safe(version: str, state: str, monkeypatch):
    """A Pillow whose decoders have published holes fails."""
    monkeypatch.setattr(PIL, "__version__", version)

    assert state == check("pillow").state


@pytest.mark.parametrize(
    ("missing", "state", "name"),
    [
        ("jpg", "fail", "jpeg"),
        ("zlib", "fail", "png"),
        ("littlecms2", "fail", "colour profiles"),
        ("webp", "warn", "webp"),
        ("avif", "warn", "avif"),
        ("libtiff", "warn", "tiff"),
        ("libjpeg_turbo", "warn", "turbo jpeg"),
        ("zlib_ng", "warn", "fast png"),
    ],
)
def test_codec_that_is_missing(missing: str, state: str, name: str, monkeypatch):
    """Without what most pictures need it fails; without the rest it warns; it names what is missing."""
    monkeypatch.setattr(features, "check", lambda feature: feature != missing)

    found = check("codecs")
    assert (state, True) == (found.state, found.found.endswith(f"; without {name}"))


def test_opencv_keeps_to_one_thread(monkeypatch):
    """Threads of OpenCV inside of each worker are a warning."""

    class ManyThreads:
        __version__ = "5"

        @staticmethod
        def getNumThreads() -> int:  # noqa: N802 - the name is OpenCV's
            return 8

    assert "ok" == check("opencv").state
    monkeypatch.setattr(_opencv, "opencv", ManyThreads)
    assert ("warn", "5, 8 threads for each worker") == (check("opencv").state, check("opencv").found)


def test_engines(monkeypatch):
    """An engine that is not there is no defect, and it is said how to get it; one that cannot be loaded is."""
    monkeypatch.setattr(vips, "require_vips", lambda: None)
    monkeypatch.setattr(vips, "version", lambda: "libvips 8")
    monkeypatch.setattr(turbo, "require_turbo", lambda: (_ for _ in ()).throw(BadOption("engine", "turbo", "")))
    assert ("ok", "pillow, no turbo (pip install 'imgpipe[turbo]'), vips (libvips 8)") == (
        check("engines").state,
        check("engines").found,
    )

    monkeypatch.setattr(vips, "version", lambda: (_ for _ in ()).throw(OSError("no libvips.so.42")))
    assert ("warn", True) == (check("engines").state, "no vips (no libvips.so.42)" in check("engines").found)
    assert "imgpipe[vips]" in check("engines").remedy


def test_plugin_that_cannot_be_loaded(monkeypatch):
    """A broken plugin is a warning here, not one of Python's."""
    plugins = [metadata.EntryPoint("bad", "no_such_module", registry.ENTRY_POINT_GROUP)]
    monkeypatch.setattr(metadata, "entry_points", lambda **_: plugins)
    registry._load_plugins.cache_clear()

    found = check("filters")
    registry._load_plugins.cache_clear()

    assert ("warn", True) == (found.state, "no_such_module cannot be loaded" in found.found)


@pytest.mark.parametrize(
    ("usable", "expected"), [(2, "2 usable of 8 (affinity or quota of the container)"), (8, "8 usable of 8")]
)
def test_cores(usable: int, expected: str, monkeypatch):
    """What may be used stands beside what the machine has."""
    monkeypatch.setattr(machine, "usable_cores", lambda: usable)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)

    assert expected == check("cores").found


@pytest.mark.parametrize(
    ("limit", "usable", "state", "words"),
    [
        (None, 10_000_000_000, "ok", ("10.0 GB usable", "no limit of a container", "6.0 GB for pictures")),
        (1_200_000_000, 1_000_000_000, "warn", ("1.0 GB usable", "1.2 GB limit of the container", "600 MB for")),
    ],
)
def test_memory(limit: int | None, usable: int, state: str, words: tuple[str, ...], monkeypatch):
    """The limit is named with its source, and a budget too small for large pictures is a warning."""
    monkeypatch.setattr(machine, "memory_limit_bytes", lambda: limit)
    monkeypatch.setattr(machine, "usable_memory_bytes", lambda: usable)

    found = check("memory")
    assert state == found.state
    assert all(word in found.found for word in words)


def test_temporary_folder_that_is_missing(tmp_path: Path, monkeypatch):
    """Where no temporary file can be written, it fails and says which variable to set."""
    with monkeypatch.context() as patch:  # not longer: pytest itself needs such files
        patch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
        found = check("temporary")

    assert ("fail", True) == (found.state, "TMPDIR" in found.remedy)


def test_temporary_folder_is_left_clean(tmp_path: Path, monkeypatch):
    """Nothing stays behind in the temporary folder."""
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        found = check("temporary")

    assert ("ok", f"{tmp_path} can be written") == (found.state, found.found)
    assert [] == list(tmp_path.iterdir())


def test_current_folder_that_is_gone(tmp_path: Path, monkeypatch):
    """A shell may stand in a folder that was removed."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()

    assert "fail" == check("disk").state


@pytest.mark.parametrize(("free", "state"), [(999_999_999, "warn"), (1_000_000_000, "ok")])
def test_disk_that_is_nearly_full(free: int, state: str, monkeypatch):
    """Less than a gigabyte is a warning."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))

    assert state == check("disk").state


@pytest.mark.parametrize(
    ("soft", "state", "found"), [(64, "warn", "at most 64"), (256, "ok", "at most 256"), (None, "ok", "no limit")]
)
def test_open_files(soft: int | None, state: str, found: str, monkeypatch):
    """A low limit of open files is a warning with the command that raises it."""
    resource = pytest.importorskip("resource")
    limit = resource.RLIM_INFINITY if soft is None else soft
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))

    assert (state, found) == (check("open files").state, check("open files").found)
    assert ("ulimit -n" in check("open files").remedy) is (state == "warn")


@pytest.mark.parametrize(
    ("encoding", "state"), [("utf-8", "ok"), ("UTF8", "ok"), ("utf_8", "ok"), ("ascii", "warn"), (None, "warn")]
)
def test_encoding(encoding: str | None, state: str, monkeypatch):
    """An output that is not UTF-8 is a warning."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Stream(encoding))
        found = check("terminal")

    assert state == found.state


@pytest.mark.parametrize(
    ("path", "found"),
    [("/opt/valkey-server", "8.0.1 for a queue on this machine: /opt/valkey-server"), (None, "imgpipe[embedded]")],
)
def test_redis_binary(path: str | None, found: str, monkeypatch):
    """The server that would be started is named with its version; where there is none, how to get one."""
    monkeypatch.setattr(server, "find_binary", lambda: path)
    monkeypatch.setattr(server, "binary_version", lambda _: (8, 0, 1))

    assert ("ok", True) == (check("redis").state, found in check("redis").found)


def test_redis_server(checks, redis_url, capfd):
    """With `--redis` every finding about that server is a check of its own, and a warning is no failure."""
    checks.pop()

    assert 0 == main(["doctor", "--json", "--redis", redis_url])
    found = json.loads(capfd.readouterr().out)["checks"][2:]
    names = ["redis version", "redis eviction", "redis persistence", "redis clock", "redis round trip"]
    assert names == [item["name"] for item in found]
    assert ("warn", True) == (found[2]["state"], "append-only" in found[2]["found"])


def test_redis_server_that_evicts(checks, own_redis, capfd):
    """A server that would throw tasks away is a failure, with the command that mends it."""
    checks.pop()
    own = own_redis()
    with redis.Redis.from_url(own.url) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")

    assert 7 == main(["doctor", "--redis", own.url])
    lines = capfd.readouterr().out.splitlines()
    assert [True] == ["allkeys-lru at 105 MB" in line for line in lines if line.startswith("fail  redis eviction")]
    assert any("maxmemory-policy noeviction" in line for line in lines)


@pytest.mark.parametrize("fault", ["away", "password"])
def test_redis_server_that_cannot_be_asked(fault: str, checks, redis_url, capfd):
    """A server that does not answer, or not to us, is one failed check; the password is not shown."""
    checks.pop()
    url = redis_url.replace("password=", "password=x") if fault == "password" else "redis://:secret@127.0.0.1:1/0"

    assert 7 == main(["doctor", "--redis", url])
    out = capfd.readouterr().out
    assert "fail  redis server  Redis " in out
    assert not any(secret in out for secret in ("secret", url.rsplit("=", 1)[-1]))


def test_bundled_codecs(checks, capfd):
    """Each library that decodes is named, with its version and with what brings it."""
    assert 7 == main(["doctor", "--sbom", "--json"])
    parts = {(part["in"], part["name"]): part["version"] for part in json.loads(capfd.readouterr().out)["sbom"]}

    assert features.version("webp") == parts["pillow", "webp"]
    assert {"jpeg", "png", "tiff", "webp"} <= {name for whole, name in parts if whole == "opencv"}
    assert all(any(character.isdigit() for character in version) for version in parts.values())


def test_bundled_codecs_as_lines(checks, capfd, monkeypatch):
    """They come after the checks; an extra that is not here is left out."""
    monkeypatch.setattr(vips, "version", lambda: importlib.import_module("imgpipe.nothing"))
    assert 7 == main(["doctor", "--sbom"])
    out = capfd.readouterr().out

    assert f"pillow      webp            {features.version('webp')}" in out.splitlines()
    assert "libvips" not in out
