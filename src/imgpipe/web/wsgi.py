"""Wsgi: the same endpoints for those who bring a server of their own: `imgpipe.web.wsgi:application`.

Settings come from the environment when the first request does, see `settings.from_environ`; IMGPIPE_REDIS and
IMGPIPE_NAMESPACE name the queue. That server is what reads requests, and what has to keep slow clients away.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from imgpipe.display import display_name
from imgpipe.queue import DEFAULT_NAMESPACE
from imgpipe.queue.memory import MemoryQueue
from imgpipe.queue.values import ALL
from imgpipe.web.app import App, Later
from imgpipe.web.broker import Broker, RedisBroker
from imgpipe.web.dispatch import admit, answer, finish
from imgpipe.web.folders import prepare
from imgpipe.web.http import FilePart, Request, Response
from imgpipe.web.own_workers import OwnWorkers
from imgpipe.web.problems import Refused
from imgpipe.web.settings import from_environ
from imgpipe.web.wire import check_length, parameters, request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from imgpipe.web.settings import WebSettings

_PIECE_BYTES = 256 << 10


class Application:
    """A WSGI application. Without an `app`, it makes one when it is first called."""

    def __init__(self, app: App | None = None) -> None:
        self._app = app
        self._making = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        app = self._made()
        request: Request | None = None
        try:
            request = _request(environ)
            response = _answered(request, environ, app)
        except Refused as error:
            name = request.id if request else request_id({})
            response = error.response(name, request.path if request else "")
            response = response.with_headers(("X-Request-Id", name))
        response = finish(response, request, app)
        is_told = response.length is not None and response.status not in (204, 304)
        length = (("Content-Length", str(response.length)),) if is_told else ()
        status = f"{response.status} {HTTPStatus(response.status).phrase}"
        start_response(status, [*response.headers, *length])
        if environ["REQUEST_METHOD"] == "HEAD":
            response.close()
            return []
        return _Sending(response, app)

    def _made(self) -> App:
        with self._making:
            if self._app is None:
                settings = from_environ(os.environ)
                prepare(settings)
                self._app = App(settings, _broker(settings, os.environ))
                atexit.register(self._app.close)
            return self._app


application = Application()


def _broker(settings: WebSettings, environ: Mapping[str, str]) -> Broker:
    """Return the queue that IMGPIPE_REDIS and IMGPIPE_NAMESPACE name, or one in memory with a worker of ours.

    That one is this process's alone: with several of them, only Redis makes them one server.
    """
    if url := environ.get("IMGPIPE_REDIS"):
        broker = RedisBroker(url, environ.get("IMGPIPE_NAMESPACE") or DEFAULT_NAMESPACE)
        broker.start()
        return broker
    queue = MemoryQueue()
    workers = OwnWorkers(queue, [ALL], settings, _say)
    workers.start()
    atexit.register(workers.stop, 0.0)
    return Broker(queue)


def _say(line: str) -> None:
    print(f"imgpipe: {display_name(line)}", file=sys.stderr)  # noqa: T201 - there is no request to log it with


def _request(environ: dict[str, Any]) -> Request:
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    if environ.get("CONTENT_LENGTH"):
        headers["content-length"] = check_length(environ["CONTENT_LENGTH"])
    try:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode()
    except UnicodeDecodeError as error:
        raise Refused(400, "malformed-request", "the path is not UTF-8 once decoded") from error
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path or "/",
        query=parameters(environ.get("QUERY_STRING", "")),
        headers=headers,
        id=request_id(headers),
        peer=environ.get("REMOTE_ADDR", ""),
    )


def _answered(request: Request, environ: dict[str, Any], app: App) -> Response:
    admitted = admit(request, app)
    if isinstance(admitted, Response):
        return admitted
    request, route = admitted
    size = request.content_length or 0
    body = environ["wsgi.input"].read(size)
    if len(body) < size:
        raise Refused(400, "malformed-request", "the body ended too early")

    def log(line: str) -> None:
        environ["wsgi.errors"].write(line + "\n")

    response = answer(replace(request, body=body), route.view, app, log)
    while isinstance(response, Later):
        app.stopping.wait(response.seconds)  # a thread of that server: only ours can do without
        response = answer(replace(request, body=body), response.view, app, log)
    return response


class _Sending:
    """The body of an answer, piece by piece; the server calls `close` when it is done, or when the client has gone."""

    def __init__(self, response: Response, app: App) -> None:
        self._body, self._app, self.close = response.body, app, response.close

    def __iter__(self) -> Iterator[bytes]:
        body = self._body
        if isinstance(body, bytes):
            yield body
        elif isinstance(body, FilePart):
            body.file.seek(body.start)
            left = body.length
            while left and (data := body.file.read(min(left, _PIECE_BYTES))):
                left -= len(data)
                yield data
        else:
            for piece in body.pieces:
                yield piece.data
                self._app.stopping.wait(piece.seconds)  # a thread of that server: only ours can do without
