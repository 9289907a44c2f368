"""filters: lists the filters, and shows all about one."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import click

from imgpipe.display import display_name
from imgpipe.errors import UsageError
from imgpipe_cli.modules import import_user_filters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.shell_completion import CompletionItem

    from imgpipe.filters import Filter, Parameter

SCHEMA = "imgpipe.filters/1"

_import_option = click.option(
    "--import", "import_modules", multiple=True, metavar="MODULE", help="A module with filters of yours."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document to stdout.")


@click.group("filters", short_help="List the filters, or show one.")
def filters_command() -> None:
    """List the filters, or show all about one."""


@filters_command.command("list")
@_import_option
@_json_option
def list_command(import_modules: tuple[str, ...], as_json: bool) -> None:
    """List the filters: name, kind of work, what it does with the GIL, and what it is for.

    A filter `releases` the GIL if other threads run while it works, and `holds` it if they wait.
    """
    from imgpipe.filters import find, names  # noqa: PLC0415 - numpy and Pillow

    import_user_filters(import_modules)
    filters = [find(name) for name in names()]
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "filters": [describe(cls) for cls in filters]}))
        return
    width = max(len(display_name(cls.spec.name)) for cls in filters)
    for cls in filters:
        spec = cls.spec
        name = display_name(spec.name).ljust(width)
        click.echo(f"{name}  {spec.kind:3}  {spec.gil:8}  {display_name(summary_of(cls))}".rstrip())


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a filter."""
    del ctx, param
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for a shell

    from imgpipe.filters import find, names  # noqa: PLC0415 - numpy and Pillow

    return [
        CompletionItem(name, help=display_name(summary_of(find(name))))
        for name in names()
        if name.startswith(incomplete)
    ]


@filters_command.command("show")
@click.argument("name", shell_complete=_names)
@_import_option
@_json_option
def show_command(name: str, import_modules: tuple[str, ...], as_json: bool) -> None:
    """Show all about one filter: what it does, an example, and every parameter."""
    from imgpipe.filters import find  # noqa: PLC0415 - numpy and Pillow

    import_user_filters(import_modules)
    cls = find(name)
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, **describe(cls)}))
        return
    for line in _page(cls):
        click.echo(display_name(line))


def describe(cls: type[Filter]) -> dict[str, Any]:
    """Return all about a filter as JSON-like data."""
    spec = cls.spec
    return {
        "name": spec.name,
        "summary": summary_of(cls),
        "description": _text_of(cls),
        "example": example_of(cls),
        "kind": spec.kind,
        "gil": spec.gil,
        "backend": spec.backend,
        "modes": sorted(spec.modes),
        "alpha": spec.alpha,
        "version": spec.version,
        "parameters": [_described(parameter) for parameter in cls.parameters().values()],
        "aliases": dict(cls.aliases),
    }


def summary_of(cls: type[Filter]) -> str:
    """Return the first sentence of a filter's docstring, or "" if it has none."""
    paragraph = " ".join(_text_of(cls).split("\n\n", 1)[0].split())
    end = re.search(r"\.\s+(?=[A-Z`])", paragraph)
    return paragraph[: end.start() + 1] if end else paragraph


def example_of(cls: type[Filter]) -> str:
    """Return the filter as a pipeline's text has it: the first example of its docstring, else all its defaults."""
    examples: list[str] = re.findall(rf"`({re.escape(cls.spec.name)}:[^`\n]+)`", _text_of(cls))
    return next((text for text in [*examples, _spelt_out(cls)] if _is_readable(text)), cls.spec.name)


def _is_readable(text: str) -> bool:
    from imgpipe.pipeline import Pipeline  # noqa: PLC0415 - numpy and Pillow

    try:
        Pipeline.parse(text)
    except UsageError:
        return False
    return True


def _spelt_out(cls: type[Filter]) -> str:
    words = []
    for parameter in cls.parameters().values():
        value = parameter.default
        if parameter.required:
            candidates = [*parameter.choices, *_numbers_of(parameter), "text", True]
            value = next((item for item in candidates if not parameter.check(item)[1]), None)
        if value is not None:
            words.append(f"{parameter.name}={parameter.to_text(value)}")
    return cls.spec.name + (":" + ",".join(words) if words else "")


def _numbers_of(parameter: Parameter) -> Iterator[float]:
    """Give numbers that the parameter may take, the most ordinary first."""
    limits = parameter.range
    whole = int in parameter.kinds
    for number in (1.0, *((limits.low, limits.high, (limits.above or 0) + 0.5) if limits else ())):
        if number is not None:
            yield int(number) if whole else number


def _described(parameter: Parameter) -> dict[str, Any]:
    limits = parameter.range._asdict() if parameter.range else {}
    return {
        "name": parameter.name,
        "types": sorted("null" if kind is type(None) else kind.__name__ for kind in parameter.kinds),
        "expected": parameter.expected,
        "choices": list(parameter.choices),
        **{name: limit for name, limit in limits.items() if limit is not None},
        "required": parameter.required,
        **({} if parameter.required else {"default": parameter.default}),
        "help": parameter.help,
    }


def _page(cls: type[Filter]) -> Iterator[str]:
    """Give the lines that tell all about a filter."""
    spec = cls.spec
    yield f"{spec.name}: {spec.kind}, {spec.gil} the GIL, works with {spec.backend}"
    for title, lines in (
        ("", _text_of(cls).splitlines()),
        ("Example", [example_of(cls)]),
        ("Parameters", [line for parameter in cls.parameters().values() for line in _parameter_lines(parameter)]),
        ("Other names", [f"{alias}: {name}" for alias, name in cls.aliases.items()]),
    ):
        if lines:
            yield from ["", title] if title else [""]
            yield from (f"  {line}".rstrip() for line in lines)


def _parameter_lines(parameter: Parameter) -> Iterator[str]:
    default = "required" if parameter.required else f"default: {parameter.to_text(parameter.default)}"
    yield f"{parameter.name}: {parameter.expected} ({default})"
    if parameter.help:
        yield f"    {parameter.help}"


def _text_of(cls: type[Filter]) -> str:
    text = inspect.cleandoc(cls.__doc__ or "")
    # What a dataclass without a docstring gets from Python.
    return "" if text.startswith(f"{cls.__name__}(") else text
