"""Pages of docs/: every command and program in them is run, and what cannot be run here is read and checked."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml

from fleet_samples import SNAPSHOT
from imgpipe.lessons import NAMES
from imgpipe.monitor.prometheus import to_text
from imgpipe_cli.main import imgpipe as program
from imgpipe_cli.main import main
from imgpipe_cli.worker import worker_command
from test_readme import ROOT, blocks, sh

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the commands are for a POSIX shell")

DOCS = ROOT / "docs"
COOKBOOK = DOCS / "cookbook"
# What a page says of the world is put in terms of this machine, and large runs are made small.
SMALLER = {
    "--size 1600x1200": "--size 320x240",
    "--reps 2": "--reps 1 --limit 2",
    "imgpipe lesson ": "imgpipe lesson --quick --no-input ",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Return a folder with the photos that the pages speak of."""
    folder: Path = tmp_path_factory.mktemp("docs") / "photos"
    assert 0 == main(["samples", str(folder), "--count", "3", "--size", "320x240"])
    return folder


def texts(page: Path, language: str) -> list[str]:
    """Return the blocks of a page in one language."""
    return [text for tongue, text in blocks(page) if tongue == language]


def run(page: Path, folder: Path, **here: str) -> str:
    """Run all shell blocks of a page as one script; return what it wrote. `here` are further words to replace."""
    script = "\n".join(texts(page, "sh"))
    for there, instead in {**SMALLER, **here}.items():
        script = script.replace(there, instead)
    done = sh(script, folder, HOME=str(folder))

    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_tutorial(tmp_path, redis_binary):
    """The tutorial can be typed from its first line to its last, and shows what it says that it shows."""
    page = DOCS / "tutorial.md"
    told = run(page, tmp_path)
    (program,) = texts(page, "python")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert [] == [line for text in texts(page, "text") for line in text.splitlines() if line.strip() not in told]
    assert ("0 done, 6 up to date, 0 failed\n", "") == (done.stdout, done.stderr)
    assert 6 == len(list((tmp_path / "far").glob("sample-*")))


@pytest.mark.parametrize("name", ["million", "resume"])
def test_recipe(name, photos, tmp_path, redis_binary):
    """What the recipe says can be done in a folder with photos, and ends with results for all of them."""
    shutil.copytree(photos, tmp_path / "photos")
    run(COOKBOOK / f"{name}.md", tmp_path)

    assert 3 == len(list((tmp_path / {"million": "thumbs", "resume": "small"}[name]).glob("sample-*")))


def test_other_machines(photos, tmp_path, redis_url):
    """Workers that share the folder and workers that share nothing make the same pictures."""
    shutil.copytree(photos, tmp_path / "photos")
    run(COOKBOOK / "machines.md", tmp_path, **{"redis://:password@queue.example:6379/0": shlex.quote(redis_url)})
    far, near = (
        {file.name: file.read_bytes() for file in (tmp_path / name).glob("sample-*")} for name in ("far", "near")
    )

    assert 3 == len(far)
    assert far == near


def test_gunicorn(photos, tmp_path, redis_url):
    """The line for gunicorn starts a server that has the queue."""
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    pytest.importorskip("gunicorn")
    shutil.copytree(photos, tmp_path / "photos")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    told = run(
        COOKBOOK / "gunicorn.md", tmp_path, **{"redis://127.0.0.1:6379/0": shlex.quote(redis_url), ":8000": f":{port}"}
    )

    assert '"queue": "redis"' in told


def test_kubernetes():
    """The manifests are YAML, start a worker with options that there are, and ask for metrics that there are."""
    page = COOKBOOK / "kubernetes.md"
    deployment, keda, hpa = (yaml.safe_load(text) for text in texts(page, "yaml"))
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    worker = worker_command.make_context("worker", ["--redis", "redis://queue/0", *container["args"][1:]])
    known = set(re.findall(r"^# TYPE (\w+)", to_text(SNAPSHOT), re.MULTILINE))

    assert ["Deployment", "ScaledObject", "HorizontalPodAutoscaler"] == [one["kind"] for one in (deployment, keda, hpa)]
    assert {deployment["metadata"]["name"]} == {one["spec"]["scaleTargetRef"]["name"] for one in (keda, hpa)}
    assert "worker" == container["args"][0]
    assert pod["terminationGracePeriodSeconds"] > worker.params["grace"]
    assert set() == set(re.findall(r"\bimgpipe_\w+", page.read_text(encoding="utf-8"))) - known


def test_systemd():
    """The unit can be read, starts a worker with options that there are, and gives it time to end."""
    (text,) = texts(COOKBOOK / "systemd.md", "ini")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # systemd tells capitals from small letters
    unit.read_string(text)
    service = unit["Service"]
    _, command, *options = shlex.split(service["ExecStart"])
    worker = worker_command.make_context("worker", ["--redis", "redis://queue/0", *options])

    assert ["Unit", "Service", "Install"] == unit.sections()
    assert "worker" == command
    assert int(service["TimeoutStopSec"]) > worker.params["grace"]
    assert service["ReadWritePaths"] == worker.params["roots"][0]


@pytest.mark.parametrize("name", NAMES)
def test_lesson(name, tmp_path):
    """Each lesson has a page whose command runs, with output of the form that the lesson still has."""
    page = DOCS / "course" / f"{name}.md"
    told = set(_names(run(page, tmp_path)))

    assert set() == {row for text in texts(page, "text") for row in _names(text)} - told


def test_list_of_lessons(tmp_path):
    """The course names every lesson that the program lists."""
    told = run(DOCS / "course" / "index.md", tmp_path, **{"lesson --quick --no-input": "lesson"})

    assert list(NAMES) == [line.split()[0] for line in told.splitlines()[: len(NAMES)]]
    assert list(NAMES) == re.findall(
        r"^\| \[(\w+)\]\(\1\.md\)", (DOCS / "course" / "index.md").read_text(), re.MULTILINE
    )


@pytest.mark.parametrize(
    "page", [page for page in DOCS.rglob("*.md") if "decisions" not in page.parts], ids=lambda page: page.stem
)
def test_commands_in_sentences(page):
    """A command that a sentence names is there, with the options that it is given; it is not run."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for line in re.findall(r"`imgpipe ([a-z][^`]*)`", prose):
        command: click.Command = program
        for word in shlex.split(line):
            if isinstance(command, click.Group) and word.islower():
                command = command.get_command(click.Context(command), word) or pytest.fail(f"imgpipe {line}")
            elif word.startswith("-"):
                assert word in {one for parameter in command.params for one in (*parameter.opts, "--help")}, line


def _names(text: str) -> list[str]:
    """Return the names of the rows of a lesson's output, with N for every number."""
    return [re.sub(r"\d+", "N", line.split("  ")[1]) for line in text.splitlines() if line.startswith("  ")]
