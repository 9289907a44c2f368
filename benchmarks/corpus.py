"""Corpus: lays out the folders of pictures that every peer reads, from samples or from a folder of yours."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, JpegImagePlugin

from imgpipe.samples import sample

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Corpus:
    """Pictures to read: `large` ones, `small` ones, and a `tiny` one that takes no time."""

    large: list[Path]
    small: list[Path]
    tiny: Path
    described: str

    def of(self, kind: str) -> list[Path]:
        """Return the pictures of a kind: large, small or tiny."""
        return {"large": self.large, "small": self.small, "tiny": [self.tiny]}[kind]

    def laid_out(self, folder: Path, kind: str, count: int) -> Path:
        """Fill a folder with `count` pictures, the same ones over again if there are fewer: hard links if possible."""
        pictures = self.of(kind)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for number in range(count):
            source, link = pictures[number % len(pictures)], folder / f"{number:05d}.jpg"
            try:
                os.link(source, link)
            except OSError:  # another file system
                shutil.copyfile(source, link)
        return folder


def sampled(work: Path, large: int, small: int) -> Corpus:
    """Paint `large` pictures of 3840x2160 and `small` ones of 1024x768; those that are there are kept."""
    return Corpus(
        [_painted(work, number, 3840, 2160) for number in range(1, large + 1)],
        [_painted(work, number, 1024, 768) for number in range(1, small + 1)],
        _painted(work, 1, 16, 16),
        "painted by `imgpipe samples`: JPEG at quality 90, upright, without EXIF and profile",
    )


def given(work: Path, folder: Path) -> Corpus:
    """Take the JPEGs of a folder that all peers read alike: upright RGB. The rest is counted and left out."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    pictures = [path for path in files if _is_plain(path)]
    if not pictures:
        raise SystemExit(f"{folder}: none of the {len(files)} files is an upright RGB JPEG")
    left_out = f"; {len(files) - len(pictures)} files left out that are no upright RGB JPEG"
    return Corpus(pictures, pictures, _painted(work, 1, 16, 16), f"a folder of the user's{left_out}")


def facts(pictures: list[Path]) -> dict[str, object]:
    """Describe pictures: how many, how large, and how they are stored."""
    size = sum(path.stat().st_size for path in pictures)
    kinds = sorted({stored(path) for path in pictures})
    return {"pictures": len(pictures), "megapixels": round(megapixels(pictures), 1), "bytes": size, "stored": kinds}


def megapixels(pictures: list[Path]) -> float:
    """Return the millions of pixels of all of them together."""
    pixels = 0
    for path in pictures:
        with Image.open(path) as image:
            pixels += image.width * image.height
    return pixels / 1e6


def stored(path: Path) -> str:
    """Return how a JPEG is stored: its subsampling, and a number that falls as its quality rises."""
    with Image.open(path) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        sampling = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(JpegImagePlugin.get_sampling(image), "?")
        return f"{sampling if image.mode == 'RGB' else image.mode}, steps {sum(image.quantization[0])}"


def _painted(work: Path, number: int, width: int, height: int) -> Path:
    path = work / "samples" / f"{width}x{height}-{number:03d}.jpg"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        sample(number, width, height).save(part, "jpeg", quality=90)
        part.rename(path)
    return path


def _is_plain(path: Path) -> bool:
    with contextlib.suppress(OSError), Image.open(path) as image:
        return image.format == "JPEG" and image.mode == "RGB" and image.getexif().get(0x0112, 1) == 1
    return False
