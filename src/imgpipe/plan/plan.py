"""Plan: turns sources into tasks, one after the other, and knows before the start whether they can be run at all."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, get_args

from imgpipe.display import display_name
from imgpipe.errors import BadOption, NothingToDo, UsageError
from imgpipe.pictures.formats import BY_EXTENSION
from imgpipe.pictures.turbo import require_turbo
from imgpipe.pictures.vips import require_vips
from imgpipe.plan.collisions import Marks, folded
from imgpipe.plan.decision import OnExists, decide, decide_in_place, decide_name
from imgpipe.plan.handing_out import HandingOut
from imgpipe.plan.ledger import Ledger, LedgerReader, ledger_path
from imgpipe.plan.naming import DEFAULT_TEMPLATE, Naming, escaped
from imgpipe.plan.placement import Placement
from imgpipe.plan.preview import PlannedPicture, look_ahead
from imgpipe.plan.sources import SourceOptions, Sources
from imgpipe.plan.survey import PlanSummary, Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imgpipe.pictures.options import FormatName
    from imgpipe.plan.handing_out import Choice
    from imgpipe.plan.placement import Placed
    from imgpipe.recipe import Recipe
    from imgpipe.task import Result, Task

__all__ = ["Plan", "PlanOptions", "PlanSummary", "PlannedPicture", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """Where results go, and what happens to what is there already.

    - `output`: the folder for the results; without it, `in_place` replaces each source by its result.
    - `name`: template for the names of the results, see `Naming`.
    - `on_exists`: `update` leaves alone what is up to date, renews what imgpipe wrote and refuses to replace anything
      else; `skip` leaves alone whatever exists; `overwrite` replaces it; `error` ends before the start if anything
      exists; `rename` writes beside it, as `stem-1.ext`.
    - `retry_failed`: take only pictures that failed, or were not finished, in an earlier run.
    - `durable`: wait until each result has reached the disk.
    """

    output: str | None = None
    in_place: bool = False
    name: str = DEFAULT_TEMPLATE
    on_exists: OnExists = "update"
    retry_failed: bool = False
    durable: bool = False

    def __post_init__(self) -> None:
        """Refuse values outside the choices, and those that contradict each other."""
        if self.on_exists not in get_args(OnExists):
            raise BadOption("on_exists", self.on_exists, f"one of {', '.join(get_args(OnExists))}")
        if self.output is not None and (not self.output or "\0" in self.output):
            raise BadOption("output", self.output, "the name of a folder")
        if self.in_place and self.output is not None:
            raise BadOption("output", self.output, "either an output folder or --in-place, not both")
        if self.in_place and self.name != DEFAULT_TEMPLATE:
            raise BadOption("name", self.name, "no template together with --in-place: pictures keep their names")
        if self.in_place and self.on_exists != "update":
            expected = "update together with --in-place, so that no picture is processed twice"
            raise BadOption("on_exists", self.on_exists, expected)


def make_plan(
    inputs: Sequence[str],
    recipe: Recipe,
    options: PlanOptions | None = None,
    *,
    output: str | None = None,
    sources: SourceOptions | None = None,
    stdin: BinaryIO | None = None,
) -> Plan:
    """Make a plan from what a command line gives. `output` stands for the one in `options`.

    With one file as input, an `output` that is no folder and ends like a picture is the name of the result, and says
    its format if the recipe keeps formats. Raises `UsageError`.
    """
    if recipe.read.engine == "turbo":
        require_turbo()
    elif recipe.read.engine == "vips":
        require_vips()
    options = options or PlanOptions()
    options = options if output is None else replace(options, output=output)
    found = Sources(inputs, sources, exclude_root=options.output, stdin=stdin)
    promised = _promised_format(options.output)
    if options.output is not None and promised is not None:
        if found.only_file() is None:
            expected = (
                f"a folder: one file cannot hold all the results; to write as {promised}, use --format {promised}"
            )
            raise BadOption("output", options.output, expected)
        if recipe.write.format not in ("keep", promised):
            raise BadOption("output", options.output, f"a name for the format {recipe.write.format}")
        if options.name != DEFAULT_TEMPLATE:
            raise BadOption("name", options.name, "no template together with the name of an output file")
        recipe = replace(recipe, write=replace(recipe.write, format=promised))
        folder, name = os.path.split(options.output)
        options = replace(options, output=folder or os.curdir, name=escaped(name))
    return Plan(found, recipe, options)


def _promised_format(output: str | None) -> FormatName | None:
    """Return the format that an output promises by its extension, None for a folder."""
    if output is None or os.path.isdir(output):
        return None
    format_ = BY_EXTENSION.get(os.path.splitext(output)[1].lower())
    return format_.name if format_ else None


class Plan:
    """The tasks of a run. Both passes, `check` and `tasks`, walk over the sources anew and keep none of them."""

    def __init__(self, sources: Sources, recipe: Recipe, options: PlanOptions) -> None:
        if options.output is None and not options.in_place:
            raise BadOption("output", None, "a folder for the results, or --in-place")
        if options.in_place and recipe.write.format != "keep":
            raise BadOption("format", recipe.write.format, "keep together with --in-place: pictures keep their names")
        self.sources, self.recipe, self.options = sources, recipe, options
        self.root = _in_place_root(sources) if options.output is None else options.output
        self._fingerprint = recipe.fingerprint
        naming = None if options.in_place else Naming(options.name, recipe.write.format, self._fingerprint)
        self._placement = Placement(self.root, naming)
        self._targets: Marks | None = None
        self.pictures: int | None = None  # what the last `check` has counted

    def check(self, *, dry_run: bool = False) -> PlanSummary:
        """Walk over all sources once, and find out what forbids the run before anything is done.

        Raises `NothingToDo`, `OutputCollision`, `OutputExists` (with `on_exists` error) and `BadOption` (a result would
        fall on an input; the output cannot be written: that is tried, except in a dry run).
        """
        if os.path.lexists(self.root) and not os.path.isdir(self.root):
            raise BadOption("output", self.root, "a folder, and there is a file of that name")
        with LedgerReader(self.root) as ledger:
            retry, in_place = self.options.retry_failed, self.options.in_place
            survey = Survey(lambda: self._placement.placed(self.sources, ledger), self.root, in_place=in_place)
            self._targets = Marks()
            found = survey.run(
                lambda placed: not retry or self._chosen(placed, ledger)[2].action != "leave",
                refuse_existing=self.options.on_exists == "error",
            )
        summary = replace(found, ignored=self.sources.ignored)
        if not summary.pictures:
            raise NothingToDo(_nothing(summary, self.sources.inputs, retry_failed=self.options.retry_failed))
        if not dry_run:
            _probe(self.root)
        self._targets = survey.targets
        self.pictures = summary.pictures
        return summary

    def open_ledger(self) -> Ledger:
        """Return the ledger of the output folder, locked for this run. Use it in a `with` block."""
        # In place, a forgotten row would let a picture be processed twice, so it must outlive a power cut as well.
        return Ledger(self.root, durable=self.options.durable or self.options.in_place)

    def tasks(self, ledger: Ledger, settle: Callable[[Result], None]) -> Iterator[Task]:
        """Give the tasks, each noted in the ledger before; report through `settle` what needs none or may have none."""
        handing_out = HandingOut(self.recipe, self._fingerprint, ledger, settle, durable=self.options.durable)
        for placed in self._placement.placed(self.sources, ledger):
            if placed is not None:
                handing_out.add(*self._chosen(placed, ledger))
            if handing_out.is_due:
                yield from handing_out.flush()
        yield from handing_out.flush()
        handing_out.sweep_again()

    def preview(self) -> Iterator[PlannedPicture]:
        """Say for each source what a run would do, from headers alone. Nothing is written, no folder is made."""
        with LedgerReader(self.root) as ledger:
            for placed in self._placement.placed(self.sources, ledger):
                if placed is None:
                    continue
                chosen, _, decision = self._chosen(placed, ledger)
                if decision.action != "leave":
                    yield look_ahead(chosen.source.path, chosen.target, decision, self.recipe)

    def _chosen(self, placed: Placed, ledger: LedgerReader) -> Choice:
        """Decide about a picture; with `rename`, choose its name as well."""
        retry_failed = self.options.retry_failed
        situation = self._placement.situation(placed, self._fingerprint, ledger)
        if self.options.in_place:
            return placed, situation, decide_in_place(situation, retry_failed=retry_failed)
        if self.options.on_exists != "rename":
            return placed, situation, decide(situation, self.options.on_exists, retry_failed=retry_failed)
        stem, extension = os.path.splitext(placed.key)
        chosen, number = placed, 0
        while (decision := decide_name(situation, retry_failed=retry_failed)) is None:
            number += 1
            # Names found in this way differ if the planned ones do; only a planned one could be met.
            while folded(key := f"{stem}-{number}{extension}") in self._planned_targets:
                number += 1
            chosen = self._placement.moved(placed, key)
            situation = self._placement.situation(chosen, self._fingerprint, ledger)
        return chosen, situation, decision

    @property
    def _planned_targets(self) -> Marks:
        if self._targets is None:
            self.check(dry_run=True)
        assert self._targets is not None
        return self._targets


def _in_place_root(sources: Sources) -> str:
    """Return the folder whose ledger knows what was processed in place: that of an earlier run, if it lies above."""
    common = folder = sources.common_folder()
    while not os.path.exists(ledger_path(folder)):
        above = os.path.dirname(folder)
        if above == folder:
            if common == folder:
                raise UsageError("the inputs have no folder in common: process them in place one after the other")
            return common
        folder = above
    return folder


def _probe(root: str) -> None:
    """Find out now, not at the first result, whether the output can be written."""
    try:
        os.makedirs(root, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=root, prefix=".imgpipe-probe-"):
            pass
    except OSError as error:
        raise BadOption("output", root, f"a folder that can be written ({error.strerror})") from error


def _nothing(summary: PlanSummary, inputs: Sequence[str], *, retry_failed: bool) -> str:
    if retry_failed:
        return "nothing to retry: none of these pictures failed or was interrupted in an earlier run"
    names = ", ".join(display_name(text, width=60) for text in inputs[:3]) + (", …" if len(inputs) > 3 else "")
    message = f"no picture in {names}"
    if summary.ignored:
        message += f" ({summary.ignored} other files were ignored; --include '*' takes them)"
    if summary.left_out:
        message += f" ({summary.left_out} are results of earlier runs)"
    return message
