"""Survey: the pass over all sources before the start, which counts them and finds what forbids the run."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe.errors import BadOption, OutputCollision, OutputExists
from imgpipe.plan.collisions import Marks, folded, named_pairs
from imgpipe.plan.placement import status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from imgpipe.plan.placement import Placed

_SHOWN = 10
_KINDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """What a run has before it.

    `pictures` and their `bytes`, also by their extension in small letters ("" for all kinds beyond the first hundred);
    of those, `missing` are on a list but not there. Not among them: `ignored` files of folders without a picture's
    extension, and `left_out` results of earlier runs that lie among the inputs.
    """

    pictures: int = 0
    bytes: int = 0
    bytes_by_extension: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    ignored: int = 0
    left_out: int = 0


class Survey:
    """Walks over all placed sources, and once more only to name what is wrong. It keeps a few bytes per source.

    `wanted` says which sources this run is about. Targets are compared as `folded` in a folder of results, and exactly
    where sources are replaced, because there every name exists already. Raises what `Plan.check` raises.
    """

    def __init__(self, walk: Callable[[], Iterable[Placed | None]], root: str, *, in_place: bool) -> None:
        self._walk, self._root, self._in_place = walk, root, in_place
        self.targets = Marks()
        self._inputs = Marks()
        self._outputs = self._inputs.sibling()

    def run(self, wanted: Callable[[Placed], bool], *, refuse_existing: bool) -> PlanSummary:
        """Walk, count and check. `ignored` is left at 0: only the sources know it."""
        pictures = missing = left_out = existing = 0
        sizes: Counter[str] = Counter()
        examples: list[str] = []
        # Where nothing has been written yet, no result can fall on anything.
        look = not self._in_place and os.path.isdir(self._root)
        for placed in self._walk():
            if placed is None:
                left_out += 1
                continue
            self.targets.add(self._compared(placed))
            if look and self._exists(placed):
                existing += 1
                if len(examples) < _SHOWN:
                    examples.append(placed.target)
            if wanted(placed):
                pictures += 1
                missing += placed.status is None
                extension = os.path.splitext(placed.source.path)[1].lower()
                kind = extension if extension in sizes or len(sizes) < _KINDS else ""
                sizes[kind] += placed.status.st_size if placed.status else 0
        self._refuse_collisions()
        self._refuse_overwriting_inputs()
        if refuse_existing and existing:
            raise OutputExists(_existing(examples, existing))
        return PlanSummary(
            pictures=pictures, bytes=sizes.total(), bytes_by_extension=sizes, missing=missing, left_out=left_out
        )

    def _compared(self, placed: Placed) -> str:
        return placed.key if self._in_place else folded(placed.key)

    def _exists(self, placed: Placed) -> bool:
        """Whether the target is there; note which file it is, and which one the source is."""
        if placed.status is not None:
            self._inputs.add(_file_number(placed.status))
        target = status_of(placed.target, follow=False)
        if target is None:
            return False
        if stat.S_ISLNK(target.st_mode):
            target = status_of(placed.target)
        if target is not None:
            self._outputs.add(_file_number(target))
        return True

    def _refuse_collisions(self) -> None:
        total = self.targets.repeated()
        if not total:
            return
        triples = ((p.source.path, p.target, self._compared(p)) for p in self._placed())
        pairs = named_pairs(triples, self.targets, most=_SHOWN)
        if pairs:
            shown = [(display_name(one), display_name(two), display_name(target)) for one, two, target in pairs]
            raise OutputCollision(shown, max(total, len(pairs)), _remedy(pairs, in_place=self._in_place))

    def _refuse_overwriting_inputs(self) -> None:
        both = self._inputs.common(self._outputs)
        if not both:
            return
        for placed in self._placed():
            target = status_of(placed.target)
            if target is not None and self._outputs.mark(_file_number(target)) in both:
                name = display_name(placed.target)
                expected = f"another folder, another --name, or --in-place: {name} is itself one of the inputs"
                raise BadOption("output", self._root, expected)

    def _placed(self) -> Iterator[Placed]:
        return (placed for placed in self._walk() if placed is not None)


def _file_number(status: os.stat_result) -> bytes:
    return b"%d:%d" % (status.st_dev, status.st_ino)


def _remedy(pairs: list[tuple[str, str, str]], *, in_place: bool) -> str:
    if in_place or all(first == second for first, second, _ in pairs):
        return "name each file only once"
    return "tell them apart by --name, for example {dir}{stem}{ext} or {dir}{stem}-{hash:.8}{ext}, or leave some out"


def _existing(examples: list[str], total: int) -> str:
    lines = [f"{display_name(target)} exists" for target in examples]
    if total > len(examples):
        lines.append(f"… and {total - len(examples)} more")
    return "\n".join([*lines, "choose another output folder, or another --on-exists than error"])
