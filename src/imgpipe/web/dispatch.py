"""Dispatch: the way of every request, whoever runs the server: let in or refused, viewed, and finished."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgpipe.display import display_name
from imgpipe.errors import ImgpipeError
from imgpipe.filters.parameters import unknown_hint
from imgpipe.web.guard import check_body, check_sender
from imgpipe.web.http import Response
from imgpipe.web.problems import Fault, Refused, refusal_of
from imgpipe.web.routes import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.web.app import App, Later, View
    from imgpipe.web.http import Piece, Request, Stream
    from imgpipe.web.operations import Route

_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)


def admit(request: Request, app: App) -> tuple[Request, Route] | Response:
    """Let a request in, from its head alone, or answer it at once. It takes microseconds, and waits for nothing."""
    try:
        check_sender(request, app.settings)
        return _routed(request)
    except Refused as error:
        return error.response(request.id, request.path)


def answer(request: Request, view: View, app: App, log: Callable[[str], None]) -> Response | Later:
    """Call a view. Whatever happens, there is an answer; what nobody has foreseen goes to the log, and only there."""
    try:
        return view(request, app)
    except ImgpipeError as error:
        refused = refusal_of(error)
    except Exception:  # noqa: BLE001 - one request must not end the server
        log_unforeseen(log, request.id)
        refused = Refused(500, "internal", "the server's log says more, under this request's id")
    return refused.response(request.id, request.path)


def next_piece(stream: Stream, request: Request, log: Callable[[str], None]) -> Piece | None:
    """Ask a stream for more; None when it has ended, or when something has gone wrong that nobody has foreseen."""
    try:
        return next(stream.pieces, None)
    except Exception:  # noqa: BLE001 - one stream must not end the server
        log_unforeseen(log, request.id)
        return None


def finish(response: Response, request: Request | None, app: App) -> Response:
    """Add to an answer what every answer has, and count it. What was no request has no id but that of its problem."""
    app.count(response.status)
    known = () if request is None else (("X-Request-Id", request.id),)
    return response.with_headers(*known, *_ALWAYS)


def log_unforeseen(log: Callable[[str], None], name: str) -> None:
    """Log the error that is being handled, line by line, after the name of its request."""
    for line in traceback.format_exc().splitlines():
        log(f"{name} {display_name(line)}")


def _routed(request: Request) -> tuple[Request, Route] | Response:
    routes, variables = find(request.path)
    if not routes and request.path != "*":
        raise Refused(404, "not-found", "there is no such path; / lists those that there are")
    methods = [route.method for route in routes]
    allow = ("Allow", ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]))
    if request.method == "OPTIONS":
        return Response(status=204, headers=(allow,))
    wanted = "GET" if request.method == "HEAD" else request.method
    route = next((route for route in routes if route.method == wanted), None)
    if route is None:
        raise Refused(405, "method-not-allowed", f"use one of {allow[1]}", headers=(allow,))
    check_body(request, route.body)
    return replace(request, variables=variables, query=_values(request, route)), route


def _values(request: Request, route: Route) -> dict[str, Any]:
    """Return the values of the parameters that are given, and of those that have a default."""
    known = {one.name: one for one in route.parameters}
    values = {name: one.schema["default"] for name, one in known.items() if "default" in one.schema}
    faults = []
    for name, text in request.query.items():
        if name not in known:
            faults.append(Fault("no such parameter", parameter=name, suggestion=unknown_hint(name, known)))
            continue
        try:
            values[name] = known[name].read(text)
        except ValueError as error:
            faults.append(Fault(str(error), parameter=name))
    if faults:
        detail = "; ".join(f"{fault.parameter}: {fault.detail}" for fault in faults)
        raise Refused(422, "bad-parameter", detail, *faults)
    return values
