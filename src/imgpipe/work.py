"""run_task: the only function that touches a picture; every executor calls it, wherever it is."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from imgpipe.errors import FailureCode, ImgpipeError, PictureError
from imgpipe.memory import memory_bytes, unlimited
from imgpipe.pictures.decode import TimedFrame, check_depth, decode, verify
from imgpipe.pictures.encode import Encoded, Source, check_frames, encode, insert, target_format
from imgpipe.pictures.formats import BY_EXTENSION
from imgpipe.pictures.header import Header, open_header
from imgpipe.pictures.options import WriteOptions
from imgpipe.pictures.staging import always, staged
from imgpipe.quick import encoded, encodes, stream
from imgpipe.shortcut import apply, shortcut
from imgpipe.task import Failure, Outcome, Result, Task
from imgpipe.usage import UsageMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imgpipe.frame import Frame
    from imgpipe.info import ImageInfo
    from imgpipe.pictures.staging import Staged
    from imgpipe.recipe import Recipe
    from imgpipe.shortcut import Shortcut

    Reserve = Callable[[int, ImageInfo], contextlib.AbstractContextManager[None]]

# What a disk or a network share says that may be there again in a moment.
_PASSING = {
    getattr(errno, name)
    for name in ("EIO", "EREMOTEIO", "ESTALE", "ETIMEDOUT", "ECONNRESET", "ECONNABORTED", "ENOTCONN", "EHOSTDOWN",
                 "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH")
    if hasattr(errno, name)
}  # fmt: skip


def run_task(
    task: Task,
    *,
    worker: str = "",
    reserve: Reserve = unlimited,
    may_publish: Callable[[], bool] = always,
    clock: Callable[[], float] = time.perf_counter,
) -> Result:
    """Open a picture, send it through its pipeline, write it, and say what became of it. A bad picture never raises.

    `reserve(bytes, info)` is entered before any pixel is decoded; executors keep pictures within their memory by it.
    `may_publish` is asked in the last moment before the output gets its name.
    """
    watch, meter = Stopwatch(clock), UsageMeter(queue=task.measure_queue)
    try:
        with watch.stage("header"):
            header = open_header(task.source, task.recipe.limits)
        with header:
            result = _process(task, header, watch, reserve, may_publish)
    except PictureError as error:
        passing = getattr(error.__cause__, "errno", None) in _PASSING
        result = _failed(task, Failure(error.code, error.message, error.remedy, watch.current, passing))
    except MemoryError:
        remedy = "use fewer workers or a machine with more memory"
        result = _failed(task, Failure(FailureCode.OUT_OF_MEMORY, "not enough memory for it", remedy, watch.current))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one picture must not end the others
        message = f"unexpected {type(error).__name__}: {error}"
        result = _failed(task, Failure(FailureCode.INTERNAL, message, "please report this", watch.current))
    return replace(result, seconds=watch.seconds, worker=worker, usage=meter.read())


@dataclass(slots=True)
class Stopwatch:
    """Measures the stages of one task; `current` is the stage that runs, or the last one that ran."""

    clock: Callable[[], float]
    seconds: dict[str, float] = field(default_factory=dict)
    current: str = ""

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the `with` block to a stage."""
        self.current = name
        start = self.clock()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self.clock() - start


def check(info: ImageInfo, recipe: Recipe) -> None:
    """Raise the `PictureError` that a picture's header alone is enough for: nothing of it need be decoded."""
    if copies_bytes(info, recipe):
        return
    check_depth(info, recipe.read)
    if recipe.read.frames == "all":
        check_frames(info, target_format(info, recipe.write))
    recipe.pipeline.check_size(info, recipe.limits.max_pixels)


def copies_bytes(info: ImageInfo, recipe: Recipe) -> bool:
    """Whether the recipe leaves such a picture as it is, so that its file is copied instead of encoded again."""
    return (
        _asks_for_nothing(recipe.write)
        and target_format(info, recipe.write).name == info.format
        and (recipe.read.frames == "all" or info.frames == 1)
        and recipe.pipeline.is_identity(info)
    )


@lru_cache(maxsize=16)  # the same for all pictures of a run
def _asks_for_nothing(write: WriteOptions) -> bool:
    """Whether an encoder would be told nothing but its defaults."""
    return replace(write, format="keep", background="#ffffff") == WriteOptions()


