"""Guard: decides from the head of a request alone whether its sender may ask this, and send that body."""

from __future__ import annotations

import hmac
import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from imgpipe.web.problems import Refused

if TYPE_CHECKING:
    from imgpipe.web.http import Request
    from imgpipe.web.operations import Body
    from imgpipe.web.settings import WebSettings

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_SAFE = {"GET", "HEAD", "OPTIONS"}


def check_sender(request: Request, settings: WebSettings) -> None:
    """Raise `Refused` unless the sender may ask anything at all."""
    _check_host(request, settings)
    _check_token(request, settings)
    if request.method not in _SAFE:
        _check_site(request)


def check_body(request: Request, body: Body | None) -> None:
    """Raise `Refused` unless the announced body is one that the endpoint takes."""
    length = request.content_length
    if body is None:
        if length:
            raise Refused(413, "body-too-large", "this endpoint takes no body")
        return
    if not body.takes(request.media_type):
        wanted = " or ".join(body.media).replace("image/*", "image/jpeg or another image/…")
        raise Refused(415, "unsupported-media-type", f"send it with the header Content-Type: {wanted}")
    if length is None:
        raise Refused(411, "length-required", "send the header Content-Length")
    if length > body.max_bytes:
        raise Refused(413, "body-too-large", f"the body has {length} bytes, at most {body.max_bytes} are taken")


def is_loopback(name: str) -> bool:
    """Whether an address, or the name localhost, is of this machine alone. A unix socket has the address ""."""
    if name in ("", "localhost"):
        return True
    address = _address(name)
    return address is not None and (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _check_host(request: Request, settings: WebSettings) -> None:
    """Refuse names that are not ours: any web site can let its own name point to this machine (DNS rebinding).

    An address cannot be made to point elsewhere.
    """
    host = request.headers.get("host")
    if host is None:  # HTTP/1.0, which no browser speaks
        return
    match = _HOST.fullmatch(host)
    if match is None:
        raise Refused(400, "malformed-request", "the header Host is not a name and a port")
    name = match[1].lower().rstrip(".")
    if name != "localhost" and name not in settings.allowed_hosts and _address(name.strip("[]")) is None:
        raise Refused(403, "unknown-host", f"{name[:80]} is not allowed; name it with --allow-host")


def _check_token(request: Request, settings: WebSettings) -> None:
    if settings.token is None:
        if not is_loopback(request.peer):
            raise Refused(403, "not-local", "start the server with --token-file to serve other machines")
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given, wanted = token.strip().encode("latin-1"), settings.token.encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(given, wanted):
        challenge = (("WWW-Authenticate", 'Bearer realm="imgpipe"'),)
        raise Refused(401, "token-needed", "send the header Authorization: Bearer TOKEN", headers=challenge)


def _check_site(request: Request) -> None:
    """Refuse what a page of another site lets a browser send; other programs send none of these headers."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    same = origin is None or origin.partition("://")[2] == request.headers.get("host")
    if site not in (None, "same-origin", "none") or not same:
        raise Refused(403, "cross-site", "pages of other sites may not send this")


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
