"""Checks: what no queue takes, refused alike by all of them before anything is done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgpipe.errors import BadOption
from imgpipe.queue.values import MOST_BYTES, MOST_CLAIMS, MOST_FILE_BYTES, MOST_INDEX, MOST_ITEMS, MOST_RESULT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.queue.values import Item, JobState, Settled

_CODE = re.compile(r"[A-Za-z0-9_-]{0,64}")


def conflict(job: str, state: JobState) -> BadOption:
    """Return the error for a job that is there already, and is another one."""
    expected = f"another name: a job of that name is {state.value}, and it is not the same; cancel it, or wait"
    return BadOption("job", job, expected)


def check_items(items: Sequence[Item]) -> None:
    """Raise `BadOption` for items that no queue takes."""
    if len(items) > MOST_ITEMS:
        raise BadOption("items", len(items), f"at most {MOST_ITEMS} in one call")
    size = sum(len(item.payload) for item in items)
    if size > MOST_BYTES:
        raise BadOption("items", f"{size} bytes", f"at most {MOST_BYTES} bytes in one call")
    previous = -1
    for item in items:
        if not previous < item.index < MOST_INDEX:
            raise BadOption("index", item.index, f"indexes that go up, below {MOST_INDEX}")
        previous = item.index


def check_file(data: bytes) -> None:
    """Raise `BadOption` for a file that is too large to travel through a queue."""
    if len(data) > MOST_FILE_BYTES:
        raise BadOption("file", f"{len(data)} bytes", f"at most {MOST_FILE_BYTES}; larger ones need a shared folder")


def check_settled(settled: Sequence[Settled]) -> None:
    """Raise `BadOption` for words that no queue takes."""
    if len(settled) > MOST_CLAIMS:
        raise BadOption("settled", len(settled), f"at most {MOST_CLAIMS} in one call")
    for word in settled:
        if len(word.result) > MOST_RESULT_BYTES:
            raise BadOption("result", f"{len(word.result)} bytes", f"at most {MOST_RESULT_BYTES}")
        if not _CODE.fullmatch(word.code):
            raise BadOption("code", word.code, "at most 64 letters, digits, dashes or underscores")
