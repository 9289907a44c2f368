"""Generate: copies the pages of docs/ into a folder and adds the reference, made from the program itself.

    python docs/generate.py build/docs/source

Run by `make docs`. What it makes is not committed: commands come from click, filters from their registry, the HTTP API
from its OpenAPI document, the Python API from docstrings, problems from the table of the server.
"""  # noqa: INP001 - a program, not a package

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import imgpipe
from imgpipe.errors import FailureCode
from imgpipe.filters import find, names
from imgpipe.web.documents import openapi_document
from imgpipe.web.problems import TITLES, code_of
from imgpipe.web.routes import ROUTES
from imgpipe_cli.filters import describe
from imgpipe_cli.main import imgpipe as program

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^):#]+)(#[^)]*)?\)")
_QUOTED = re.compile(r"""(: |-> )(['"])(.+?)\2(?=[,) ]|$)""")  # annotations, which are text here
_WIDEST = 100  # columns of a signature in one line


def main(folder: str) -> None:
    """Write all pages into `folder`, which is removed first."""
    source = Path(folder)
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("*.py", "*.jsonl", "__pycache__"))
    for page in source.rglob("*.md"):
        page.write_text(_inside(page, source), encoding="utf-8")
    errors = source / "errors.md"
    errors.write_text(errors.read_text(encoding="utf-8").replace("<!-- problems -->", _lines(_problems())), "utf-8")
    _write(source / "decisions" / "index.md", _decisions(source / "decisions"))
    reference = source / "reference"
    reference.mkdir()
    _write(reference / "cli.md", _commands())
    _write(reference / "filters.md", _filters())
    _write(reference / "http.md", _endpoints())
    _write(reference / "python.md", _names())
    (reference / "openapi.json").write_text(json.dumps(openapi_document(ROUTES), indent=1), encoding="utf-8")


def _inside(page: Path, source: Path) -> str:
    """Return a page without the links that lead out of docs/: the site has no such page, the checkout has."""

    def kept(link: re.Match[str]) -> str:
        target = os.path.normpath(page.parent / link[2])
        return link[0] if Path(target).is_relative_to(source) else link[1]

    return _LINK.sub(kept, page.read_text(encoding="utf-8"))


def _write(path: Path, lines: Iterator[str]) -> None:
    path.write_text(_lines(lines), encoding="utf-8")


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Return a text in which Markdown sees nothing of its own."""
    return re.sub(r"([\\*_<\[\]|])", r"\\\1", text)


def _decisions(folder: Path) -> Iterator[str]:
    yield from ("# Decisions", "", "Why things are as they are, one page each, with what would change our mind.", "")
    for page in sorted(folder.glob("0*.md")):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        yield f"- [{title}]({page.name})"


def _problems() -> Iterator[str]:
    """Give the problems of the HTTP API, each with its anchor; those of pictures have a section already."""
    of_pictures = {code_of(code) for code in FailureCode}
    for code, title in TITLES.items():
        if code not in of_pictures:
            yield f"- <a id='{code}'></a>`{code}`: {_plain(title)}."


def _commands() -> Iterator[str]:
    yield from ("# Commands", "", "What `imgpipe COMMAND --help` says. [Exit codes](../errors.md#exit-codes).")
    with click.Context(program, info_name="imgpipe") as context:
        for name in program.list_commands(context):
            command = program.get_command(context, name)
            assert command is not None  # it has just been listed
            yield from _command(command, f"imgpipe {name}", 2)


def _command(command: click.Command, path: str, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    yield from ("", f"{'#' * level} {path}", "", "```text", " ".join([path, *command.collect_usage_pieces(context)]))
    yield from ("```", "")
    for paragraph in inspect.cleandoc(command.help or "").replace("\b\n", "\n\b").split("\n\n"):
        if paragraph.lstrip("\n").startswith("\b"):
            yield from ("```sh", paragraph.replace("\b", "").strip(), "```", "")
        else:
            yield from (_plain(" ".join(paragraph.split())), "")
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            yield f"- `{record[0]}`: {_plain(' '.join(record[1].split()))}".removesuffix(": ")
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _command(inner, f"{path} {name}", level + 1)


def _filters() -> Iterator[str]:
    yield from ("# Filters", "", "What `imgpipe filters show NAME` says, here and in your own installation.")
    for told in (describe(find(name)) for name in names()):
        yield from ("", f"## {told['name']}", "", f"```text\n{told['example']}\n```", "", told["description"], "")
        yield f"Needs workers with the label `{told['kind']}`; {told['gil']} the GIL; works with {told['backend']}."
        yield ""
        for one in told["parameters"]:
            default = "required" if one["required"] else f"`{json.dumps(one['default'])}`"
            yield f"- `{one['name']}`: {_plain(one['help'])}; {_plain(one['expected'])} ({default})"


def _endpoints() -> Iterator[str]:
    yield from ("# HTTP", "", "What `imgpipe serve` offers, made from its [OpenAPI document](openapi.json), which it",
                "serves at `/api/openapi.json`. Each path works without its last slash, too. What is refused comes as",
                "[problem details](../errors.md#problems-over-http).")  # fmt: skip
    document = openapi_document(ROUTES)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield from ("", f"## {method.upper()} {path}", "", operation["summary"], "")
            yield from _operation(operation)


def _operation(operation: dict[str, Any]) -> Iterator[str]:
    for one in operation["parameters"]:
        yield f"- `{one['name']}` ({one['in']}): {_plain(one.get('description', 'a part of the path'))}"
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        fields = body["schema"].get("properties", {})
        yield f"- body `{media}`" + (f" with {', '.join(f'`{name}`' for name in fields)}" if fields else "")
        if "example" in body:
            yield from ("", "    ```json", f"    {json.dumps(body['example'])}", "    ```", "")
    yield f"- answers {', '.join(operation['responses'])}"


def _names() -> Iterator[str]:
    yield from ("# Python", "", "All that `import imgpipe` promises. The rest of the package may change at any time.")
    for name in imgpipe.__all__:
        thing = getattr(imgpipe, name)
        if name != "__version__":
            yield from _named(name, thing, 2)
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            for inner, member in vars(thing).items():
                function = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if not inner.startswith("_") and inspect.isfunction(function):
                    yield from _named(f"{name}.{inner}", function, 3, is_value=isinstance(member, property))


def _named(name: str, thing: Any, level: int, *, is_value: bool = False) -> Iterator[str]:
    yield from ("", f"{'#' * level} {name}", "")
    if thing is FailureCode:
        yield from ("The codes, and what to do: [errors](../errors.md).", "")
    elif inspect.isclass(thing) and issubclass(thing, Enum):
        yield from (f"One of {', '.join(f'`{one.value}`' for one in thing)}.", "")
    elif not is_value and (signature := _signature(thing)):
        yield from ("```python", name + signature, "```", "")
    yield inspect.getdoc(thing) or ""


def _signature(thing: Any) -> str:
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):  # Python cannot say how it is called
        return ""
    given = [one for one in signature.parameters.values() if one.name not in {"self", "cls"}]
    text = _QUOTED.sub(r"\1\3", str(signature.replace(parameters=given))).removesuffix(" -> None")
    if len(text) <= _WIDEST:
        return text
    lines = [_QUOTED.sub(r"\1\3", str(one)) for one in given]
    named = [number for number, one in enumerate(given) if one.kind is one.KEYWORD_ONLY]
    if named:
        lines.insert(named[0], "*")
    return "(\n" + "".join(f"    {line},\n" for line in lines) + text[text.rindex(")") :]


if __name__ == "__main__":
    main(sys.argv[1])
