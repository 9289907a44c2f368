"""Patterns: which files are meant, by their names: globs as inputs, and what is included and excluded."""

from __future__ import annotations

import fnmatch
import os
import re

from imgpipe.display import display_name
from imgpipe.errors import BadOption, NothingToDo

WILDCARD = re.compile(r"[*?\[]")
_NAMED_EXTENSION = re.compile(r"\.[^.*?\[\]]+")


class Patterns:
    """Include and exclude, compiled."""

    def __init__(self, include: tuple[str, ...], exclude: tuple[str, ...]) -> None:
        self._include = [_compiled(pattern) for pattern in include]
        self._exclude = [_compiled(pattern.rstrip("/")) for pattern in exclude]

    def match(self, below: str) -> bool:
        """Whether a file of this relative path is meant."""
        return (not self._include or _any(self._include, below)) and not self.excludes(below)

    def excludes(self, below: str) -> bool:
        """Whether a file or folder of this relative path is left out."""
        return _any(self._exclude, below)


class Glob:
    """A pattern of several folders, matched name by name, so that a walk enters only where something can match.

    While walking, a state is the number of the part that the next name has to match.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = text.replace(os.sep, "/").split("/")
        literal = next(i for i, part in enumerate(parts) if WILDCARD.search(part))
        self.folder = "".join(f"{part}/" for part in parts[:literal])
        rest = [part for part in parts[literal:] if part not in ("", ".")]
        if ".." in rest:
            raise BadOption("input", text, "a pattern without .. after its first wildcard")
        self._parts = [None if part == "**" else _compiled(part) for part in rest]
        self.names_extension = bool(_NAMED_EXTENSION.fullmatch(os.path.splitext("x" + rest[-1].lstrip("."))[1]))
        if self.folder and not os.path.isdir(self.folder):
            raise NothingToDo(f"{display_name(text)} matches no file: {display_name(self.folder)} is no folder")

    def start(self) -> frozenset[int]:
        """Return the states at the folder where the walk begins."""
        return self._closed({0})

    def enter(self, states: frozenset[int], name: str) -> frozenset[int]:
        """Return the states below a folder of this name; none if nothing below can match."""
        after = {i for i in states if i < len(self._parts) and self._parts[i] is None}
        after |= {i + 1 for i in states if self._fits(i, name)}
        return self._closed(after - {len(self._parts)})

    def takes(self, states: frozenset[int], name: str) -> bool:
        """Whether a file of this name is meant."""
        last = len(self._parts) - 1
        return last in states and (self._parts[last] is None or self._fits(last, name))

    def _fits(self, state: int, name: str) -> bool:
        part = self._parts[state] if state < len(self._parts) else None
        return part is not None and part.match(name) is not None

    def _closed(self, states: set[int]) -> frozenset[int]:
        """Add what follows a `**`, which may stand for no folder at all."""
        for i in range(len(self._parts) - 1):
            if i in states and self._parts[i] is None:
                states.add(i + 1)
        return frozenset(states)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.replace(os.sep, "/")), re.IGNORECASE if os.name == "nt" else 0)


def _any(patterns: list[re.Pattern[str]], below: str) -> bool:
    if not patterns:
        return False
    portable = below.replace(os.sep, "/")
    name = portable.rpartition("/")[2]
    return any(pattern.match(portable) or pattern.match(name) for pattern in patterns)
