"""Parcels: pictures that come through the queue, and results that go back by it, where there is no shared folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from imgpipe.errors import FailureCode, PictureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgpipe.queue.base import TaskQueue
    from imgpipe.queue.values import Claim
    from imgpipe.task import Task


class Parcels:
    """A private folder with the files of the tasks in this worker's hands. Fetching and sending are the courier's."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="imgpipe-parcels-")

    def fetch(self, queue: TaskQueue, claims: Iterable[Claim]) -> None:
        """Write down the pictures of tasks."""
        for claim in claims:
            data = queue.get_file(claim.job, claim.index, "source")
            if data is not None:
                with open(self._source(claim), "wb") as file:
                    file.write(data)

    def here(self, claim: Claim, task: Task) -> Task:
        """Return the task as it is done here: from a file in our folder to another one, named like the real ones.

        Raises `PictureError` if the picture was not in the queue.
        """
        source = self._source(claim)
        if not os.path.exists(source):
            message = "its picture is not in the queue any more"
            raise PictureError(FailureCode.NOT_FOUND, message, "run the same command again")
        named = source + os.path.splitext(task.source)[1]
        os.replace(source, named)
        target = self._target(claim) + os.path.splitext(task.target)[1]
        return replace(task, source=named, target=target, replace=True, durable=False, once=False)

    def send(self, queue: TaskQueue, claim: Claim) -> None:
        """Send the result of a task, if there is one that was not sent before."""
        start = os.path.basename(self._target(claim)) + "."
        for name in os.listdir(self.folder):
            if name == start[:-1] or name.startswith(start):
                path = os.path.join(self.folder, name)
                with open(path, "rb") as file:
                    queue.put_file(claim.job, claim.index, "target", file.read())
                os.unlink(path)

    def drop(self, claim: Claim) -> None:
        """Remove what is left of a task."""
        stem = os.path.basename(self._source(claim)).removesuffix("-in")
        for name in os.listdir(self.folder):
            if name.startswith((f"{stem}-in", f"{stem}-out")):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self.folder, name))

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _source(self, claim: Claim) -> str:
        return os.path.join(self.folder, f"{claim.epoch}-{claim.index}-in")

    def _target(self, claim: Claim) -> str:
        return os.path.join(self.folder, f"{claim.epoch}-{claim.index}-out")
