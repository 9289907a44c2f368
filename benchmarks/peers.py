"""Peers: the table of who is measured: how each is told to do a row, and how to learn whether it is here.

A row that a peer has no words for is one that it cannot do in the same way; the reason stands in `lacks`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parent.parent


class Row(NamedTuple):
    """A piece of work, as imgpipe's pipeline says it, and the pictures it is done to."""

    pipeline: str
    kind: str = "large"
    times: int = 1  # how often each of them is processed in a measurement


ROWS = {
    "fit": Row("resize:800x600", times=4),
    "blur": Row("blur:radius=3"),
    "brightness": Row("brightness:1.3"),
    "sharpen": Row("sharpen:amount=1,sigma=1"),
    "edges": Row("edges:low=100,high=200"),
    "chain": Row("resize:1600x900 | sharpen | edges:low=100,high=200"),
    "thumbnails": Row("resize:256x256", kind="small"),
}
ALL = tuple(ROWS)
COLOUR = tuple(row for row in ROWS if row not in {"edges", "chain"})


@dataclass(frozen=True)
class Job:
    """One measurement: a row, the names of the pictures in the current folder, and where results go, in what format."""

    row: str
    names: list[str]
    target: str
    suffix: str
    cores: int


@dataclass(frozen=True)
class Peer:
    """Somebody who is measured."""

    title: str
    probe: list[str]  # prints the version
    commands: Callable[[Job], list[list[str]]]  # run all at once
    rows: tuple[str, ...]
    lacks: str = ""
    slow: bool = False  # processes a part of the pictures
    environment: Mapping[str, str] = field(default_factory=dict)

    def version(self) -> str:
        """Return the version, or an empty text if the peer is not on this machine."""
        try:
            run = subprocess.run(self.probe, capture_output=True, text=True, check=True, env=self.surroundings())
        except (OSError, subprocess.CalledProcessError):
            return ""
        return re.sub(r"^Version: | https?:.*$", "", run.stdout.strip().splitlines()[0])

    def surroundings(self) -> dict[str, str]:
        """Return the environment of the commands."""
        path = os.pathsep.join(str(ROOT / folder) for folder in ("src", "cli", "."))
        return {**os.environ, "PYTHONPATH": path, **self.environment}


def peers(python: str) -> dict[str, Peer]:
    """Return all peers; those that are not imgpipe's own dependencies live in the environment of `python`."""
    no_canny, no_resize = "no Canny", "decoding less is of use to a leading resize alone"
    return {
        "imgpipe-threads": _imgpipe("threads"),
        "imgpipe-processes": _imgpipe("processes"),
        "imgpipe-turbo": _imgpipe(
            "threads", python, engine="turbo", rows=("blur", "sharpen", "edges"),
            lacks="the first filter works on Pillow's pictures, which this decoder does not make",
        ),
        "imgpipe-vips": _imgpipe("threads", python, engine="vips"),
        "imgpipe-fast": _imgpipe("threads", decode="fast", rows=("fit", "thumbnails"), lacks=no_resize),
        "imgpipe-vips-fast": _imgpipe(
            "threads", python, engine="vips", decode="fast", rows=("fit", "thumbnails"), lacks=no_resize
        ),
        "pyvips": _loop("pyvips", "pyvips, thread pool", python, COLOUR, no_canny, libvips="vips"),
        "vipsthumbnail": Peer(
            "vipsthumbnail, processes", ["vipsthumbnail", "--version"], _vipsthumbnail, ("fit", "thumbnails"),
            "makes thumbnails only", environment={"VIPS_CONCURRENCY": "1"},
        ),
        "graphicsmagick": Peer(
            "gm mogrify, processes", ["gm", "-version"], _graphicsmagick, COLOUR, no_canny, slow=True,
            environment={"OMP_NUM_THREADS": "1"},
        ),
        "imagemagick": Peer(
            "ImageMagick mogrify, processes", ["mogrify", "-version"], _imagemagick, COLOUR,
            "its Canny takes other gradients, and thresholds relative to the picture", slow=True,
            environment={"MAGICK_THREAD_LIMIT": "1"},
        ),
        "pillow": _loop("pillow", "Pillow loop, thread pool", sys.executable, COLOUR, no_canny, module="PIL"),
        "opencv": _loop("opencv", "OpenCV loop, thread pool", sys.executable, ALL, module="cv2"),
        "skimage": _loop("skimage", "scikit-image loop, thread pool", python, ALL, slow=True),
        "floor": _loop("floor", "floor: JPEG decode and encode alone", python, ALL, module="simplejpeg"),
    }  # fmt: skip


