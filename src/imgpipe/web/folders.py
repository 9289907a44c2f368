"""Folders: which pictures a server has, what requests call them, and that no name leads out of its folders."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe.errors import BadOption, FailureCode, NothingToDo, PictureError
from imgpipe.pictures.formats import BY_NAME
from imgpipe.pictures.staging import staged
from imgpipe.plan.sources import SourceOptions, Sources
from imgpipe.samples import sample
from imgpipe.web.problems import Refused

if TYPE_CHECKING:
    from imgpipe.web.settings import WebSettings

SAMPLE = "sample_4k.jpg"
_SAMPLE_SIZE = (3840, 2160)
_SAMPLE_NUMBER = 1
_QUALITY = 90


def prepare(settings: WebSettings, *, size: tuple[int, int] = _SAMPLE_SIZE) -> None:
    """Make the folders, and paint the sample picture if it is not there. Raises `BadOption`, `PictureError`."""
    for option, folder in (("images", settings.images), ("processed", settings.processed)):
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise BadOption(option, folder, f"a folder that can be made ({error.strerror})") from error
    for root in settings.roots:
        if not os.path.isdir(root):
            raise BadOption("root", root, "a folder that is there")
    path = os.path.join(settings.images, SAMPLE)
    if os.path.lexists(path):
        return
    picture, jpeg = sample(_SAMPLE_NUMBER, *size), BY_NAME["jpeg"]
    try:
        with staged(path, replace=False, durable=False) as output:
            with output.write_errors():
                picture.save(output.file, jpeg.pillow, quality=_QUALITY)
            output.publish(jpeg)
    except PictureError as error:
        if error.code is not FailureCode.TARGET_EXISTS:  # another server was faster, with the same picture
            raise


def all_pictures(settings: WebSettings, most: int | None = None) -> list[str]:
    """Return the paths of the pictures in the image folder, in the order of their names; not more than `most`."""
    with contextlib.suppress(NothingToDo):
        found = Sources([settings.images], SourceOptions(limit=most), exclude_root=settings.processed)
        return [source.path for source in found if _is_below(os.path.realpath(source.path), settings.folders)]
    return []


def find_picture(settings: WebSettings, name: str) -> str:
    """Return the path of a picture that a request names: below the image folder, or below a root.

    Symbolic links are followed first, so that none leads out. What lies outside is as little there as what does not
    exist. Raises `Refused`.
    """
    for folder in settings.folders:
        with contextlib.suppress(OSError, ValueError):  # too long, a loop of links, NUL, half a surrogate
            path = os.path.realpath(os.path.join(folder, name))
            if _is_below(path, settings.folders) and os.path.isfile(path):
                return path
    raise Refused(404, "not-found", f"there is no picture {display_name(name, width=200)!r}")


def name_of(settings: WebSettings, path: str) -> str:
    """Return what requests and answers call a file: its path below one of the server's folders."""
    for folder in (*settings.folders, settings.processed):
        if _is_below(path, (folder,)):
            return os.path.relpath(path, folder).replace(os.sep, "/")
    return os.path.basename(path)


def is_offered(settings: WebSettings, path: str) -> bool:
    """Whether a file, which may be anywhere, is one that the server may send: a picture of it, or a result."""
    return bool(path) and _is_below(os.path.realpath(path), (*settings.folders, settings.processed))


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path.startswith(os.path.join(folder, "")) for folder in folders)
