"""README and the guide: every command and every program in them is run, so that nobody types one that does not work."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from imgpipe_cli.main import main

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SPANISH = ROOT / "README.es.md"
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each block of code."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def script(start: str) -> str:
    """Return the one shell block that starts like this."""
    (found,) = (body for body in SHELL if body.startswith(start))
    return found


# What stands on several pages is run once.
BLOCKS = list(dict.fromkeys(block for page in (README, *GUIDE) for block in blocks(page)))
SHELL = [body for language, body in BLOCKS if language == "sh"]
PYTHON = [body for language, body in BLOCKS if language == "python"]
SETUP, INSTALL, UP, MACHINES = map(script, ("make ", "python3 -m venv", "imgpipe up", "imgpipe worker"))
COMMANDS = dict.fromkeys("".join(body for body in SHELL if body not in (SETUP, INSTALL, UP, MACHINES)).splitlines())

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the commands are for a POSIX shell")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder with the photos that the pages speak of."""
    folder: Path = tmp_path_factory.mktemp("readme")
    assert 0 == main(["samples", str(folder / "photos"), "--count", "3", "--size", "400x300"])
    return folder


def sh(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a person would, with the commands of this environment on the path."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_there_are_blocks_to_run():
    """The pages have the blocks that the tests below are about."""
    assert (5, 6, 4) == (len(GUIDE), len(SHELL), len(PYTHON))


def test_spanish_has_the_same_blocks():
    """Whoever reads Spanish types the same commands; they are run for both."""
    assert blocks(README) == blocks(SPANISH)


@pytest.mark.parametrize("page", [README, SPANISH, *GUIDE], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Each link to a file names one that is there."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [] == [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", [README, SPANISH], ids=lambda page: page.name)
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_figures_are_those_of_the_benchmarks(page, executor):
    """Whoever measures anew, with `make bench`, puts the new figures into both tables."""
    measured = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| \*\*imgpipe, {executor}\*\* \| (.*) \|$", measured, re.MULTILINE)
    summary, fit = rows[0].split(" | "), rows[1].split(" | ")
    told = re.findall(rf"^\| `{executor}` \| [^|]+ \| (.*) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert [[summary[0], summary[1], summary[6], f"{fit[3]} s", f"{fit[4]} MB"]] == [row.split(" | ") for row in told]


def test_make_demo(tmp_path):
    """`make demo` makes pictures, processes them, and says where they lie; a second time it does nothing."""
    assert "make demo " in SETUP
    for name in ("src", "cli", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    # The environment that runs this test serves: making another one is what the test below does.
    ready = [f"VENV={Path(sys.prefix)}", "-o", f"{Path(sys.prefix)}/.installed-run"]
    (tmp_path / "few").mkdir()
    main(["samples", str(tmp_path / "few"), "--count", "2", "--size", "300x200"])
    first = sh(f"make demo IN=few {' '.join(ready)}", tmp_path)
    second = sh(f"make demo IN=few {' '.join(ready)}", tmp_path)

    assert (0, 0) == (first.returncode, second.returncode), first.stderr + second.stderr
    assert "2 of 2 pictures" in first.stdout
    assert "2 skipped" in second.stdout
    assert 2 == len(list((tmp_path / "demo" / "out").glob("*.jpg")))


def test_make_test_is_a_target():
    """`make test` runs this suite; running it inside itself would not end."""
    assert "make test " in SETUP
    assert "pytest" in sh("make -n test", ROOT).stdout


@pytest.mark.slow
def test_the_way_without_make(tmp_path):
    """A new environment, an installation with pip, and the first run."""
    shutil.copytree(
        ROOT, tmp_path / "imgpipe", ignore=shutil.ignore_patterns(".venv", ".git", "demo", "build", ".*_cache")
    )
    done = sh(INSTALL, tmp_path / "imgpipe")
    if done.returncode and not os.environ.get("CI") and "No matching distribution" in done.stderr:
        pytest.skip("no package index can be reached")

    assert 0 == done.returncode, done.stderr
    assert "4 of 4 pictures" in done.stdout


def test_windows_has_the_same_commands():
    """The Windows block is the other one in Windows' words."""
    windows = next(body for language, body in BLOCKS if language == "bat")
    translated = windows.replace("py -m", "python3 -m").replace(".venv\\Scripts\\", ".venv/bin/")

    assert INSTALL == translated


@pytest.mark.parametrize("line", COMMANDS)
def test_command(line, place):
    """Each command of the tour ends well."""
    done = sh(line, place)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_up_and_three_lines(place, redis_binary):
    """A task goes over HTTP to the workers of `imgpipe up`, and is done; nothing is left behind."""
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    done = sh(UP.replace("8000", port).replace("imgpipe up", f"imgpipe up --port {port}"), place)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert '"status": "completed"' in done.stdout
    assert '"total": 3' in done.stdout
    assert "everything has ended" in done.stdout


def test_many_machines(place, redis_url):
    """The commands for a queue, one after the other, with a Redis that all of them reach."""
    done = sh(MACHINES, place, IMGPIPE_REDIS=redis_url)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "3 of 3 pictures" in done.stdout
    assert "resize:width=800,height=600 | sharpen" in done.stdout


@pytest.mark.parametrize("program", PYTHON)
def test_program(program, place, request):
    """Each program runs and prints something."""
    if "embedded" in program:
        request.getfixturevalue("redis_binary")
    done = subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.strip()


def test_exit_codes_are_those_of_the_command():
    """The table names every code that a command can end with today."""
    from imgpipe_cli.codes import ExitCode

    page = (ROOT / "docs" / "guide" / "command-line.md").read_text(encoding="utf-8")
    known = {int(code) for code in ExitCode}
    told = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE) for code in row.split(",")}

    assert known == told
