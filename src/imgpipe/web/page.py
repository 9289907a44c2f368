"""Page: the index for people: every endpoint with a line for curl."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

import imgpipe
from imgpipe.web.http import Response

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
