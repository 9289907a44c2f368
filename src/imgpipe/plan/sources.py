"""Sources: finds the files that the inputs of a run mean, one after the other, and what to mirror of their paths."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from imgpipe.display import display_name
from imgpipe.errors import BadOption, NothingToDo, UsageError
from imgpipe.pictures.formats import BY_EXTENSION
from imgpipe.plan.patterns import WILDCARD, Glob, Patterns
from imgpipe.plan.source_lists import FileList, spooled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Source:
    """A file to process: `path` opens it; `relative`, never absolute or with `..`, is mirrored below the output."""

    path: str
    relative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Which of the files that the inputs name are meant.

    - `recursive`: walk into the folders of a folder.
    - `include`, `exclude`: patterns as `*.jpg`, compared with the relative path and with the bare name. With `include`,
      the extension of a file no longer matters. A folder that is excluded is not entered.
    - `follow_symlinks`: enter folders through symbolic links; links to files are always followed.
    - `base`: sources inside this folder are mirrored as they lie below it.
    - `null_separated`: names in lists end with NUL, as `find -print0` writes them.
    - `limit`: stop after so many sources.
    """

    recursive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow_symlinks: bool = False
    base: str | None = None
    null_separated: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        for name in ("include", "exclude"):
            patterns = getattr(self, name)
            if not isinstance(patterns, tuple) or not all(isinstance(text, str) and text for text in patterns):
                raise BadOption(name, patterns, "patterns such as *.jpg")
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise BadOption("limit", self.limit, "a whole number above 0")
        if self.base == "":
            raise BadOption("base", self.base, "a folder")


