"""Settings: what a server may touch, who may ask, and what a request may cost; read by those who start one."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgpipe.errors import BadOption
from imgpipe.pictures.options import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgpipe.queue.values import Routing

UNTRUSTED = Limits(
    max_pixels=50_000_000,
    max_file_bytes=50 << 20,
    max_frames=100,
    formats=("jpeg", "png", "webp", "gif", "bmp", "tiff"),
)
"""What pictures that anybody may send are held to."""

IMAGES, PROCESSED = os.path.join("static", "images"), os.path.join("static", "processed")

_SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """How a server behaves, whoever runs it.

    - `images`: the folder whose pictures are offered and processed; the sample picture is painted into it.
    - `processed`: the folder for results.
    - `roots`: further folders whose pictures requests may name.
    - `allowed_hosts`: names that the server goes by, beside localhost and addresses.
    - `token`: what a client has to know; without one only this machine is served.
    - `routing`: of tasks that do not name theirs; `fifo` is for teaching, see `imgpipe worker`.
    - `picture_seconds`: for one picture where it can be ended (multiprocessing, workers); after `batch_seconds` a batch
      begins no further picture, and a comparison no further pass.
    """

    images: str = IMAGES
    processed: str = PROCESSED
    roots: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    limits: Limits = UNTRUSTED
    routing: Routing = "labels"
    picture_seconds: float = 20.0
    batch_seconds: float = 120.0
    max_pictures: int = 1000

    def __post_init__(self) -> None:
        """Make folders absolute, without symbolic links, and refuse those that contradict each other."""
        for name in ("images", "processed", "roots"):
            value = getattr(self, name)
            if not value and name != "roots":
                raise BadOption(name, value, "a folder")
            real = tuple(map(os.path.realpath, value)) if isinstance(value, tuple) else os.path.realpath(value)
            object.__setattr__(self, name, real)
        if self.images == self.processed:
            raise BadOption("processed", self.processed, "another folder than that of the images")
        object.__setattr__(self, "allowed_hosts", tuple(name.lower().rstrip(".") for name in self.allowed_hosts))

    @property
    def folders(self) -> tuple[str, ...]:
        """All folders whose pictures requests may name, the image folder first."""
        return (self.images, *self.roots)


def from_environ(environ: Mapping[str, str]) -> WebSettings:
    """Read settings from IMGPIPE_IMAGES, IMGPIPE_PROCESSED, IMGPIPE_ROOTS, IMGPIPE_ALLOWED_HOSTS, IMGPIPE_TOKEN_FILE.

    Roots are separated as in PATH, hosts by commas. Raises `BadOption`.
    """
    token_file = environ.get("IMGPIPE_TOKEN_FILE")
    return WebSettings(
        images=environ.get("IMGPIPE_IMAGES") or IMAGES,
        processed=environ.get("IMGPIPE_PROCESSED") or PROCESSED,
        roots=_listed(environ.get("IMGPIPE_ROOTS", ""), os.pathsep),
        allowed_hosts=_listed(environ.get("IMGPIPE_ALLOWED_HOSTS", ""), ","),
        token=read_token(token_file) if token_file else None,
    )


def read_token(path: str) -> str:
    """Return the token in the first line of a file. Raises `BadOption` if there is none that is worth the name."""
    try:
        with open(path, encoding="ascii") as file:
            token = file.readline().strip()
    except (OSError, ValueError) as error:
        raise BadOption("token-file", path, f"a text file that can be read ({error})") from error
    if len(token) < _SHORTEST_TOKEN or not token.isprintable() or " " in token:
        expected = f"at least {_SHORTEST_TOKEN} printable characters in its first line, as from `openssl rand -hex 16`"
        raise BadOption("token-file", path, expected)
    return token


def _listed(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator) if part.strip())
