"""The façade: process many pictures, or apply a pipeline to one in memory; functions over values."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image

from imgpipe.executors import Executor, choose, create_executor, executor_name
from imgpipe.frame import Frame
from imgpipe.info import ImageInfo
from imgpipe.pictures.decode import check_depth, to_frame
from imgpipe.pictures.options import Limits, ReadOptions
from imgpipe.pipeline import Pipeline
from imgpipe.plan import Plan, PlanOptions, make_plan
from imgpipe.recipe import Recipe
from imgpipe.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from imgpipe.task import Result, Task

PathLike = str | os.PathLike[str]
Picture = TypeVar("Picture", Image.Image, "NDArray[np.uint8]")


def process(
    inputs: PathLike | Iterable[PathLike],
    pipeline: Any = (),
    output: PathLike | None = None,
    *,
    executor: str | Executor = "auto",
    workers: int | None = None,
    options: PlanOptions | None = None,
    each: Callable[[Result], None] | None = None,
) -> Report:
    """Send pictures through a pipeline and write them below `output`; return what became of them.

        process("photos", "resize:800x600 | sharpen", "small")

    `inputs` are files, folders and globs; `pipeline` is whatever `Pipeline.of` understands, or a `Recipe` that says
    also how to read and to write. `options` say when existing outputs are replaced, and more. `each` is called in this
    thread with every result as it comes. Pictures that fail are in the report; they do not raise. Raises `UsageError`
    before anything is done when the request itself cannot be right.
    """
    recipe = pipeline if isinstance(pipeline, Recipe) else Recipe(Pipeline.of(pipeline))
    names = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    plan = make_plan(
        [os.fspath(name) for name in names],
        recipe,
        options or PlanOptions(),
        output=None if output is None else os.fspath(output),
    )
    summary = plan.check()
    if isinstance(executor, Executor):
        return run(plan, executor, each=each)
    from imgpipe.machine import usable_cores  # noqa: PLC0415 - loads psutil

    choice = choose(
        executor_name(executor),
        workers=workers,
        cores=usable_cores(),
        pictures=summary.pictures,
        recipe=plan.recipe,
    )
    with create_executor(choice.name, workers=choice.workers) as made:
        return run(plan, made, each=each)


def run(
    plan: Plan,
    executor: Executor,
    *,
    each: Callable[[Result], None] | None = None,
    stop: Callable[[], str] = lambda: "",
    max_errors: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Run a plan that has been checked.

    `stop` is asked before every task; once it returns a reason, no further task begins, those in work are finished,
    and the report says why. More than `max_errors` failures, or a full disk, stop the run in the same way.
    """
    report = Report()
    elsewhere = plan.pictures  # and less with each picture that turns out to need no executor
    start = clock()

    def settle(result: Result) -> None:
        report.add(result)
        if each is not None:
            each(result)

    def settle_here(result: Result) -> None:
        nonlocal elsewhere
        if elsewhere is not None:
            elsewhere -= 1
            executor.expect(elsewhere)
        settle(result)

    def until_stopped(tasks: Iterator[Task]) -> Iterator[Task]:
        for task in tasks:
            report.stopped = report.stopped or stop() or _fatal(report, max_errors)
            if report.stopped:
                return
            yield task

    if elsewhere is not None:
        executor.expect(elsewhere)
    try:
        with plan.open_ledger() as ledger:
            for result in executor.run(until_stopped(plan.tasks(ledger, settle_here))):
                ledger.record(result)
                settle(result)
    finally:
        report.seconds = clock() - start
    return report


def apply(picture: Picture, pipeline: Any) -> Picture:
    """Send one picture through a pipeline in memory and return the same kind of object.

    A Pillow image comes back as one (palettes expanded, its profile kept or converted in `info["icc_profile"]`); a
    uint8 array of shape (height, width) or (height, width, channels) in the order RGB(A) comes back as one. Raises
    `PictureError`.
    """
    steps = Pipeline.of(pipeline)
    if isinstance(picture, Image.Image):
        bits = 16 if picture.mode.startswith("I;16") else 8
        check_depth(ImageInfo(width=1, height=1, mode="L", stored_mode=picture.mode, bits=bits), ReadOptions())
        frame = to_frame(picture, picture.info.get("icc_profile"))
    else:
        frame = Frame.of_array(picture)
    steps.check_size(ImageInfo(width=frame.width, height=frame.height, mode=frame.mode), Limits().max_pixels)
    after = steps.apply(frame).straight()
    if isinstance(picture, Image.Image):
        image = after.image.copy()
        image.info = {"icc_profile": after.icc} if after.icc else {}
        return image
    array = after.array.copy()
    return array[..., np.newaxis] if array.ndim < picture.ndim else array


def _fatal(report: Report, max_errors: int | None) -> str:
    if any(code.stops_the_run for code in report.failures):
        return "no space left on the disk"
    if max_errors is not None and report.failed > max_errors:
        return f"more than {max_errors} pictures failed"
    return ""
