"""Lock: writes run.txt, dev.txt and docs.txt, every package with one version and the hashes of all its published files.

Run by `make lock`, in an environment that has pip-tools. What the files pin already stays, unless `--upgrade` is given.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
# Neither the machine's own packages nor its own names for the index may show in a file that others install from.
OPTIONS = (
    "--generate-hashes", "--allow-unsafe", "--strip-extras", "--no-header", "--no-annotate", "--quiet",
    "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host", "--no-emit-options",
)  # fmt: skip
# pip-compile sees the Python that it runs on only; redis wants this one below 3.11.3, and anywhere else it is harmless.
OLDER_PYTHONS = ("async-timeout>=4.0.3",)


def main(arguments: list[str]) -> None:
    """Write all files; `dev.txt` repeats the versions of `run.txt`."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = [*project["project"]["dependencies"], *OLDER_PYTHONS]
    compile_lock("run.txt", runtime, arguments)
    pins = [line.split(" ")[0] for line in (HERE / "run.txt").read_text(encoding="utf-8").splitlines() if "==" in line]
    compile_lock("dev.txt", [*runtime, *pins, *group(project["dependency-groups"], "dev")], arguments)
    compile_lock("docs.txt", group(project["dependency-groups"], "docs"), arguments)


def group(groups: dict[str, list[str | dict[str, str]]], name: str) -> list[str]:
    """Return the requirements of a dependency group, those of the groups it includes among them."""
    found: list[str] = []
    for entry in groups[name]:
        found += [entry] if isinstance(entry, str) else group(groups, entry["include-group"])
    return found


def compile_lock(name: str, requirements: list[str], arguments: list[str]) -> None:
    """Resolve `requirements` and write them to `name`, under a line that says where the file comes from."""
    kept = {key: value for key, value in os.environ.items() if key not in {"PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"}}
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "wanted.in")
        wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "piptools", "compile", *OPTIONS, *arguments]
        command += ["-o", str(HERE / name), str(wanted)]
        subprocess.run(command, check=True, env={**kept, "PIP_CONFIG_FILE": os.devnull})
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    body = [line for line in lines if line and not line.startswith("#")]  # remarks about setuptools
    text = "\n".join(["# Made by `make lock` from pyproject.toml; do not edit.", *body, ""])
    (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
