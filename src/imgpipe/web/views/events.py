"""Events: what happens to a task, as it happens: server-sent events, at most one of progress each second."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from imgpipe.web.http import Piece, Response, Stream
from imgpipe.web.problems import Refused, busy
from imgpipe.web.results import item_document, results_of
from imgpipe.web.task_words import tag_of
from imgpipe.web.views.tasks import described, job_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgpipe.queue.values import JobStatus
    from imgpipe.web.app import App
    from imgpipe.web.http import Request

_EACH_SECONDS = 1.0
_COMMENT_SECONDS = 15.0
_MOST_READ = 1000
_THE_END = "done"
_ID = re.compile(r"[0-9]{1,9}")


def events(request: Request, app: App) -> Response:
    """Send `progress`, `item-failed` and at last `done`.

    The id of an event is the number of results that were looked at for it: `Last-Event-ID` goes on from there. A
    browser that has had `done` comes back all the same, and is told by 204 to stay away.
    """
    found = job_of(request, app)
    last = request.headers.get("last-event-id", "")
    if last == _THE_END:
        return Response(status=204)
    if not app.streams.acquire(blocking=False):
        raise busy("as many streams are open as there may be", seconds=10)
    pieces = _pieces(found, int(last) if _ID.fullmatch(last) else 0, request, app)

    def close() -> None:
        pieces.close()
        app.streams.release()

    headers = (("Content-Type", "text/event-stream"), ("X-Accel-Buffering", "no"))
    return Response(headers=headers, body=Stream(pieces=pieces, close=close))


def _pieces(found: JobStatus, cursor: int, request: Request, app: App) -> Generator[Piece, None, None]:
    tag, said_at = "", time.monotonic()
    while True:
        lines = []
        try:
            found = job_of(request, app)
            cursor, failed, is_read = _failed(found, cursor, app)
            lines += [_event("item-failed", str(cursor), item) for item in failed]
            if found.is_over and is_read:
                yield Piece("".join([*lines, _event("done", _THE_END, described(found, request, app))]).encode())
                return
            if tag_of(found) != tag:
                tag = tag_of(found)
                lines.append(_event("progress", str(cursor), described(found, request, app)))
        except Refused as error:
            if error.status in {404, 410}:
                yield Piece(_event("gone", _THE_END, {"detail": error.detail}).encode())
                return
            # Redis is away: the client need not know, as long as it hears something now and then.
        if not lines and time.monotonic() - said_at > _COMMENT_SECONDS:
            lines.append(": nothing new\n\n")
        if lines:
            said_at = time.monotonic()
        yield Piece("".join(lines).encode(), _EACH_SECONDS)


def _failed(found: JobStatus, cursor: int, app: App) -> tuple[int, list[dict[str, Any]], bool]:
    """Read on; return where, what has failed among it, and whether that was all that there is now."""
    items, after = results_of(found, cursor, _MOST_READ, app)
    failed = [item_document(item, found.id, app.settings) for item in items if not item[2].ok]
    return after, failed, len(items) < _MOST_READ


def _event(kind: str, number: str, data: dict[str, Any]) -> str:
    return f"event: {kind}\nid: {number}\ndata: {json.dumps(data, allow_nan=False)}\n\n"