def _process(task: Task, header: Header, watch: Stopwatch, reserve: Reserve, may_publish: Callable[[], bool]) -> Result:
    recipe, info = task.recipe, header.info
    check(info, recipe)
    format_ = target_format(info, recipe.write)
    with watch.stage("wait"):
        admission = contextlib.ExitStack()
        admission.enter_context(reserve(memory_bytes(info, recipe), info))
    with admission:
        copy = copies_bytes(info, recipe)
        made = [] if copy else _made(task, header, watch)
        if copy:
            with watch.stage("decode"):
                verify(header)  # a damaged file is not copied as if it were a result
        with staged(task.target, replace=task.replace, durable=task.durable, once=task.once) as output:
            with watch.stage("encode"), output.write_errors():
                notes = _copied(header, output) if copy else _encoded(made, task, header, output)
            with watch.stage("publish"):
                mode = header.permissions if os.path.realpath(task.target) == os.path.realpath(task.source) else None
                size = output.publish(None if copy else format_, mode=mode, allowed=may_publish)
    if BY_EXTENSION.get(os.path.splitext(task.target)[1].lower(), format_) is not format_:
        notes = (*notes, "extension-mismatch")
    frames = made if isinstance(made, list) else []
    shown = frames[0].frame if frames else made if isinstance(made, Encoded) else info
    return Result(
        task_id=task.id,
        source=task.source,
        target=task.target,
        outcome=Outcome.DONE,
        notes=notes,
        format=format_.name,
        width=shown.width,
        height=shown.height,
        megapixels=info.pixels * (len(frames) or info.frames) / 1e6,
        bytes_in=info.file_bytes,
        bytes_out=size,
        conversions=frames[0].frame.conversions if frames else 0,
    )


def _made(task: Task, header: Header, watch: Stopwatch) -> list[TimedFrame] | Encoded:
    """Decode and filter all frames; where libvips does everything, the picture is encoded then."""
    recipe, info = task.recipe, header.info
    taken = shortcut(info, recipe)
    if not taken.streamed:
        return list(_frames(task, header, watch, taken))
    source = None
    if taken.array:
        with watch.stage("decode"):
            (source,) = [timed.frame for timed in _decoded(task, header, taken)]
    with watch.stage("filter"):  # and whatever else libvips does: it does all at once
        made = stream(header, recipe, taken, source)
        return made if isinstance(made, Encoded) else [TimedFrame(_filtered(made, task, info, taken))]


def _frames(task: Task, header: Header, watch: Stopwatch, taken: Shortcut) -> Iterator[TimedFrame]:
    """Decode and filter one frame after the other."""
    decoded = _decoded(task, header, taken)
    while True:
        with watch.stage("decode"):
            timed = next(decoded, None)
        if timed is None:
            return
        with watch.stage("filter"):
            timed = replace(timed, frame=_filtered(timed.frame, task, header.info, taken))
        yield timed


def _decoded(task: Task, header: Header, taken: Shortcut) -> Iterator[TimedFrame]:
    return decode(header, task.recipe.read, scale=taken.scale, luma=taken.luma, array=taken.array)


def _filtered(frame: Frame, task: Task, info: ImageInfo, taken: Shortcut) -> Frame:
    frame = apply(task.recipe.pipeline, frame, info, taken)
    return frame if encodes(frame, info, task.recipe.write) else frame.in_pillow()


def _copied(header: Header, output: Staged) -> tuple[str, ...]:
    header.file.seek(0)
    shutil.copyfileobj(header.file, output.file, 1 << 20)
    return ("copied",)


def _encoded(made: list[TimedFrame] | Encoded, task: Task, header: Header, output: Staged) -> tuple[str, ...]:
    format_ = target_format(header.info, task.recipe.write)
    try:
        if isinstance(made, list) and encodes(made[0].frame, header.info, task.recipe.write):
            made = encoded(made[0].frame, task.recipe.write)
        if isinstance(made, Encoded):
            notes = insert(made, _source(header), task.recipe.write, output.file)
        else:
            notes = encode(made, _source(header), format_, task.recipe.write, output.file)
    except (ImgpipeError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the system has said what is wrong
        raise output.encoder_failed(error) from error
    return tuple(dict.fromkeys((*header.notes, *notes)))


def _source(header: Header) -> Source:
    known: Mapping[Any, Any] = header.image.info
    loop = known.get("loop")
    if header.info.format == "gif":  # counts how often it repeats
        plays = 1 if loop is None else loop + 1 if loop else 0
    else:
        plays = 0 if loop is None else loop
    return Source(header.metadata, str(known.get("compression") or ""), plays, bool(known.get("default_image")))


def _failed(task: Task, failure: Failure) -> Result:
    outcome = Outcome.LOST if failure.code is FailureCode.LEASE_ENDED else Outcome.FAILED
    return Result(task.id, task.source, task.target, outcome, failure=failure)
