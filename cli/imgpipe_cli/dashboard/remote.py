"""Remote: the snapshots that a server, or a run with --metrics-port, hands out over HTTP."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imgpipe.errors import BadOption, ServerUnavailable
from imgpipe.monitor.document import from_data

if TYPE_CHECKING:
    from imgpipe.monitor import Snapshot

_SECONDS = 5.0
_MOST_BYTES = 1 << 26
_PATH = "/api/metrics/"


class Remote:
    """Asks one server. Raises `BadOption` for an address that is none."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        try:
            self._host, self._port = parts.hostname, parts.port
        except ValueError:
            self._host = None
        if parts.scheme not in ("http", "https") or not self._host:
            raise BadOption("url", url, "the address of a server, as http://127.0.0.1:8000")
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._url, self._path = url, parts.path.rstrip("/") + _PATH
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def take(self) -> Snapshot:
        """Return how things are there.

        Raises `ServerUnavailable` while nobody answers, or the queue there is away, `BadOption` for somebody else who
        does, or where a token is missing.
        """
        status, data = self._get()
        if status == http.client.UNAUTHORIZED:
            raise BadOption("token-file", None, f"a file with the token of {self._url}")
        if status >= http.client.INTERNAL_SERVER_ERROR:
            raise ServerUnavailable(f"{self._url} cannot tell: {_detail(data, status)}")
        try:
            return from_data(json.loads(data))
        except (ValueError, RecursionError, BadOption) as error:
            expected = f"an `imgpipe serve`, or a run with --metrics-port; it answers {status} ({error})"
            raise BadOption("url", self._url, expected) from error

    def _get(self) -> tuple[int, bytes]:
        assert self._host is not None  # see above
        connection = self._make(self._host, self._port, timeout=_SECONDS)
        try:
            connection.request("GET", self._path, headers=self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise ServerUnavailable(f"{self._url} does not answer: it may be over ({why})") from error
        finally:
            connection.close()


def _detail(data: bytes, status: int) -> Any:
    try:
        return json.loads(data)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"status {status}"
