"""OpenAPI: the document that describes all endpoints to programs (version 3.1), made from the table of routes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import imgpipe
from imgpipe.web.schemas import PROBLEM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.web.operations import Route

_ANYWHERE = (400, 401, 403, 503)
"""Statuses that any request may get: malformed, without a token, from elsewhere, while too much is in work."""

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


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
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _names(route)),
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
    statuses = sorted({*_ANYWHERE, *route.problems, *((411,) if route.body else ())})
    return good | {str(s): {"description": HTTPStatus(s).phrase, "content": _PROBLEM} for s in statuses}


def _names(route: Route) -> list[str]:
    return list(route.pattern.groupindex)