class Sources:
    """The files of a run. Each iteration walks anew, in the same order, and holds no more than one folder's names.

    An input is a file, a folder, a glob (`**` crosses folders; a file of that very name wins), `-` for a list on
    standard input, or `@list.txt`, `@manifest.jsonl` or `@manifest.csv` for a list in a file. `exclude_root` is not
    entered where it lies below an input: it is the output. In folders, names that begin with a dot are left out, and so
    are files without the extension of a picture; `ignored` counts the latter, for the latest walk.

    Raises `NothingToDo` for an input that does not exist, when it is made, and for a glob without a match, when it is
    walked; `UsageError` for a list that cannot be read and for a folder that may not be.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        options: SourceOptions | None = None,
        *,
        exclude_root: str | None = None,
        stdin: BinaryIO | None = None,
    ) -> None:
        self.inputs = tuple(inputs)
        self.options = options or SourceOptions()
        self.ignored = 0
        self._exclude_root = exclude_root
        self._wanted = Patterns(self.options.include, self.options.exclude)
        self._base = None if self.options.base is None else os.path.abspath(self.options.base)
        if not self.inputs:
            raise NothingToDo("no input: name files, folders or patterns")
        self._items: list[str | FileList | Glob] = [self._item(text, stdin) for text in self.inputs]

    def __iter__(self) -> Iterator[Source]:
        self.ignored = 0
        return islice(self._all(), self.options.limit)

    def only_file(self) -> str | None:
        """Return the path of the one file that was named, if nothing else was."""
        only = self._items[0]
        return only if len(self._items) == 1 and isinstance(only, str) and not os.path.isdir(only) else None

    def common_folder(self) -> str:
        """Return the folder, without symbolic links, in which all inputs lie; for a list, it is the current one."""
        folders = []
        for item in self._items:
            if isinstance(item, str):
                folders.append(item if os.path.isdir(item) else os.path.dirname(item))
            else:
                folders.append(item.folder if isinstance(item, Glob) else "")
        real = {os.path.realpath(folder or os.curdir) for folder in folders}
        try:
            return os.path.commonpath(real)
        except ValueError as error:
            raise UsageError("the inputs lie on different drives: process them one after the other") from error

    def real_places(self) -> list[str]:
        """Return, without symbolic links, the folders and files that cover all sources; for a list, their folders."""
        places: dict[str, None] = {}
        for item in self._items:
            if isinstance(item, FileList):
                places |= dict.fromkeys(os.path.dirname(os.path.realpath(path)) for _, path in item)
            else:
                places[os.path.realpath(item.folder or os.curdir if isinstance(item, Glob) else item)] = None
        return list(places)

    def _item(self, text: str, stdin: BinaryIO | None) -> str | FileList | Glob:
        if text == "-":
            if stdin is None:
                raise UsageError("there is no standard input to read a list from")
            return FileList("standard input", spooled(stdin), null_separated=self.options.null_separated)
        if os.path.lexists(text):
            return text
        if text.startswith("@") and len(text) > 1:
            return FileList.of_file(text[1:], null_separated=self.options.null_separated)
        if WILDCARD.search(text):
            return Glob(text)
        raise NothingToDo(
            f"{display_name(text)} does not exist" if text else "an input is empty: name a file or a folder"
        )

    def _all(self) -> Iterator[Source]:
        for item in self._items:
            if isinstance(item, FileList):
                yield from self._listed(item)
            elif isinstance(item, Glob):
                yield from self._globbed(item)
            elif os.path.isdir(item):
                for path, below in self._walk(item, None):
                    yield self._source(path, below)
            elif self._wanted.match(os.path.basename(item)):
                yield self._source(item, os.path.basename(item))

    def _listed(self, names: FileList) -> Iterator[Source]:
        for place, path in names:
            normal = os.path.normpath(path)
            escapes = os.path.isabs(normal) or os.path.splitdrive(normal)[0] or normal.split(os.sep, 1)[0] == os.pardir
            below = os.path.basename(normal) if escapes else normal
            if below in ("", os.curdir, os.pardir):
                raise UsageError(f"{place}: {display_name(path)} is not the name of a file")
            if self._wanted.match(below):
                yield self._source(path, below)

    def _globbed(self, glob: Glob) -> Iterator[Source]:
        found = False
        for path, below in self._walk(glob.folder, glob):
            found = True
            yield self._source(path, below)
        if not found:
            raise NothingToDo(f"{display_name(glob.text)} matches no file")

    def _source(self, path: str, below: str) -> Source:
        if self._base is not None:
            whole = os.path.abspath(path)
            start = os.path.join(self._base, "")
            if whole.startswith(start):
                return Source(path, whole[len(start) :])
        return Source(path, below)

    def _walk(self, top: str, glob: Glob | None) -> Iterator[tuple[str, str]]:
        """Give (path, path below `top`), a folder's files before its folders, each in the order of their names."""
        avoid = _identity(self._exclude_root)
        start = frozenset() if glob is None else glob.start()
        follow = self.options.follow_symlinks
        above = (_identity(top),) if follow else ()
        # A stack, not recursion: folders may be nested deeper than Python's calls.
        waiting = [("", start, above)]
        while waiting:
            below, states, above = waiting.pop()
            folder = os.path.join(top, below)
            if below and (avoid or follow):
                here = _identity(folder)
                if here == avoid or here in above:
                    continue
                above = (*above, here) if follow else above
            files, folders = self._listing(folder, below, follow=follow)
            for name in files:
                path_below = os.path.join(below, name)
                if glob is not None and not glob.takes(states, name):
                    continue
                if self._wanted.match(path_below) and self._has_extension(name, glob):
                    yield os.path.join(top, path_below), path_below
            for name in reversed(folders):
                path_below = os.path.join(below, name)
                after = states if glob is None else glob.enter(states, name)
                entered = bool(after) if glob is not None else self.options.recursive
                if entered and not self._wanted.excludes(path_below):
                    waiting.append((path_below, after, above))

    def _listing(self, folder: str, below: str, *, follow: bool) -> tuple[list[str], list[str]]:
        files: list[str] = []
        folders: list[str] = []
        try:
            with os.scandir(folder or os.curdir) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if not _is_folder(entry):
                        files.append(entry.name)
                    elif follow or not entry.is_symlink():
                        folders.append(entry.name)
        except (FileNotFoundError, NotADirectoryError):
            if not below:
                raise NothingToDo(f"{display_name(folder)} does not exist") from None
            return [], []  # gone since its parent was listed
        except OSError as error:
            name = display_name(below or folder)
            raise UsageError(
                f"{name} cannot be listed: {error.strerror}; leave it out with --exclude {name!r}"
            ) from error
        files.sort()
        folders.sort()
        return files, folders

    def _has_extension(self, name: str, glob: Glob | None) -> bool:
        if self.options.include or (glob is not None and glob.names_extension):
            return True
        if os.path.splitext(name)[1].lower() in BY_EXTENSION:
            return True
        self.ignored += 1
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links: the picture of that name fails on its own
        return False


def _identity(folder: str | None) -> tuple[int, int] | None:
    if folder is None:
        return None
    try:
        status = os.stat(folder or os.curdir)
    except OSError:
        return None
    return status.st_dev, status.st_ino
