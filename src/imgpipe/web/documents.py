"""Documents: the table of routes told to people, as a page, and to programs, as an OpenAPI document (version 3.1)."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from http import HTTPStatus
from itertools import groupby
from typing import TYPE_CHECKING, Any

import imgpipe
from imgpipe.web.http import Response
from imgpipe.web.schemas import PROBLEM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.web.operations import Route

_STYLE = """\
html { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
h2 { margin: 2em 0 0 } dt { margin-top: 1em } dd { margin: 0 }
pre { overflow-x: auto; padding: .5em; margin: .2em 0; background: color-mix(in srgb, currentcolor 8%, transparent) }"""

_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)

_ANYWHERE = (400, 401, 403, 414, 431, 503)
"""Statuses that any request may get: malformed, without a token, from elsewhere, too long, when too much is asked."""

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def page(routes: Sequence[Route], base: str) -> Response:
    """Return the page; `base` is how the client calls this server."""
    parts = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>imgpipe</title><style>{_STYLE}</style>',
        f"</head><body><h1>imgpipe {imgpipe.__version__}</h1>",
        '<p>One pipeline of filters over many pictures. For programs: <a href="/api/openapi.json">OpenAPI</a>.</p>',
    ]
    for tag, group in groupby(routes, key=lambda route: route.tag):
        parts.append(f"<h2>{escape(tag)}</h2><dl>")
        for route in group:
            parts.append(f"<dt><code>{route.method} {escape(route.path)}</code> {escape(route.summary)}</dt>")
            parts.append(f"<dd><pre>{escape(route.curl(base))}</pre></dd>")
        parts.append("</dl>")
    body = "\n".join([*parts, "</body></html>\n"]).encode()
    headers = (("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", _POLICY))
    return Response(headers=headers, body=body)


def openapi_document(routes: Sequence[Route]) -> dict[str, Any]:
    """Describe all routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imgpipe",
            "version": imgpipe.__version__,
            "description": "One pipeline of filters over many pictures. Every path works without its last slash, too.",
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    words = [word for word in route.path.replace("{", "").replace("}", "").split("/") if word]
    operation: dict[str, Any] = {
        "operationId": "-".join([route.method.lower(), *words]).replace(".", "-"),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in route.pattern.groupindex
            ),
            *(
                {"name": one.name, "in": place, "description": one.help, "schema": one.schema}
                for place, ones in (("query", route.parameters), ("header", route.headers))
                for one in ones
            ),
        ],
        "responses": _responses(route),
    }
    if route.body is not None:
        content = {media: {"schema": route.body.schema} for media in route.body.media}
        if isinstance(route.example, dict):
            content[route.body.media[0]]["example"] = route.example
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _responses(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": route.answer}}
    if isinstance(route.answer, str):
        content = {route.answer: {}}
    if route.media:
        content[route.media] = {}
    good = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            **({} if status in {204, 304} else {"content": content}),
        }
        for status in route.good
    }
    statuses = {*_ANYWHERE, *route.problems}
    statuses |= {411, 413, 415, 422} if route.body else {422} if route.parameters else set()
    statuses |= {404, 410} if "id" in route.pattern.groupindex else set()
    return good | {str(s): {"description": HTTPStatus(s).phrase, "content": _PROBLEM} for s in sorted(statuses)}