def _imgpipe(
    executor: str, python: str = sys.executable,
    *, engine: str = "", decode: str = "", rows: tuple[str, ...] = ALL, lacks: str = "",
) -> Peer:  # fmt: skip
    """Make a peer of imgpipe itself, with the engine that it has or with one that an extra brings."""
    imgpipe = [python, "-m", "imgpipe"]

    def commands(job: Job) -> list[list[str]]:
        how = [*(["--engine", engine] if engine else []), *(["--decode-quality", decode] if decode else [])]
        how += ["--executor", executor, "-j", str(job.cores), "--progress", "none", "-q"]
        jpeg = ["--quality", "85", "--subsampling", "4:2:0"]
        written = jpeg if job.suffix == ".jpg" else ["--format", job.suffix[1:]]
        return [[*imgpipe, "process", ".", "-o", job.target, "-f", ROWS[job.row].pipeline, *how, *written]]

    title = f"**{', '.join(filter(None, ('imgpipe', executor, engine, decode)))}**"
    if not engine:
        return Peer(title, [*imgpipe, "--version"], commands, rows, lacks)
    version = f"import imgpipe; from imgpipe.pictures.{engine} import version"
    version += "; print('imgpipe', imgpipe.__version__, 'and', version())"
    return Peer(title, [python, "-c", version], commands, rows, lacks)


def _loop(
    name: str, title: str, python: str, rows: tuple[str, ...], lacks: str = "",
    *, module: str = "", libvips: str = "", slow: bool = False,
) -> Peer:  # fmt: skip
    """Make a peer of a function in `loops.py`."""
    module = module or name
    version = f"import {module} as it; print(getattr(it, '__version__', None) or '.'.join(it.__version_info__)"
    version += ", f'libvips {it.version(0)}.{it.version(1)}.{it.version(2)}')" if libvips else ")"

    def commands(job: Job) -> list[list[str]]:
        return [[python, "-m", "benchmarks.loops", name, job.row, job.target, job.suffix, str(job.cores)]]

    return Peer(title, [python, "-c", version], commands, rows, lacks, slow)


def _vipsthumbnail(job: Job) -> list[list[str]]:
    size = {"fit": "800x600>", "thumbnails": "256x256>"}[job.row]
    output = f"{job.target}/%s{job.suffix}" + ("[Q=85,strip]" if job.suffix == ".jpg" else "")
    return _split(["vipsthumbnail", "--size", size, "--output", output], job)


def _graphicsmagick(job: Job) -> list[list[str]]:
    words = {
        "fit": "-size 800x600 -resize 800x600>",
        "thumbnails": "-size 256x256 -resize 256x256>",
        "blur": "-blur 0x3",
        "brightness": "-operator All Multiply 1.3",
        "sharpen": "-unsharp 0x1+1+0",
    }[job.row]
    jpeg = ["-quality", "85", "-sampling-factor", "2x2", "-define", "jpeg:optimize-coding=false", "+profile", "*"]
    written = jpeg if job.suffix == ".jpg" else ["-format", job.suffix[1:]]
    return _split(["gm", "mogrify", "-output-directory", job.target, *words.split(), *written], job)


def _imagemagick(job: Job) -> list[list[str]]:
    words = {
        "fit": "-define jpeg:size=800x600 -resize 800x600>",
        "thumbnails": "-define jpeg:size=256x256 -resize 256x256>",
        "blur": "-blur 0x3",
        "brightness": "-evaluate Multiply 1.3",
        "sharpen": "-unsharp 0x1+1+0",
    }[job.row]
    jpeg = ["-quality", "85", "-sampling-factor", "4:2:0", "-define", "jpeg:optimize-coding=false", "-strip"]
    written = jpeg if job.suffix == ".jpg" else ["-format", job.suffix[1:]]
    return _split(["mogrify", "-path", job.target, *words.split(), *written], job)


def _split(command: list[str], job: Job) -> list[list[str]]:
    """Start the command once for each core, each time with its share of the pictures."""
    shares = [job.names[core :: job.cores] for core in range(job.cores)]
    return [[*command, *share] for share in shares if share]
