"""Memory: foresees what a picture will need, and lets pictures in while that fits, first come first served."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING

from imgpipe.pictures.encode import target_format
from imgpipe.pictures.encoders import JPEG_QUALITY, has_full_colour
from imgpipe.pipeline import Pipeline
from imgpipe.quick import ends_in_jpeg
from imgpipe.shortcut import shortcut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.info import ImageInfo
    from imgpipe.pictures.options import WriteOptions
    from imgpipe.recipe import Recipe
    from imgpipe.shortcut import Shortcut

# Bytes per pixel that the libraries of 2026 need beside the pixels themselves. A test holds the sum to reality.
_DECODER = {"webp": 13, "avif": 7}  # canvases that stay until the file is closed
_ANIMATION_FRAMES = 4  # kept by the decoders of GIF and PNG to make the next one
_PROGRESSIVE = 6  # the coefficients of all scans, at most
_ENCODER = {"png": 0.5, "tiff": 0.5, "bmp": 0.5, "gif": 13, "avif": 36, "webp": 8}
_WEBP_LOSSLESS = 32  # of alpha alone, too
_WITHOUT_ALPHA = 9
_ROWS = 3500  # bytes per pixel of a row, of which libvips has several hundred in work for each operation


def memory_bytes(info: ImageInfo, recipe: Recipe) -> int:
    """Estimate the most memory that a task needs at once, from the header alone.

    A picture is decoded, filtered and encoded one after the other.
    """
    frames = 1 if recipe.read.frames == "first" else info.frames
    coefficients = info.progressive * _PROGRESSIVE * info.pixels
    last = recipe.pipeline.stages(info)[-1]
    taken = shortcut(info, recipe)
    seen = taken.seen(info)
    pipeline, held = recipe.pipeline, _held_bytes(seen)
    decoding = seen.frame_bytes * (1 + taken.array) + coefficients  # an array is a copy, where Pillow decodes
    if taken.streamed:
        flowing = _flowing_bytes(info, recipe, taken) + coefficients
        if ends_in_jpeg(info, recipe, taken):
            whole = recipe.write.optimize or recipe.write.progressive  # then the encoder waits for the last row
            return int(flowing + whole * _encoder_bytes(info, last, recipe.write))
        seen, held = pipeline.stages(info)[taken.streamed], 0
        decoding, pipeline = flowing + 2 * seen.frame_bytes, Pipeline(pipeline.filters[taken.streamed :])
    stages = pipeline.stages(seen)
    active = sum(not step.is_identity(stage) for step, stage in zip(pipeline.filters, stages, strict=False))
    filtering = pipeline.memory_bytes(seen) + (active > 1) * seen.frame_bytes
    if taken.array and not taken.streamed:
        filtering -= 2 * seen.frame_bytes  # it has crossed already
    encoding = frames * last.frame_bytes + _encoder_bytes(info, last, recipe.write)
    waiting = (frames - 1) * last.frame_bytes  # finished frames wait for each other
    return int(held + waiting + max(decoding, filtering, encoding))


def _flowing_bytes(info: ImageInfo, recipe: Recipe, taken: Shortcut) -> int:
    """What libvips needs between a file or an array and its result."""
    after = recipe.pipeline.stages(info)[taken.streamed]
    source = taken.seen(info).frame_bytes * (1 + (info.orientation != 1)) if taken.array else 0
    return source + _ROWS * (info.width // taken.scale + after.width) + 2 * info.file_bytes


def _held_bytes(info: ImageInfo) -> int:
    """What a decoder keeps beside the frame that it hands out."""
    held = _DECODER.get(info.format, 0) * info.pixels
    if info.format in _DECODER:
        held += 2 * info.file_bytes
    if info.orientation != 1:
        held += info.frame_bytes
    elif info.stored_mode != info.mode:
        held += info.pixels * (1 if info.stored_mode in ("1", "L", "P") else 4)
    if info.frames > 1 and not info.paged:
        held += _ANIMATION_FRAMES * info.frame_bytes
    return held


def _encoder_bytes(info: ImageInfo, last: ImageInfo, write: WriteOptions) -> float:
    format_ = target_format(info, write)
    per_pixel = _ENCODER.get(format_.name, 0.0)
    if format_.name == "webp" and (write.lossless or last.has_alpha):
        per_pixel = _WEBP_LOSSLESS
    elif format_.name == "jpeg":
        per_pixel = _jpeg_bytes(last, write)
    if last.has_alpha and (not format_.alpha or format_.name == "gif"):
        per_pixel += _WITHOUT_ALPHA
    return per_pixel * last.pixels


def _jpeg_bytes(last: ImageInfo, write: WriteOptions) -> int:
    """To optimize, libjpeg keeps two bytes for each sample, and its whole output."""
    if not write.optimize and not write.progressive:
        return 1
    if last.mode[0] == "L":
        return 3
    return 8 if has_full_colour(write, write.quality or JPEG_QUALITY) else 4


class MemoryBudget:
    """A number of bytes that pictures in work share. Safe to use from several threads.

    A picture that needs more than the whole budget waits until nothing else is in work, then runs alone.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._used_bytes = 0
        self._holders = 0
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, needed_bytes: int, _info: object = None) -> Iterator[None]:
        """Hold `needed_bytes` for the `with` block; wait until they are there."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                # In turn, or small pictures would pass a large one for ever.
                self._changed.wait_for(lambda: self._queue[0] is ticket and self._fits(needed_bytes))
            except BaseException:
                self._queue.remove(ticket)
                self._changed.notify_all()
                raise
            self._queue.popleft()
            self._used_bytes += needed_bytes
            self._holders += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._used_bytes -= needed_bytes
                self._holders -= 1
                self._changed.notify_all()

    def _fits(self, needed_bytes: int) -> bool:
        return self._holders == 0 or self._used_bytes + needed_bytes <= self.limit_bytes


@contextlib.contextmanager
def unlimited(_needed_bytes: int, _info: object = None) -> Iterator[None]:
    """Stand in for `MemoryBudget.reserve` where one picture is in work at a time."""
    yield
